"""The float64 definitions of activations against the functions of PyTorch, ONNX Runtime and Keras."""

import numpy as np
import pytest

from edgelstm.layers import activations
from edgelstm.reference import functions

XS = np.concatenate([np.linspace(-12, 12, 2401), [-0.5, 0.5, 1, -3, 3, 6, -6, 40, -40]])


def defined(word, xs=XS):
    return functions.activation(activations.checked("test", word))(xs.astype(np.float64))


#: Our word, a function of torch.nn.functional and its arguments.
TORCH = [
    ("relu", "relu", {}),
    ("relu6", "relu6", {}),
    ("tanh", "tanh", {}),
    ("sigmoid", "sigmoid", {}),
    ("clip(-0.3, 2)", "hardtanh", {"min_val": -0.3, "max_val": 2}),
    ("hard_tanh", "hardtanh", {}),
    ("hard_sigmoid(0.16666667, 0.5)", "hardsigmoid", {}),
    ("hard_silu", "hardswish", {}),
    ("softsign", "softsign", {}),
    ("softplus", "softplus", {}),
    ("softplus(2)", "softplus", {"beta": 2, "threshold": 100}),
    ("log_sigmoid", "logsigmoid", {}),
    ("elu", "elu", {}),
    ("elu(0.3)", "elu", {"alpha": 0.3}),
    ("celu(0.3)", "celu", {"alpha": 0.3}),
    ("selu", "selu", {}),
    ("leaky_relu", "leaky_relu", {}),
    ("leaky_relu(0.3)", "leaky_relu", {"negative_slope": 0.3}),
    ("thresholded_relu(0.375)", "threshold", {"threshold": 0.375, "value": 0}),
    ("hard_shrink", "hardshrink", {}),
    ("soft_shrink", "softshrink", {}),
    ("tanh_shrink", "tanhshrink", {}),
    ("gelu", "gelu", {}),
    ("gelu_tanh", "gelu", {"approximate": "tanh"}),
    ("silu", "silu", {}),
    ("mish", "mish", {}),
]


@pytest.mark.parametrize(("word", "name", "arguments"), TORCH, ids=[word for word, _, _ in TORCH])
def test_torch(word, name, arguments):
    torch = pytest.importorskip("torch")
    expected = getattr(torch.nn.functional, name)(torch.from_numpy(XS), **arguments).numpy()
    np.testing.assert_allclose(defined(word), expected, rtol=2e-7, atol=2e-7)  # numbers are those of float32


#: Our word, an operator of ONNX and its attributes.
ONNX = [
    ("hard_sigmoid", "HardSigmoid", {}),
    ("hard_sigmoid(0.3, 0.6)", "HardSigmoid", {"alpha": 0.3, "beta": 0.6}),
    ("elu", "Elu", {}),
    ("elu(0.7)", "Elu", {"alpha": 0.7}),
    ("celu(2)", "Celu", {"alpha": 2.0}),
    ("selu", "Selu", {}),
    ("leaky_relu", "LeakyRelu", {}),
    ("leaky_relu(0.2)", "LeakyRelu", {"alpha": 0.2}),
    ("thresholded_relu", "ThresholdedRelu", {}),
    ("thresholded_relu(0.25)", "ThresholdedRelu", {"alpha": 0.25}),
    ("softsign", "Softsign", {}),
    ("softplus", "Softplus", {}),
    ("hard_silu", "HardSwish", {}),
    ("gelu", "Gelu", {}),
    ("gelu_tanh", "Gelu", {"approximate": "tanh"}),
    ("mish", "Mish", {}),
    ("hard_shrink(0.5)", "Shrink", {"lambd": 0.5, "bias": 0.0}),
    ("soft_shrink(0.5)", "Shrink", {"lambd": 0.5, "bias": 0.5}),
    ("exp", "Exp", {}),
    ("abs", "Abs", {}),
]


@pytest.fixture(scope="module")
def onnx_answers():
    """What ONNX Runtime answers for every operator of `ONNX`, from one graph."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    helper = onnx.helper
    nodes = [helper.make_node(name, ["x"], [f"y{i}"], **attributes) for i, (_, name, attributes) in enumerate(ONNX)]
    values = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [len(XS)]) for n in ("x", *(f"y{i}" for i in range(len(ONNX))))]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": XS.astype(np.float32)})


@pytest.mark.parametrize("position", range(len(ONNX)), ids=[word for word, _, _ in ONNX])
def test_onnxruntime(onnx_answers, position):
    expected = defined(ONNX[position][0], XS.astype(np.float32))
    np.testing.assert_allclose(onnx_answers[position], expected, rtol=2e-6, atol=2e-6)  # ONNX Runtime computes in float32


#: Our word and Keras' name and arguments.
KERAS = [
    ("hard_sigmoid(0.16666667, 0.5)", "hard_sigmoid", {}),
    ("hard_silu", "hard_silu", {}),
    ("hard_tanh", "hard_tanh", {}),
    ("softsign", "softsign", {}),
    ("softplus", "softplus", {}),
    ("elu(0.5)", "elu", {"alpha": 0.5}),
    ("selu", "selu", {}),
    ("leaky_relu(0.2)", "leaky_relu", {}),
    ("gelu", "gelu", {}),
    ("gelu_tanh", "gelu", {"approximate": True}),
    ("silu", "silu", {}),
    ("mish", "mish", {}),
    ("exp", "exponential", {}),
    ("relu6", "relu6", {}),
    ("log_sigmoid", "log_sigmoid", {}),
]


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize(("word", "name", "arguments"), KERAS, ids=[word for word, _, _ in KERAS])
def test_keras(monkeypatch, word, name, arguments):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    keras = pytest.importorskip("keras")
    answers = getattr(keras.activations, name)(keras.ops.convert_to_tensor(XS.astype(np.float32)), **arguments)
    expected = defined(word, XS.astype(np.float32))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(answers), expected, rtol=2e-6, atol=2e-6)  # Keras computes in float32
