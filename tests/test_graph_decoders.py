"""Decoders that go on from where an encoder ends, places of largest numbers, sequences of arrays, and cuDNN's layers."""

import numpy as np
import pytest
from graphdefs import GraphDef
from test_onnx_states import HIDDEN, INPUTS, Net

from edgelstm import reference
from edgelstm.importers.from_onnx.chains import from_onnx
from edgelstm.importers.from_onnx.file import parse
from edgelstm.importers.from_tensorflow import file as tensorflow_file
from edgelstm.importers.from_tensorflow.program import program

ort = pytest.importorskip("onnxruntime")

STEPS, AHEAD = 7, 3


def answers(data, x):
    return ort.InferenceSession(data).run(None, {"x": x})[0].ravel()


def recurrent(net, op, x, inputs, *states):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op] * HIDDEN
    weights = net.array(1, gates, inputs), net.array(1, gates, HIDDEN), net.array(1, 2 * gates)
    more = {"linear_before_reset": 1} if op == "GRU" else {}
    return net(op, x, *weights, "", *states, outputs=3 if op == "LSTM" else 2, hidden_size=HIDDEN, **more)


def decoder(op):
    """What an encoder ends with is what its decoder begins with and reads, again and again."""
    net = Net()
    _, *ends = recurrent(net, op, "x", INPUTS)
    again = net("Concat", *[ends[0]] * AHEAD, axis=0)
    y, *_ = recurrent(net, op, again, HIDDEN, *ends)
    rows = net("Reshape", y, net.constant(np.array([AHEAD, HIDDEN])))
    return net.bytes({"x": (STEPS, 1, INPUTS)}, {"y": (net("Gemm", rows, net.array(HIDDEN, 2)), (AHEAD, 2))})


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_a_decoder_goes_on_from_its_encoder(op):
    data, x = decoder(op), np.random.default_rng(3).normal(size=(STEPS, 1, INPUTS)).astype(np.float32)
    found = reference.run(from_onnx(parse(data))[0], x[:, 0])
    assert np.abs(found[-1] - answers(data, x)).max() <= 1e-5


def feeding(op):
    """A decoder that reads ones first, and then what it gave."""
    net = Net()
    _, *states = recurrent(net, op, "x", INPUTS)
    given, rows = net.constant(np.ones((1, 1, HIDDEN), np.float32)), []
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op] * HIDDEN
    weights = net.array(1, gates, HIDDEN), net.array(1, gates, HIDDEN), net.array(1, 2 * gates)
    more = {"linear_before_reset": 1} if op == "GRU" else {}
    for _ in range(AHEAD):
        y, *states = net(op, given, *weights, "", *states, outputs=3 if op == "LSTM" else 2, hidden_size=HIDDEN, **more)
        given = net("Reshape", y, net.constant(np.array([1, 1, HIDDEN])))
        rows.append(given)
    return net.bytes({"x": (STEPS, 1, INPUTS)}, {"y": (net("Concat", *rows, axis=0), (AHEAD, 1, HIDDEN))})


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_a_decoder_that_reads_its_own_answers_begins_with_a_constant(op):
    data, x = feeding(op), np.random.default_rng(3).normal(size=(STEPS, 1, INPUTS)).astype(np.float32)
    found = reference.run(from_onnx(parse(data))[0], x[:, 0])
    assert np.abs(found[-1] - answers(data, x)).max() <= 1e-5


@pytest.mark.parametrize(("op", "more"), [("ArgMax", {}), ("ArgMin", {"select_last_index": 1}), ("ArgMax", {"keepdims": 0})])
def test_the_place_of_the_largest_number(op, more):
    """Of equals the first, or the last: the second column of the scores is the third one too."""
    net = Net()
    y, _ = recurrent(net, "GRU", "x", INPUTS)
    weight = net.rng.normal(size=(HIDDEN, 5)).astype(np.float32)
    weight[:, 2] = weight[:, 1]
    place = net("Cast", net(op, net("MatMul", y, net.constant(weight)), axis=-1, **more), to=1)
    shape = (STEPS, 1, 1, 1)[: 3 if more.get("keepdims") == 0 else 4]
    data = net.bytes({"x": (STEPS, 1, INPUTS)}, {"y": (place, shape)})
    x = np.random.default_rng(3).normal(size=(STEPS, 1, INPUTS)).astype(np.float32)
    found = reference.run(from_onnx(parse(data))[0], x[:, 0]).ravel()
    assert np.array_equal(found, answers(data, x))
    assert np.unique(found).size > 1


def test_sequences_of_arrays():
    """What is split into a sequence is taken from it, put into another, and joined again; and products with a batch of matrices."""
    net = Net()
    y, _ = recurrent(net, "GRU", "x", INPUTS)
    parts = net("SplitToSequence", y, net.constant(np.array([1, 3])), axis=3)
    first, second = (net("SequenceAt", parts, net.constant(np.array(place))) for place in (0, -1))
    other = net("SequenceInsert", net("SequenceConstruct", second, net("Tanh", second)), first, net.constant(np.array(0)))
    joined = net("ConcatFromSequence", other, axis=3)  # (STEPS, 1, 1, 7)
    sums = net("CumSum", joined, net.constant(np.array(3)), exclusive=1, reverse=1)
    products = net("MatMul", net("MatMul", sums, net.array(2, 7, 3)), net.array(2, 3, 3))  # (STEPS, 2, 1, 3)
    data = net.bytes({"x": (STEPS, 1, INPUTS)}, {"y": (products, None)})
    x = np.random.default_rng(3).normal(size=(STEPS, 1, INPUTS)).astype(np.float32)
    found = reference.run(from_onnx(parse(data))[0], x[:, 0]).ravel()
    assert np.abs(found - answers(data, x)).max() <= 1e-5


@pytest.mark.parametrize(("mode", "op"), [("lstm", "LSTM"), ("gru", "GRU")])
def test_cudnns_layers_from_one_vector_of_weights(mode, op):
    """Two layers in both directions, against ONNX Runtime's: gates i f g o and r z n here, i o f g and z r n there."""
    rng, order = np.random.default_rng(4), {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}[op]
    gates, matrices, biases, net, read = len(order), [], [], Net(), "x"
    for width in (INPUTS, 2 * HIDDEN):
        w, r = (rng.normal(0, 0.5, (2, gates, HIDDEN, n)).astype(np.float32) for n in (width, HIDDEN))
        b = rng.normal(0, 0.5, (2, 2, gates, HIDDEN)).astype(np.float32)
        matrices += [part.ravel() for way in (0, 1) for part in (w[way], r[way])]
        biases.append(b.ravel())
        arrays = [array[:, order].reshape(2, gates * HIDDEN, -1) for array in (w, r)] + [b[:, :, order].reshape(2, -1)]
        more = {"linear_before_reset": 1} if op == "GRU" else {}
        y = net(op, read, *map(net.constant, arrays), outputs=2, hidden_size=HIDDEN, direction="bidirectional", **more)[0]
        turned = net("Transpose", y, perm=[0, 2, 1, 3])
        read = net("Reshape", turned, net.constant(np.array([STEPS, 1, 2 * HIDDEN])))
    x = rng.normal(size=(STEPS, 1, INPUTS)).astype(np.float32)
    wanted = answers(net.bytes({"x": x.shape}, {"y": (read, (STEPS, 1, 2 * HIDDEN))}), x)
    graph = GraphDef()
    graph.placeholder(sizes=(STEPS, 1, INPUTS))
    zeros = np.zeros((4, 1, HIDDEN), np.float32)
    graph.constant("begin", zeros)
    graph.constant("weights", np.concatenate([*matrices, *biases]))
    said = {"rnn_mode": mode, "direction": "bidirectional", "input_mode": "linear_input"}
    graph.add("rnn", "CudnnRNN", "x", "begin", "begin", "weights", **said)
    file, _ = program(tensorflow_file.parse(graph.bytes()))
    found = reference.run(from_onnx(file)[0], x[:, 0]).ravel()
    assert np.abs(found - wanted).max() <= 1e-5
