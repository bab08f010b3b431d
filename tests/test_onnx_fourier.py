"""STFT and DFT, as front ends are exported, against ONNX Runtime."""

import numpy as np
import pytest
from test_from_onnx import TOLERANCE, imported

import edgelstm as el
from edgelstm import reference

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
helper, numpy_helper = onnx.helper, onnx.numpy_helper


def checked(tmp_path, nodes, arrays, shape, opset=17):
    """The largest difference of the model's answers from ONNX Runtime's, of x of this shape."""
    infos = [helper.make_tensor_value_info("x", 1, shape), helper.make_tensor_value_info("y", 1, None)]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], [numpy_helper.from_array(v, n) for n, v in arrays.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    data = onnx.shape_inference.infer_shapes(made).SerializeToString()
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    (expected,) = ort.InferenceSession(data).run(None, {"x": x})
    model = imported(tmp_path, data).model
    found = reference.run(model, x.reshape(shape[1], -1))
    return np.abs(found - expected.reshape(-1, expected.shape[-1])[-len(found) :]).max()


@pytest.mark.parametrize("windowed", [True, False])
def test_frames_of_a_signal(tmp_path, windowed):
    """Frames of sixteen samples, one each eight, in bins up to the middle one."""
    arrays = {"step": np.array(8), "length": np.array(16), "flat": np.array([1, -1, 18])}
    arrays |= {"window": np.hanning(16).astype(np.float32)} if windowed else {}
    inputs = ["x", "step", "window" if windowed else "", "length"]
    nodes = [helper.make_node("STFT", inputs, ["bins"], onesided=1), helper.make_node("Reshape", ["bins", "flat"], ["y"])]
    assert checked(tmp_path, nodes, arrays, [1, 64, 1]) <= TOLERANCE


@pytest.mark.parametrize(("opset", "parts", "options"), [(17, 1, {"onesided": 1}), (17, 2, {"inverse": 1}), (20, 1, {}), (20, 2, {})])
def test_bins_of_each_step(tmp_path, opset, parts, options):
    """The frames of a recording, each along the last axis but that of the parts."""
    axis = {"axis": 2} if opset < 20 else {}
    bins = 5 if options.get("onesided") else 8
    nodes = [helper.make_node("DFT", ["x"], ["bins"], **axis, **options), helper.make_node("Reshape", ["bins", "flat"], ["y"])]
    assert checked(tmp_path, nodes, {"flat": np.array([1, 6, 2 * bins])}, [1, 6, 8, parts], opset) <= TOLERANCE


@pytest.mark.parametrize(("step", "length"), [(0, 16), (8, 99)])
def test_frames_that_do_not_fit_are_refused(tmp_path, step, length):
    nodes = [helper.make_node("STFT", ["x", "step", "", "length"], ["y"], onesided=1)]
    infos = [helper.make_tensor_value_info(*one) for one in (("x", 1, [1, 64, 1]), ("y", 1, None))]
    arrays = [numpy_helper.from_array(np.array(value), name) for name, value in (("step", step), ("length", length))]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], arrays)
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    with pytest.raises(el.UnsupportedModelError, match=f"node STFT.* takes frames of {length} numbers, one each {step}"):
        imported(tmp_path, data)
