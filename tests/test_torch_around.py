"""Every layer that stands around a recurrent one, from each file that PyTorch writes a network into, as PyTorch answers."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference

torch = pytest.importorskip("torch")

from torch_around import NETWORKS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

#: What PyTorch's own exporter to ONNX has no words for.
NOT_WRITTEN = {("onnx", "rms norm"), ("onnx", "window")}


def written(form, network, x, path):
    if form == "onnx":
        pytest.importorskip("onnx")
        torch.onnx.export(network, (x,), path, dynamo=False)
    elif form == "pt2":
        torch.export.save(torch.export.export(network, (x,)), path)
    else:
        torch.jit.save(torch.jit.trace(network, (x,)), path)


@pytest.mark.parametrize("form", ["pt2", "jit", "onnx"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_answers_as_pytorch(tmp_path, name, form):
    if (form, name) in NOT_WRITTEN:
        return
    torch.manual_seed(3)
    network, x, path = NETWORKS[name]().eval(), torch.randn(1, 36, 6), tmp_path / f"network.{form}"
    written(form, network, x, path)
    wanted = network(x).detach().numpy()
    found = reference.run(el.load(path), x[0].numpy())
    wanted = wanted.reshape(-1, wanted.shape[-1])
    assert len(found) == (36 if len(wanted) == 1 else len(wanted))
    np.testing.assert_allclose(found[-len(wanted) :], wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (8,)), (2, (8,))])
def test_rms_normalization_of_onnx(tmp_path, axis, shape):
    """The operator of opset 23, by ONNX Runtime."""
    onnx, ort = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(1)
    held = {"w": rng.normal(size=(1, 32, 6)), "r": rng.normal(size=(1, 32, 8)), "scale": rng.normal(size=shape)}
    nodes = [
        onnx.helper.make_node("Transpose", ["x"], ["rows"], perm=[1, 0, 2]),
        onnx.helper.make_node("LSTM", ["rows", "w", "r"], ["y"], hidden_size=8),
        onnx.helper.make_node("Squeeze", ["y", "one"], ["flat"]),
        onnx.helper.make_node("Transpose", ["flat"], ["h"], perm=[1, 0, 2]),
        onnx.helper.make_node("RMSNormalization", ["h", "scale"], ["z"], axis=axis, epsilon=1e-3),
    ]
    stored = [onnx.numpy_helper.from_array(array.astype(np.float32), name) for name, array in held.items()]
    stored.append(onnx.numpy_helper.from_array(np.array([1]), "one"))
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g", [value("x", 1, [1, "T", 6])], [value("z", 1, [1, "T", 8])], stored)
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 23)], ir_version=10)
    x = rng.normal(size=(1, 20, 6)).astype(np.float32)
    wanted = ort.InferenceSession(made.SerializeToString()).run(None, {"x": x})[0][0]
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    np.testing.assert_allclose(reference.run(el.load(tmp_path / "model.onnx"), x[0]), wanted, rtol=0, atol=1e-5)
