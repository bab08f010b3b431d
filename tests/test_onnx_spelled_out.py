"""Graphs that spell out what is done at each step of a recording, as converters of loops write them, against ONNX Runtime."""

import numpy as np
import pytest
from test_onnx_states import Net

from edgelstm import reference
from edgelstm.errors import UnsupportedModelError
from edgelstm.importers.from_onnx.chains import from_onnx
from edgelstm.importers.from_onnx.file import parse

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

STEPS, INPUTS, HIDDEN = 6, 3, 4


def at(net, x, step, axis):
    places = (net.constant(np.array([n])) for n in (step, step + 1, axis))
    return net("Squeeze", net("Slice", x, *places), net.constant(np.array([axis])))


def simple_rnn(net):
    """A cell whose first product, with zeros, was folded to its bias of three axes, as PyTorch's exporter leaves it."""
    read = net("MatMul", net("Transpose", "x", perm=[1, 0, 2]), net.array(INPUTS, HIDDEN))
    weight, bias = net.array(HIDDEN, HIDDEN), np.linspace(-0.4, 0.4, HIDDEN, dtype=np.float32)
    state, states, named = net.constant(bias.reshape(1, 1, -1)), [], net.constant(bias)
    for step in range(STEPS):
        before = state if step == 0 else net("Add", net("MatMul", state, weight), named)
        state = net("Tanh", net("Add", before, at(net, read, step, 0)))
        states.append(state)
    return net("Transpose", net("Concat", *states, axis=0), perm=[1, 0, 2])


def two_layers(net):
    """Static RNNs of TensorFlow: states begin as zeros of a shape that is computed for each, from the size of the batch."""
    rows = net("Reshape", net("Transpose", "x", perm=[1, 0, 2]), net.constant(np.array([-1, INPUTS])))
    steps = net("Split", rows, outputs=STEPS, axis=0)
    count = net("Gather", net("Shape", steps[0]), net.constant(np.array(0)))
    states, cells = [], [(net.array(size + HIDDEN, HIDDEN), net.array(HIDDEN)) for size in (INPUTS, HIDDEN)]
    for _ in range(4):
        shape = net("Concat", net("Unsqueeze", count, net.constant(np.array([0]))), net.constant(np.array([HIDDEN])), axis=0)
        states.append(net("ConstantOfShape", shape))
    for x in steps:
        for layer, (weight, bias) in enumerate(cells):
            read = net("Concat", states[layer - 1] if layer else x, states[layer], axis=1)
            states[layer] = net("Tanh", net("Add", net("MatMul", read, weight), bias))
    return net("Unsqueeze", net("MatMul", states[1], net.array(HIDDEN, HIDDEN)), net.constant(np.array([1])))


def elementwise(net):
    """A recurrence that is no cell of any layer: each number looks back at itself alone."""
    state, states, weight, factors = None, [], net.array(INPUTS, HIDDEN), net.array(HIDDEN)
    for step in range(STEPS):
        read = net("MatMul", at(net, "x", step, 1), weight)
        state = net("Relu", read if state is None else net("Add", read, net("Mul", state, factors)))
        states.append(net("Unsqueeze", state, net.constant(np.array([1]))))
    return net("Concat", *states, axis=1)


def test_no_other_axis_is_time_where_a_recurrence_is_spelled_out():
    """Its steps would be channels of a network without memory, and its features the steps."""
    net = Net()
    data = net.bytes({"x": ["batch", STEPS, INPUTS]}, {"y": (elementwise(net), ["batch", STEPS, HIDDEN])})
    model, x = from_onnx(parse(data))[0], np.random.default_rng(0).normal(size=(STEPS, INPUTS)).astype(np.float32)
    (expected,) = ort.InferenceSession(data).run(None, {"x": x[None]})
    assert model.input_size == INPUTS
    np.testing.assert_allclose(reference.run(model, x)[-1], expected.ravel(), rtol=0, atol=1e-6)


def each_by_itself(net):
    """A layer applied to each step alone, the steps in another order: Keras' TimeDistributed as tf2onnx writes it."""
    weight, bias = net.array(INPUTS, HIDDEN), net.array(HIDDEN)
    made = {}
    for step in (4, 0, 2, 5, 1, 3):
        row = net("Relu", net("Add", net("MatMul", at(net, "x", step, 1), weight), bias))
        made[step] = net("Unsqueeze", row, net.constant(np.array([1])))
    rows = net("Concat", *(made[step] for step in range(STEPS)), axis=1)
    return net("Add", net("MatMul", rows, net.array(HIDDEN, HIDDEN)), net.array(HIDDEN))


@pytest.mark.parametrize(
    ("write", "kinds"), [(simple_rnn, ["rnn"]), (two_layers, ["rnn", "rnn", "dense"]), (each_by_itself, ["dense", "activation", "dense"])]
)
def test_steps_that_are_spelled_out_become_layers(write, kinds):
    net = Net()
    data = net.bytes({"x": ["batch", STEPS, INPUTS]}, {"y": (write(net), ["batch", "rows", HIDDEN])})
    model = from_onnx(parse(data))[0]
    assert [layer.kind for layer in model.layers][-len(kinds) :] == kinds
    x = np.random.default_rng(0).normal(size=(STEPS, INPUTS)).astype(np.float32)
    (expected,) = ort.InferenceSession(data).run(None, {"x": x[None]})
    assert model.input_size == INPUTS
    np.testing.assert_allclose(reference.run(model, x)[-len(expected[0]) :], expected[0], rtol=0, atol=1e-6)


def padded(net, how, filling):
    """A quantised convolution over a recording with two rows in front: these stand between it and its rounding, or behind that."""
    scale, zero, pads = net.constant(np.float32(0.03)), net.constant(np.uint8(120)), net.constant(np.array([0, 0, 2, 0, 0, 0]))
    weight, weights = net.constant(np.arange(-12, 12, dtype=np.int8).reshape(2, 3, 4)[:, :, :3]), net.constant(np.float32(0.02))
    x, none = net("Transpose", "x", perm=[0, 2, 1]), net.constant(np.int8(0))
    if how == "range":
        levels, scale, zero = net("DynamicQuantizeLinear", net("Pad", x, pads, net.constant(np.float32(filling))), outputs=3)
        y = net("Mul", net("Cast", net("ConvInteger", levels, weight, zero, none), to=1), net("Mul", scale, weights))
    elif how == "scale":
        levels = net("QuantizeLinear", net("Pad", x, pads, net.constant(np.float32(filling))), scale, zero)
        y = net("Conv", net("DequantizeLinear", levels, scale, zero), net("DequantizeLinear", weight, weights, none))
    else:
        levels = net("Pad", net("QuantizeLinear", x, scale, zero), pads, net.constant(np.uint8(120 + filling * 10)))
        out = net.constant(np.float32(0.05)), net.constant(np.uint8(100))
        y = net("DequantizeLinear", net("QLinearConv", levels, scale, zero, weight, weights, none, *out), *out)
    return net.bytes({"x": [1, "time", INPUTS]}, {"y": (net("Transpose", y, perm=[0, 2, 1]), [1, "time", 2])})


@pytest.mark.parametrize("how", ["range", "scale", "levels"])
def test_zeros_before_a_recording_are_rounded_as_it_is(how):
    data, options = padded(Net(), how, 0), ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    x = np.random.default_rng(0).normal(size=(20, INPUTS)).astype(np.float32)
    expected = ort.InferenceSession(data, options).run(None, {"x": x[None]})[0][0]
    np.testing.assert_allclose(reference.run(from_onnx(parse(data))[0], x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "why"), [("range", "zeros alone"), ("scale", "other numbers than zeros"), ("levels", "other numbers than zeros")]
)
def test_other_numbers_before_a_recording_are_refused(how, why):
    """Nor is the recording taken for the batch, of one step each, which the convolution would go over."""
    with pytest.raises(UnsupportedModelError, match=why):
        from_onnx(parse(padded(Net(), how, 0.5)))


@pytest.mark.parametrize("name", ["unk__12", "N", "", "time"])
def test_an_open_axis_of_one_recording_is_time(name):
    """Whatever it is called: a mean over it is over the steps, and not of one step of each sequence of a batch."""
    net = Net()
    data = net.bytes({"x": [1, name, INPUTS]}, {"y": (net("ReduceMean", net("Tanh", "x"), axes=[1], keepdims=0), [1, INPUTS])})
    x = np.random.default_rng(0).normal(size=(9, INPUTS)).astype(np.float32)
    (expected,) = ort.InferenceSession(data).run(None, {"x": x[None]})
    np.testing.assert_allclose(reference.run(from_onnx(parse(data))[0], x)[-1], expected[0], rtol=0, atol=1e-6)


def test_what_is_rounded_over_a_call_that_carries_states_on_is_refused():
    """A stream knows no calls of so many steps."""
    net = Net()
    levels, scale, zero = net("DynamicQuantizeLinear", net("Transpose", "x", perm=[1, 0, 2]), outputs=3)
    weight = net.constant(np.arange(-6, 6, dtype=np.int8).reshape(INPUTS, HIDDEN))
    read = net("Mul", net("Cast", net("MatMulInteger", levels, weight, zero), to=1), net("Mul", scale, net.constant(np.float32(0.1))))
    cell = net.array(1, HIDDEN, HIDDEN), net.array(1, HIDDEN, HIDDEN), net.array(1, 2 * HIDDEN)
    y, h = net("RNN", read, *cell, "", "h", outputs=2, hidden_size=HIDDEN)
    made = {"y": (net("Squeeze", y, net.constant(np.array([1]))), [3, 1, HIDDEN]), "h_after": (h, [1, 1, HIDDEN])}
    with pytest.raises(UnsupportedModelError, match="range of the 3 steps of a call"):
        from_onnx(parse(net.bytes({"x": [1, 3, INPUTS], "h": [1, 1, HIDDEN]}, made)))


def test_nodes_may_stand_in_any_order():
    """ONNX Runtime takes them so; a converter to half precision puts the casts that it adds at the end."""
    onnx = pytest.importorskip("onnx")
    net = Net()
    model = onnx.load_from_string(net.bytes({"x": ["batch", STEPS, INPUTS]}, {"y": (simple_rnn(net), ["batch", STEPS, HIDDEN])}))
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    x = np.random.default_rng(0).normal(size=(STEPS, INPUTS)).astype(np.float32)
    (expected,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x[None]})
    np.testing.assert_allclose(reference.run(from_onnx(parse(model.SerializeToString()))[0], x), expected[0], rtol=0, atol=1e-6)
