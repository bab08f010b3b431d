"""ONNX graphs that read a whole window of rows at once: what they answer for a window is the last row of a stream's answers."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

STEPS, WIDTH = 6, 4


def graph(nodes, constants, shape=(1, STEPS, WIDTH)):
    """A model from x of this shape to y."""
    from onnx import TensorProto, helper, numpy_helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in (("x", shape), ("y", None)))
    held = [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()]
    made = [helper.make_node(op, inputs, outputs, **attributes) for op, inputs, outputs, attributes in nodes]
    model = helper.make_model(helper.make_graph(made, "g", [x], [y], held), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def floats(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def flattened(rng):
    nodes = [
        ("Flatten", ["x"], ["flat"], {}),
        ("Gemm", ["flat", "w", "b"], ["z"], {"transB": 1}),
        ("Relu", ["z"], ["r"], {}),
        ("MatMul", ["r", "v"], ["y"], {}),
    ]
    return nodes, {"w": floats(rng, 5, STEPS * WIDTH), "b": floats(rng, 5), "v": floats(rng, 5, 2)}


def last_rows(rng):
    nodes = [
        ("Slice", ["x", "start", "stop", "axis"], ["cut"], {}),
        ("Flatten", ["cut"], ["flat"], {}),
        ("MatMul", ["flat", "v"], ["y"], {}),
    ]
    return nodes, {"start": np.array([-3]), "stop": np.array([99]), "axis": np.array([1]), "v": floats(rng, 3 * WIDTH, 2)}


def every_row_of_an_lstm(rng):
    nodes = [
        ("Transpose", ["x"], ["t"], {"perm": [1, 0, 2]}),
        ("LSTM", ["t", "w", "r", "b"], ["h"], {"hidden_size": 3}),
        ("Transpose", ["h"], ["rows"], {"perm": [2, 0, 1, 3]}),
        ("Flatten", ["rows"], ["flat"], {}),
        ("MatMul", ["flat", "v"], ["y"], {}),
    ]
    constants = {"w": floats(rng, 1, 12, WIDTH), "r": floats(rng, 1, 12, 3), "b": floats(rng, 1, 24), "v": floats(rng, STEPS * 3, 2)}
    return nodes, constants


@pytest.mark.parametrize("make", [flattened, last_rows, every_row_of_an_lstm])
def test_the_last_answer_to_a_window_is_the_runtimes(make, tmp_path):
    rng = np.random.default_rng(0)
    data = graph(*make(rng))
    x = floats(rng, 1, STEPS, WIDTH)
    (expected,) = runtime.InferenceSession(data).run(None, {"x": x})
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    model = import_file(path).model
    assert model.window == STEPS
    assert np.abs(reference.run(model, x[0])[-1] - expected[0]).max() <= 1e-5


def test_every_step_of_a_stream_answers_from_the_rows_before_it(tmp_path):
    rng = np.random.default_rng(1)
    data = graph(*flattened(rng))
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    x = floats(rng, STEPS + 5, WIDTH)
    session = runtime.InferenceSession(data)
    windows = np.lib.stride_tricks.sliding_window_view(x, STEPS, axis=0).swapaxes(1, 2)
    expected = np.concatenate([session.run(None, {"x": window[None]})[0] for window in windows])
    answers = el.Stream(import_file(path).model).process(x)
    assert answers.shape == expected.shape
    assert np.abs(answers - expected).max() <= 1e-5


def test_the_last_rows_of_a_recording_of_any_length(tmp_path):
    rng = np.random.default_rng(2)
    nodes, constants = last_rows(rng)
    path = tmp_path / "model.onnx"
    path.write_bytes(graph(nodes, constants, (1, "time", WIDTH)))
    x = floats(rng, 9, WIDTH)
    (expected,) = runtime.InferenceSession(path).run(None, {"x": x[None]})
    assert np.abs(reference.run(import_file(path).model, x)[-1] - expected[0]).max() <= 1e-5


@pytest.mark.parametrize("shapes", [((1, STEPS), (1, STEPS, 2)), ((1, STEPS, 3), (1, STEPS, 2))])
def test_two_inputs_of_one_length_stand_side_by_side(shapes, tmp_path, rng):
    """Indices or vectors beside vectors, all of fixed length."""
    from onnx import TensorProto, helper, numpy_helper

    index = len(shapes[0]) == 2
    kinds = (TensorProto.INT32 if index else TensorProto.FLOAT, TensorProto.FLOAT)
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in zip("ab", kinds, shapes, strict=True)]
    held = {"table": floats(rng, 7, 3), "w": floats(rng, 5, 4)}
    nodes = [helper.make_node("Gather", ["table", "a"], ["e"])] if index else [helper.make_node("Tanh", ["a"], ["e"])]
    nodes += [helper.make_node("Concat", ["e", "b"], ["j"], axis=2), helper.make_node("MatMul", ["j", "w"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in held.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    a = rng.integers(0, 7, shapes[0]).astype(np.int32) if index else floats(rng, *shapes[0])
    b = floats(rng, *shapes[1])
    wanted = runtime.InferenceSession(str(tmp_path / "m.onnx")).run(None, {"a": a, "b": b})[0][0]
    found = reference.run(el.load(tmp_path / "m.onnx"), np.concatenate([a.reshape(STEPS, -1), b[0]], axis=1))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_inputs_that_no_reading_fits_are_refused(tmp_path):
    from onnx import TensorProto, helper

    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("a", (1, STEPS)), ("b", (1, STEPS, 2)))]
    nodes = [helper.make_node("NonZero", ["b"], ["z"]), helper.make_node("MatMul", ["a", "z"], ["y"])]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(el.UnsupportedModelError, match="NonZero"):
        el.load(tmp_path / "m.onnx")


def test_a_long_recording_of_fixed_length_is_refused_with_the_way_out(tmp_path, rng):
    """A picture of many columns, say: of an open length few steps are followed, whatever length is meant."""
    nodes = [("MatMul", ["x", "w"], ["z"], {}), ("Relu", ["z"], ["r"], {}), ("MatMul", ["r", "v"], ["y"], {})]
    constants = {"w": floats(rng, WIDTH, 4096), "v": floats(rng, 4096, 2) / 64}
    (tmp_path / "m.onnx").write_bytes(graph(nodes, constants, (1, 512, WIDTH)))
    with pytest.raises(
        el.UnsupportedModelError, match=r"at most 1048576 together are imported\. Export it with the length of recordings open"
    ):
        el.load(tmp_path / "m.onnx")
    data = graph(nodes, constants, (1, "T", WIDTH))
    (tmp_path / "m.onnx").write_bytes(data)
    xs = floats(rng, 512, WIDTH)
    wanted = runtime.InferenceSession(data).run(None, {"x": xs[None]})[0][0]
    np.testing.assert_allclose(reference.run(el.load(tmp_path / "m.onnx"), xs), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("threshold", "kinds"), [(20.0, ["dense", "activation"]), (2.0, ["dense", "activation", "add"])])
def test_softplus_with_a_threshold(threshold, kinds, tmp_path, rng):
    """As PyTorch's exporter writes it: above 20 both sides of the choice are the same, below one is chosen by comparison."""
    nodes = [
        ("MatMul", ["x", "w"], ["z"], {}),
        ("Softplus", ["z"], ["s"], {}),
        ("Greater", ["z", "far"], ["c"], {}),
        ("Where", ["c", "z", "s"], ["y"], {}),
    ]
    data = graph(nodes, {"w": 12 * floats(rng, WIDTH, 3), "far": np.array(threshold, np.float32)})
    (tmp_path / "m.onnx").write_bytes(data)
    xs = floats(rng, STEPS, WIDTH)
    wanted = runtime.InferenceSession(data).run(None, {"x": xs[None]})[0][0]
    assert wanted.max() > 21
    model = el.load(tmp_path / "m.onnx")
    assert {layer.kind for layer in model.layers} >= set(kinds)
    assert ("add" in kinds) == any(layer.kind == "add" for layer in model.layers)
    np.testing.assert_allclose(reference.run(model, xs), wanted, rtol=0, atol=1e-5)
