"""Graphs whose inputs leave a length open that the graph says within, as exporters write them."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

import edgelstm as el  # noqa: E402
from edgelstm.importers import import_file  # noqa: E402

RNG = np.random.default_rng(2)
W, R = RNG.normal(size=(1, 12, 3)).astype(np.float32), RNG.normal(size=(1, 12, 4)).astype(np.float32) * 0.4
B, D = RNG.normal(size=(1, 24)).astype(np.float32), RNG.normal(size=(4, 2)).astype(np.float32)


def graph(path, *shapes, head=None):
    """A GRU over (1, T, 3) whose rows (T, 1, 1, 4) are given one shape after the other, and a Dense, or a `head` of flattened rows."""
    constants = {"w": W, "r": R, "b": B, "d": D if head is None else head, "one": np.array([1])}
    constants |= {f"shape{n}": np.array(shape) for n, shape in enumerate(shapes)}
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node("GRU", ["t", "w", "r", "b"], ["y0"], hidden_size=4, linear_before_reset=1),
    ]
    nodes += [helper.make_node("Reshape", [f"y{n}", f"shape{n}"], [f"y{n + 1}"]) for n in range(len(shapes))]
    nodes.append(helper.make_node("MatMul", [f"y{len(shapes)}", "d"], ["y"]))
    made = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, "T", 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize(("shape", "head"), [((9, 1, 4), None), ((1, 36), RNG.normal(size=(36, 2)).astype(np.float32))])
def test_a_length_that_the_graph_says_within_is_the_window(shape, head, tmp_path):
    path = graph(tmp_path / "n.onnx", shape, head=head)
    taken = import_file(path)
    assert taken.model.window == 9
    assert any("runs for 9 steps alone" in note for note in taken.notes)
    x = RNG.normal(size=(9, 3)).astype(np.float32)
    wanted = ort.InferenceSession(path).run(None, {"x": x[None]})[0].reshape(-1, 2)
    np.testing.assert_allclose(el.Stream(taken.model).process(x)[-len(wanted) :], wanted, atol=1e-5)


def test_an_open_length_stays_open(tmp_path):
    taken = import_file(graph(tmp_path / "n.onnx", (-1, 1, 4)))
    assert taken.model.window is None
    assert not any("steps alone" in note for note in taken.notes)


def test_two_lengths_are_refused(tmp_path):
    with pytest.raises(el.EdgeLSTMError, match=r"Reshape .*cannot reshape array of size 128 into shape \(9,1,4\)"):
        import_file(graph(tmp_path / "n.onnx", (9, 1, 4), (11, 1, 4)))
    with pytest.raises(el.EdgeLSTMError):
        import_file(graph(tmp_path / "n.onnx", (9, 1, 3)))
