"""LSTM and GRU as tf2onnx writes them where it makes no node of them: Loop over gathered rows, four products a gate, reversed sequences."""

import numpy as np
import pytest
from test_from_onnx import TOLERANCE, imported

from edgelstm import reference

pytest.importorskip("onnx")
helper, numpy_helper = pytest.importorskip("onnx.helper"), pytest.importorskip("onnx.numpy_helper")
ort = pytest.importorskip("onnxruntime")

STEPS, INPUTS, HIDDEN = 9, 3, 4


def body(prefix, weights):
    """A step of Keras' LSTM on rows of `prefix`_rows: gates in four products each; counter, h and c go round."""
    nodes, node = [], helper.make_node
    nodes.append(node("Gather", [f"{prefix}_rows", "i"], ["x"], axis=0))
    for gate in "ifgo":
        for name in ("W", "U"):
            weights[f"{prefix}_{name}{gate}"] = (INPUTS if name == "W" else HIDDEN, HIDDEN)
        weights[f"{prefix}_b{gate}"] = (HIDDEN,)
        nodes += [
            node("MatMul", ["x", f"{prefix}_W{gate}"], [f"x{gate}"]),
            node("Add", [f"x{gate}", f"{prefix}_b{gate}"], [f"xb{gate}"]),
            node("MatMul", ["h", f"{prefix}_U{gate}"], [f"h{gate}"]),
            node("Add", [f"xb{gate}", f"h{gate}"], [f"z{gate}"]),
            node("Tanh" if gate == "g" else "Sigmoid", [f"z{gate}"], [gate]),
        ]
    nodes += [
        node("Mul", ["f", "c"], ["kept"]),
        node("Mul", ["ii", "g"], ["new"]),
        node("Add", ["kept", "new"], ["c_next"]),
        node("Tanh", ["c_next"], ["squashed"]),
        node("Mul", ["o", "squashed"], ["h_next"]),
        node("Add", ["count", "one"], ["count_next"]),
        node("Less", ["count_next", "steps"], ["goes_on"]),
        node("Identity", ["h_next"], ["y"]),
    ]
    for one in nodes:  # the gate i and the iteration's number have different names
        one.output[:] = ["ii" if name == "i" else name for name in one.output]
    infos = [("i", 7, []), ("on", 9, []), ("count", 6, []), ("h", 1, [1, HIDDEN]), ("c", 1, [1, HIDDEN])]
    outs = [("goes_on", 9, []), ("count_next", 6, []), ("h_next", 1, [1, HIDDEN]), ("c_next", 1, [1, HIDDEN]), ("y", 1, [1, HIDDEN])]
    return helper.make_graph(
        nodes, prefix, [helper.make_tensor_value_info(*info) for info in infos], [helper.make_tensor_value_info(*out) for out in outs]
    )


def bidirectional(end):
    """The bytes of a model: both directions over (1, STEPS, INPUTS), joined at every step or, with `end`, at their ends."""
    weights, node = {}, helper.make_node
    loops = ["trips", "true", "zero_count", "zero", "zero"]
    nodes = [
        node("Transpose", ["samples"], ["f_rows"], perm=[1, 0, 2]),
        node("ReverseSequence", ["f_rows", "lengths"], ["b_rows"], time_axis=0, batch_axis=1),
        node("Loop", loops, ["f_n", "f_h", "f_c", "f_y"], body=body("f", weights)),
        node("Loop", loops, ["b_n", "b_h", "b_c", "b_turned"], body=body("b", weights)),
        node("ReverseSequence", ["b_turned", "lengths"], ["b_y"], time_axis=0, batch_axis=1),
        node("Concat", ["f_h", "b_h"], ["answer"], axis=-1) if end else node("Concat", ["f_y", "b_y"], ["joined"], axis=-1),
    ]
    if not end:
        nodes.append(node("Transpose", ["joined"], ["answer"], perm=[1, 0, 2]))
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in weights.items()}
    arrays |= {"trips": np.array(STEPS), "true": np.array(True), "zero_count": np.array(0, np.int32), "one": np.array(1, np.int32)}
    arrays |= {"zero": np.zeros((1, HIDDEN), np.float32), "steps": np.array(STEPS, np.int32), "lengths": np.array([STEPS])}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("samples", 1, [1, STEPS, INPUTS])],
        [helper.make_tensor_value_info("answer", 1, [1, 2 * HIDDEN] if end else [1, STEPS, 2 * HIDDEN])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("end", [False, True], ids=["every step", "the ends"])
def test_loops_in_both_directions(tmp_path, end):
    data = bidirectional(end)
    x = np.random.default_rng(1).normal(size=(STEPS, INPUTS)).astype(np.float32)
    expected = ort.InferenceSession(data).run(None, {"samples": x[None]})[0][0].reshape(-1, 2 * HIDDEN)
    model = imported(tmp_path, data).model
    assert [(layer.kind, layer.reverse) for layer in model.layers[:2]] == [("lstm", False), ("lstm", True)]
    assert np.abs(reference.run(model, x) - expected).max() <= TOLERANCE


def masked():
    """The bytes of a model: a simple RNN that rows of zeros leave as it is, over (1, STEPS, INPUTS)."""
    node, rng = helper.make_node, np.random.default_rng(0)
    step = [
        *(node("Gather", [name, "i"], [one], axis=0) for name, one in (("rows", "x"), ("there", "m"))),
        node("Not", ["m"], ["rest"]),
        *(node("Cast", [name], [name + "_1"], to=1) for name in ("m", "rest")),
        *(node("MatMul", [a, b], [a + b]) for a, b in (("x", "W"), ("h", "U"))),
        node("Add", ["xW", "hU"], ["z"]),
        node("Tanh", ["z"], ["new"]),
        *(node("Mul", [a, b], [a + b]) for a, b in (("m_1", "new"), ("rest_1", "h"))),
        node("Add", ["m_1new", "rest_1h"], ["h_next"]),
        node("Identity", ["on"], ["goes_on"]),
    ]
    infos = [[(name, kind, [] if kind != 1 else [1, HIDDEN]) for name, kind in side] for side in (
        [("i", 7), ("on", 9), ("h", 1)], [("goes_on", 9), ("h_next", 1)])]  # fmt: skip
    loop = helper.make_graph(step, "loop", *([helper.make_tensor_value_info(*info) for info in side] for side in infos))
    nodes = [
        node("ReduceSum", ["zeros", "last"], ["zero"], keepdims=0, noop_with_empty_axes=0),
        node("Equal", ["samples", "nothing"], ["same"]),
        node("Not", ["same"], ["differs"]),
        node("Cast", ["differs"], ["ones"], to=1),
        node("ReduceSum", ["ones", "last"], ["count"]),
        node("Greater", ["count", "nothing"], ["any"]),
        *(node("Transpose", [name], [turned], perm=[1, 0, 2]) for name, turned in (("any", "there"), ("samples", "rows"))),
        node("Loop", ["trips", "true", "zero"], ["answer"], body=loop),
    ]
    arrays = {"W": rng.normal(size=(INPUTS, HIDDEN)).astype(np.float32), "U": rng.normal(size=(HIDDEN, HIDDEN)).astype(np.float32)}
    arrays |= {"trips": np.array(STEPS), "true": np.array(True), "nothing": np.zeros(1, np.float32), "last": np.array([-1])}
    arrays |= {"zeros": np.zeros((1, HIDDEN, 2), np.float32)}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("samples", 1, [1, STEPS, INPUTS])],
        [helper.make_tensor_value_info("answer", 1, [1, HIDDEN])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8).SerializeToString()


def test_rows_that_count_no_number_other_than_zero_are_padding(tmp_path):
    data, x = masked(), np.random.default_rng(1).normal(size=(STEPS, INPUTS)).astype(np.float32)
    x[[2, 7, 8]] = 0
    expected = ort.InferenceSession(data).run(None, {"samples": x[None]})[0][0]
    model = imported(tmp_path, data).model
    assert "rnn" in [layer.kind for layer in model.layers]
    assert np.abs(reference.run(model, x)[-1] - expected).max() <= TOLERANCE


def in_turn(row):
    """The bytes of a model: rows of (1, time, INPUTS) that a loop cuts out one by one, iteration i row i of a list, then products.

    `row`: the number of the list's first row.
    """
    node, rng = helper.make_node, np.random.default_rng(2)
    step = [
        node("Unsqueeze", ["i", "first"], ["begin"]),
        node("Add", ["begin", "ones"], ["end"]),
        node("Slice", ["places", "begin", "end", "first"], ["listed"]),
        node("Add", ["listed", "ones"], ["behind"]),
        node("Slice", ["rows", "listed", "behind", "first"], ["cut"]),
        node("Squeeze", ["cut", "first"], ["y"]),
        node("Add", ["count", "one"], ["count_next"]),
        node("Less", ["count_next", "steps"], ["goes_on"]),
    ]
    infos = [[(name, kind, shape) for name, kind, shape in side] for side in (
        [("i", 7, []), ("on", 9, []), ("count", 7, [])], [("goes_on", 9, []), ("count_next", 7, []), ("y", 1, [1, INPUTS])])]  # fmt: skip
    loop = helper.make_graph(step, "loop", *([helper.make_tensor_value_info(*info) for info in side] for side in infos))
    nodes = [
        node("Transpose", ["samples"], ["rows"], perm=[1, 0, 2]),
        node("Shape", ["rows"], ["shape"]),
        node("Gather", ["shape", "zero"], ["steps"]),
        node("Range", ["row", "steps", "one"], ["places"]),
        node("Sub", ["steps", "row"], ["trips"]),
        node("Loop", ["trips", "true", "zero"], ["counted", "gathered"], body=loop),
        node("MatMul", ["gathered", "W"], ["turned"]),
        node("Transpose", ["turned"], ["answer"], perm=[1, 0, 2]),
    ]
    arrays = {"W": rng.normal(size=(INPUTS, 2)).astype(np.float32), "true": np.array(True), "first": np.array([0]), "ones": np.array([1])}
    arrays |= {"zero": np.array(0), "one": np.array(1), "row": np.array(row)}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("samples", 1, [1, "time", INPUTS])],
        [helper.make_tensor_value_info("answer", 1, [1, "answers", 2])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8).SerializeToString()


def test_loops_that_cut_rows_out_by_a_list_are_their_rows(tmp_path):
    """As TensorFlow's parallel loops leave a TimeDistributed layer."""
    data = in_turn(0)
    x = np.random.default_rng(3).normal(size=(STEPS, INPUTS)).astype(np.float32)
    expected = ort.InferenceSession(data).run(None, {"samples": x[None]})[0][0]
    model = imported(tmp_path, data).model
    assert [layer.kind for layer in model.layers] == ["dense"]
    assert np.abs(reference.run(model, x) - expected).max() <= TOLERANCE


def test_loops_that_cut_out_other_rows_are_not_taken_for_their_own(tmp_path):
    data = in_turn(1)
    x = np.random.default_rng(3).normal(size=(STEPS, INPUTS)).astype(np.float32)
    expected = ort.InferenceSession(data).run(None, {"samples": x[None]})[0][0]
    assert len(expected) == STEPS - 1
    answers = reference.run(imported(tmp_path, data).model, x)
    assert np.abs(answers[-len(expected) :] - expected).max() <= TOLERANCE
