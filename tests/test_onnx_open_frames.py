"""ONNX files with states that leave open how long the frame of a call is, and what is left in them that no answer depends on."""

import numpy as np
import pytest
from test_onnx_states import Net

from edgelstm import reference
from edgelstm.errors import UnsupportedModelError
from edgelstm.importers.from_onnx.chains import from_onnx
from edgelstm.importers.from_onnx.file import parse

helper, ort = pytest.importorskip("onnx.helper"), pytest.importorskip("onnxruntime")

HIDDEN, CHANNELS = 4, 3


def front(rows, *, mirrored=4, number=None, left_behind=False, taken=None):
    """Windows of 8 numbers, 4 apart, over a mirrored frame; then one over `rows` of these, whose one answer goes to an LSTM cell.

    taken: which of several answers goes there, where the graph takes one.
    """
    net = Net()
    x = net("Pad", "x", net.constant(np.array([0, 0, 0, mirrored])), mode="reflect")
    x = net("Conv", net("Unsqueeze", x, net.constant(np.array([1]))), net.array(CHANNELS, 1, 8), strides=[4])
    x = net("Conv", net("Relu", x), net.array(CHANNELS, CHANNELS, 3), strides=[rows], pads=[1, 1])
    x = net("Squeeze", x, net.constant(np.array([2]))) if taken is None else net("Gather", x, net.constant(np.array(taken)), axis=2)
    gates = net("Split", net("Gemm", net("Concat", x, "h", axis=1), net.array(CHANNELS + HIDDEN, 4 * HIDDEN)), outputs=4, axis=1)
    i, f, o = (net("Sigmoid", gate) for gate in gates[:3])
    c = net("Add", net("Mul", f, "c"), net("Mul", i, net("Tanh", gates[3])))
    h = net("Mul", o, net("Tanh", c))
    inputs = {"x": ["batch", "samples"], "h": ["batch", HIDDEN], "c": ["batch", HIDDEN]}
    after = h
    if number is not None:
        inputs |= {"rate": []}
        idle = net("Cast", net("Mul", "rate", net.constant(np.array(number))), to=1)
        after = net("Add", h, idle)
    if left_behind:
        net("Bernoulli", "x")
    made = {"y": (h, ["batch", HIDDEN]), "h_after": (after, ["batch", HIDDEN]), "c_after": (c, ["batch", HIDDEN])}
    return net.bytes(inputs, made, whole=("rate",))


def runtime(data, frames, length):
    session = ort.InferenceSession(data)
    given = {entry.name for entry in session.get_inputs()}
    states, answers = [np.zeros((1, HIDDEN), np.float32)] * 2, []
    for frame in frames:
        y, *states = session.run(None, {n: v for n, v in (
            ("x", frame.reshape(1, length)), ("h", states[0]), ("c", states[1]), ("rate", np.array(7)),
        ) if n in given})  # fmt: skip
        answers.append(y[0])
    return np.array(answers)


@pytest.mark.parametrize(("rows", "more", "length"), [(2, {}, 8), (4, {"mirrored": 2, "number": 0, "left_behind": True}, 18)])
def test_a_frame_of_open_length_is_the_longest_that_windows_fill(rows, more, length):
    """One answer of the second window takes up to `rows` of the first ones; a number that is multiplied by zero says nothing."""
    data = front(rows, **more)
    model, _, notes = from_onnx(parse(data))
    assert model.input_size == length
    assert any(f"frames of {length}" in note for note in notes)
    frames = np.random.default_rng(1).normal(size=(5, length)).astype(np.float32)
    np.testing.assert_allclose(reference.run(model, frames), runtime(data, frames, length), rtol=0, atol=1e-5)
    assert from_onnx(parse(data), sizes=f"x=1x{length - 2}")[0].input_size == length - 2


@pytest.mark.parametrize("taken", [0, -1])
def test_where_one_answer_of_several_is_taken_a_frame_ends_before_there_are_others(taken):
    data = front(2, taken=taken)
    model, _, notes = from_onnx(parse(data))
    assert model.input_size == 8
    assert any("frames of 8" in note for note in notes)
    frames = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    np.testing.assert_allclose(reference.run(model, frames), runtime(data, frames, 8), rtol=0, atol=1e-5)


def test_a_number_that_changes_the_answer_is_asked_for():
    with pytest.raises(UnsupportedModelError, match='sizes="rate=NUMBER"'):
        from_onnx(parse(front(4, number=2)))
