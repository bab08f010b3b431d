"""Scan over a recording's steps, and the operators of scikit-learn's converter, against ONNX Runtime; float16 is said."""

import numpy as np
import pytest
from test_from_onnx import TOLERANCE, exported, imported, torch  # noqa: F401  torch is a fixture

import edgelstm as el
from edgelstm import originals, reference

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

INPUTS, HIDDEN, STEPS = 3, 4, 11


def model_of(nodes, arrays, shape, *, kind=1, domains=()):
    """The bytes of a graph from x to y."""
    infos = [helper.make_tensor_value_info("x", kind, shape), helper.make_tensor_value_info("y", kind, None)]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], [numpy_helper.from_array(value, name) for name, value in arrays.items()])
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(*one) for one in domains)]
    return onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets, ir_version=8)).SerializeToString()


def numbers(seed=0, **shapes):
    rng = np.random.default_rng(seed)
    return {name: (0.5 * rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}


def scanned(shape, **options):
    """``h = tanh(x W + h U)`` as Scan; a decay of h as a second state, which the answers are added to."""
    node, info = helper.make_node, helper.make_tensor_value_info
    nodes = [
        node("MatMul", ["row", "W"], ["a"]),
        node("MatMul", ["h", "U"], ["b"]),
        node("Add", ["a", "b"], ["z"]),
        node("Tanh", ["z"], ["h_next"]),
        node("Identity", ["h_next"], ["out"]),
    ]
    states = [info("h", 1, [1, HIDDEN]), info("row", 1, [1, INPUTS])]
    body = helper.make_graph(nodes, "body", states, [info(name, 1, [1, HIDDEN]) for name in ("h_next", "out")])
    arrays = numbers(W=(INPUTS, HIDDEN), U=(HIDDEN, HIDDEN), begin=(1, HIDDEN))
    return model_of([node("Scan", ["begin", "x"], ["end", "y"], body=body, num_scan_inputs=1, **options)], arrays, shape)


SCANS = {
    "along time": ([STEPS, 1, INPUTS], {}),
    "of open length": (["time", 1, INPUTS], {}),
    "from the end": (["time", 1, INPUTS], {"scan_input_directions": [1], "scan_output_directions": [1]}),
    "from the end, answers as they come": (["time", 1, INPUTS], {"scan_input_directions": [1]}),
    "along the second axis": ([1, "time", INPUTS], {"scan_input_axes": [1], "scan_output_axes": [1]}),
}


@pytest.mark.parametrize("name", SCANS)
def test_scan_over_the_steps_is_a_layer(tmp_path, name):
    shape, options = SCANS[name]
    data, x = scanned(shape, **options), np.random.default_rng(1).normal(size=(STEPS, INPUTS)).astype(np.float32)
    (expected,) = ort.InferenceSession(data).run(["y"], {"x": x.reshape([STEPS if n in ("time", STEPS) else n for n in shape])})
    model = imported(tmp_path, data).model
    assert (model.layers[0].kind, model.layers[0].reverse) == ("rnn", "from the end" in name)
    assert np.abs(reference.run(model, x) - expected.reshape(STEPS, HIDDEN)).max() <= TOLERANCE


@pytest.mark.parametrize("spoil", ["count", "ways"])
def test_scans_that_contradict_themselves(tmp_path, spoil):
    proto = onnx.load_from_string(scanned(["time", 1, INPUTS], scan_input_directions=[0]))
    for attribute in proto.graph.node[0].attribute:
        if attribute.name == "num_scan_inputs" and spoil == "count":
            attribute.i = 3
        elif attribute.name == "scan_input_directions" and spoil == "ways":
            attribute.ints.extend([0, 0])
    with pytest.raises(el.UnsupportedModelError, match=r"node Scan.*(scans 3 of its 2|3 directions for 1)"):
        imported(tmp_path, proto.SerializeToString())


def test_scaler_and_regressor_of_scikit_learn(tmp_path):
    node, ml = helper.make_node, "ai.onnx.ml"
    arrays = numbers(W=(INPUTS, HIDDEN), b=(HIDDEN,))
    nodes = [
        node("Scaler", ["x"], ["scaled"], domain=ml, offset=[0.1, -0.2, 0.3], scale=[2.0, 3.0, 0.5]),
        node("MatMul", ["scaled", "W"], ["product"]),
        node("Add", ["product", "b"], ["sum"]),
        node("Relu", ["sum"], ["h"]),
        node("LinearRegressor", ["h"], ["y"], domain=ml, coefficients=[0.1, 0.2, 0.3, 0.4, 1, 2, 3, 4], intercepts=[0.5, -1.0], targets=2),
    ]
    data = model_of(nodes, arrays, [None, INPUTS], domains=[(ml, 1)])
    x = np.random.default_rng(1).normal(size=(5, INPUTS)).astype(np.float32)
    (expected,) = ort.InferenceSession(data).run(None, {"x": x})
    assert np.abs(reference.run(imported(tmp_path, data).model, x) - expected).max() <= TOLERANCE


@pytest.mark.parametrize("half", [False, True])
def test_float16_is_said(tmp_path, half):
    """A runtime rounds to float16 what it answers; weights of float16 that are turned to float32 first are exact."""
    dtype = np.float16 if half else np.float32
    arrays = {name: value.astype(np.float16) for name, value in numbers(W=(1, 16, INPUTS), R=(1, 16, HIDDEN)).items()}
    nodes = [helper.make_node("Cast", [name], [f"{name}s"], to=10 if half else 1) for name in arrays]
    nodes += [helper.make_node("LSTM", ["x", "Ws", "Rs"], ["all"], hidden_size=HIDDEN), helper.make_node("Squeeze", ["all", "one"], ["y"])]
    data = model_of(nodes, arrays | {"one": np.array([1])}, ["time", 1, INPUTS], kind=10 if half else 1)
    x = np.random.default_rng(1).normal(size=(STEPS, 1, INPUTS)).astype(dtype)
    (expected,) = ort.InferenceSession(data).run(None, {"x": x})
    taken = imported(tmp_path, data)
    assert any("float16" in note for note in taken.notes) is half
    assert np.abs(reference.run(taken.model, x[:, 0]) - expected[:, 0]).max() <= (1e-3 if half else TOLERANCE)


def test_a_gru_cell_spelled_out_whose_first_step_is_folded(torch, tmp_path):  # noqa: F811
    """torch's dynamo exporter computes what zeros make of the first step, and leaves the zeros where they are added."""

    class Loop(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = torch.nn.GRUCell(3, 4)

        def forward(self, x):
            h, found = torch.zeros(1, 4), []
            for step in range(6):
                h = self.cell(x[:, step], h)
                found.append(h)
            return torch.stack(found, 1)

    module, x = Loop(), torch.randn(1, 6, 3)
    model = imported(tmp_path, exported(torch, module, (x,), dynamo=True, open_time=False)).model
    assert [layer.kind for layer in model.layers] == ["gru"]
    with torch.no_grad():
        assert np.abs(reference.run(model, x[0].numpy()) - module(x)[0].numpy()).max() <= TOLERANCE


@pytest.mark.parametrize("steps", [4, 5])
def test_calls_of_several_steps_are_verified(tmp_path, steps):
    """States go on from call to call; 32 steps are no whole number of calls of five."""
    arrays, node = numbers(W=(1, 12, INPUTS), R=(1, 12, HIDDEN)), helper.make_node
    nodes = [node("GRU", ["x", "W", "R", "", "", "h"], ["all", "end"], hidden_size=HIDDEN), node("Squeeze", ["all", "one"], ["y"])]
    proto = onnx.load_from_string(model_of(nodes, arrays | {"one": np.array([1])}, [steps, 1, INPUTS]))
    proto.graph.input.append(helper.make_tensor_value_info("h", 1, [1, 1, HIDDEN]))
    proto.graph.output.append(helper.make_tensor_value_info("end", 1, [1, 1, HIDDEN]))
    taken = imported(tmp_path, proto.SerializeToString())
    found = originals.compare(tmp_path / "model.onnx", "ONNX", taken.model, {})
    assert found.steps == 32
    assert found.passed


def test_a_sum_over_an_open_number_of_steps_names_the_way(tmp_path):
    arrays = numbers(W=(1, 12, INPUTS), R=(1, 12, HIDDEN))
    nodes = [
        helper.make_node("GRU", ["x", "W", "R"], ["all"], hidden_size=HIDDEN),
        helper.make_node("ReduceSum", ["all", "axes"], ["y"], keepdims=0),
    ]
    data = model_of(nodes, arrays | {"axes": np.array([0, 1])}, ["time", 1, INPUTS])
    with pytest.raises(el.UnsupportedModelError, match='sizes="x=Nx1x3"'):
        imported(tmp_path, data)
    x = np.random.default_rng(1).normal(size=(STEPS, INPUTS)).astype(np.float32)
    (expected,) = ort.InferenceSession(data).run(None, {"x": x[:, None]})
    model = el.load(tmp_path / "model.onnx", sizes=f"x={STEPS}x1x3")
    assert np.abs(reference.run(model, x)[-1] - expected).max() <= TOLERANCE
