"""States as inputs and outputs of ONNX files that take a step a call, whatever they are called, against ONNX Runtime over several calls."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from edgelstm import reference
from edgelstm.errors import UnsupportedModelError
from edgelstm.importers.from_onnx.chains import from_onnx
from edgelstm.importers.from_onnx.file import parse

helper, numpy_helper = pytest.importorskip("onnx.helper"), pytest.importorskip("onnx.numpy_helper")
ort = pytest.importorskip("onnxruntime")

INPUTS, HIDDEN, CALLS = 3, 4, 6


class Net:
    """A graph that is written operator by operator."""

    def __init__(self):
        self.nodes, self.arrays, self.rng = [], [], np.random.default_rng(5)

    def array(self, *shape):
        return self.constant((self.rng.normal(size=shape) * 0.7).astype(np.float32))

    def constant(self, value):
        self.arrays.append(numpy_helper.from_array(np.asarray(value), f"array{len(self.arrays)}"))
        return self.arrays[-1].name

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = [f"{op}{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def sum(self, x, h, width, inputs=INPUTS):
        read = self("Gemm", x, self.array(inputs, width), self.array(width))
        return self("Add", read, self("MatMul", h, self.array(HIDDEN, width)))

    def rounded(self, x):
        scale, zero = self.constant(np.float32(1 / 64)), self.constant(np.int8(0))
        return self("DequantizeLinear", self("QuantizeLinear", x, scale, zero), scale, zero)

    def bytes(self, inputs, outputs, whole=()):
        """inputs, outputs: shapes by name, in order; outputs are tensors that become these; whole: inputs of integers."""
        ends = [helper.make_node("Identity", [made], [name]) for name, (made, _) in outputs.items()]
        values = [
            [helper.make_tensor_value_info(name, 7 if name in whole else 1, shape) for name, shape in side.items()]
            for side in (inputs, {name: shape for name, (_, shape) in outputs.items()})
        ]
        graph = helper.make_graph([*self.nodes, *ends], "g", *values, self.arrays)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def gru(net, x, h, inputs=INPUTS):
    """``h' = n + z (h - n)``."""
    z, r = (net("Sigmoid", net.sum(x, h, HIDDEN, inputs)) for _ in range(2))
    own = net("Gemm", h, net.array(HIDDEN, HIDDEN), net.array(HIDDEN))
    n = net("Tanh", net("Add", net("Gemm", x, net.array(inputs, HIDDEN)), net("Mul", r, own)))
    return net("Add", n, net("Mul", z, net("Sub", h, n)))


def lstm(net, x, h, c, inputs=INPUTS):
    gates = net("Split", net.sum(x, h, 4 * HIDDEN, inputs), outputs=4, axis=1)
    i, f, o = (net("Sigmoid", gate) for gate in gates[:3])
    after = net("Add", net("Mul", f, c), net("Mul", i, net("Tanh", gates[3])))
    return net("Mul", o, net("Tanh", after)), after


def head(net, h):
    return net("Gemm", h, net.array(HIDDEN, 2))


def two_lstms():
    """Six inputs whose names and order tell nothing; the answers are in another order than what they go back to."""
    net = Net()
    h1, c1 = lstm(net, "in3", "in0", "in4")
    h2, c2 = lstm(net, h1, "in1", "in2", HIDDEN)
    state = (1, HIDDEN)
    inputs = dict.fromkeys(("in0", "in1", "in2"), state) | {"in3": (1, INPUTS), "in4": state}
    outputs = {"a": (c2, state), "b": (h1, state), "c": (head(net, h2), (1, 2)), "d": (c1, state), "e": (h2, state)}
    return net.bytes(inputs, outputs), "c", {"in0": "b", "in4": "d", "in1": "e", "in2": "a"}


def cell_alone(kind):
    """A cell whose answer is its state."""
    net = Net()
    made = gru(net, "x1", "x0") if kind == "gru" else net("Tanh", net.sum("x1", "x0", HIDDEN))
    return net.bytes({"x0": (1, HIDDEN), "x1": (1, INPUTS)}, {"y0": (made, (1, HIDDEN))}), "y0", {"x0": "y0"}


def rearranged():
    """Two states in one array, axes last to first, which a node LSTM takes by Transpose, Split, Squeeze and Reshape."""
    net = Net()
    turned = net("Transpose", "u", perm=[2, 1, 0])  # (2, 1, HIDDEN) of (HIDDEN, 1, 2)
    h, c = (net("Reshape", part, net.constant(np.array([1, 1, HIDDEN]))) for part in net("Split", turned, outputs=2, axis=0))
    weights = net.array(1, 4 * HIDDEN, INPUTS), net.array(1, 4 * HIDDEN, HIDDEN), net.array(1, 8 * HIDDEN)
    y, *after = net("LSTM", "v", *weights, "", h, c, outputs=3, hidden_size=HIDDEN)
    ended = net("Transpose", net("Concat", *after, axis=0), perm=[2, 1, 0])
    answer = head(net, net("Reshape", y, net.constant(np.array([1, HIDDEN]))))
    return net.bytes({"u": (HIDDEN, 1, 2), "v": (1, 1, INPUTS)}, {"w": (ended, (HIDDEN, 1, 2)), "z": (answer, (1, 2))}), "z", {"u": "w"}


def rows_before():
    """Two convolutions beside each other, each with the row before as a state of one shape; their outputs are exchanged."""
    net = Net()
    kept, answers = {}, []
    for state in ("k0", "k1"):
        fresh = net("Gemm", "x", net.array(INPUTS, HIDDEN))
        both = net("Concat", state, fresh, axis=0)
        turned = net("Unsqueeze", net("Transpose", both, perm=[1, 0]), net.constant(np.array([0])))
        answers.append(net("Conv", turned, net.array(HIDDEN, HIDDEN, 2)))
        kept[state] = fresh
    total = net("Squeeze", net("Add", *(net("Tanh", answer) for answer in answers)), net.constant(np.array([2])))
    end = gru(net, total, "k2", HIDDEN)
    state = (1, HIDDEN)
    outputs = {"q": (kept["k1"], state), "p": (kept["k0"], state), "o": (end, state), "y": (head(net, end), (1, 2))}
    return net.bytes({"x": (1, INPUTS), "k0": state, "k1": state, "k2": state}, outputs), "y", {"k0": "p", "k1": "q", "k2": "o"}


def frames_before():
    """What is read is the change since the call before, and the larger of three frames, of which two are a state that moves on."""
    net = Net()
    change = net("Sub", "x", "was")
    three = net("Concat", "two", "x", axis=0)
    kept = net("Slice", three, *(net.constant(np.array([n])) for n in (1, 3, 0)))
    most = net("ReduceMax", three, axes=[0], keepdims=1)
    end = gru(net, net("Concat", change, most, axis=1), "h", 2 * INPUTS)
    row, state = (1, INPUTS), (1, HIDDEN)
    inputs = {"was": row, "two": (2, INPUTS), "x": row, "h": state}
    outputs = {"y": (head(net, end), (1, 2)), "next": (end, state), "same": (net("Identity", "x"), row), "last": (kept, (2, INPUTS))}
    return net.bytes(inputs, outputs), "y", {"was": "same", "two": "last", "h": "next"}


def cached(frames, x, h, kind="GRU"):
    """A convolution over three frames, of which two are a state that moves on, and a node behind. frames, x, h: names, in their order."""
    net, gates = Net(), {"GRU": 3, "RNN": 1}[kind]
    three = net("Concat", frames, x, axis=0)
    kept = net("Slice", three, *(net.constant(np.array([n])) for n in (1, 3, 0)))
    turned = net("Unsqueeze", net("Transpose", three, perm=[1, 0]), net.constant(np.array([0])))
    made = net("Transpose", net("Tanh", net("Conv", turned, net.array(HIDDEN, INPUTS, 3))), perm=[2, 0, 1])
    weights = net.array(1, gates * HIDDEN, HIDDEN), net.array(1, gates * HIDDEN, HIDDEN)
    y, after = net(kind, made, *weights, "", "", h, outputs=2, hidden_size=HIDDEN)
    answer = head(net, net("Reshape", y, net.constant(np.array([1, HIDDEN]))))
    shapes = {frames: (2, INPUTS), x: (1, INPUTS), h: (1, 1, HIDDEN)}
    outputs = {"out0": (after, (1, 1, HIDDEN)), "out1": (kept, (2, INPUTS)), "out2": (answer, (1, 2))}
    return net.bytes({name: shapes[name] for name in sorted(shapes)}, outputs), "out2", {frames: "out1", h: "out0"}


def in_integers(data, answer, becomes):
    """What ONNX Runtime's own tool makes of it: weights in int8, and what meets them rounded at each step, states among it."""
    onnx, quantization = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime.quantization")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        quantization.quantize_dynamic(onnx.load_from_string(data), path, weight_type=quantization.QuantType.QInt8)
        return path.read_bytes(), answer, becomes


CASES = {
    "two LSTMs": two_lstms,
    "two LSTMs in integers": lambda: in_integers(*two_lstms()),
    "frames before": frames_before,
    "frames before a convolution, which come first": lambda: cached("in0", "in1", "in2"),
    "frames before a convolution, behind the samples": lambda: cached("in2", "in1", "in0"),
    "a GRU whose state is the answer": lambda: cell_alone("gru"),
    "an RNN whose state is the answer": lambda: cell_alone("rnn"),
    "states in one array": rearranged,
    "rows before": rows_before,
}


@pytest.mark.parametrize("name", CASES)
def test_states_go_round_whatever_they_are_called(name):
    data, answer, becomes = CASES[name]()
    session = ort.InferenceSession(data)
    states = {one.name: np.zeros(one.shape, np.float32) for one in session.get_inputs() if one.name in becomes}
    (sample,) = (one for one in session.get_inputs() if one.name not in becomes)
    x = np.random.default_rng(8).normal(size=(CALLS, INPUTS)).astype(np.float32)
    wanted = []
    for row in x:
        given = {sample.name: row.reshape(sample.shape), **states}
        found = dict(zip([one.name for one in session.get_outputs()], session.run(None, given), strict=True))
        states = {before: found[after] for before, after in becomes.items()}
        wanted.append(found[answer].ravel())
    model, _, notes = from_onnx(parse(data))
    assert sum("is a state of the stream" in note for note in notes) == len(becomes)
    assert np.abs(reference.run(model, x) - wanted).max() <= 1e-5


def stacked(kind, first):
    """A cell, an RNN or GRU behind it, and no output beside their states. first: which inputs come first, the samples or a state."""
    net, state = Net(), (1, HIDDEN)
    inputs = {
        name: (1, INPUTS) if name == "in0" else state for name in (("in0", "in1", "in2") if first == "samples" else ("in1", "in2", "in0"))
    }
    if kind == "gru":
        h, c = lstm(net, "in0", "in1", "in3")
        inputs, ends = inputs | {"in3": state}, {"out0": h, "out1": gru(net, h, "in2", HIDDEN), "out2": c}
    else:
        h = net("Tanh", net.sum("in0", "in1", HIDDEN))
        ends = {"out0": h, "out1": net("Tanh", net.sum(h, "in2", HIDDEN, HIDDEN))}
    return net.bytes(inputs, {name: (made, state) for name, made in ends.items()})


def in_fixed_levels(data):
    """What ONNX Runtime's own tool makes of it, with levels that the file holds."""
    onnx, quantization = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime.quantization")
    rng = np.random.default_rng(2)

    class Reader(quantization.CalibrationDataReader):
        given = iter([{one.name: rng.normal(size=one.shape).astype(np.float32) for one in ort.InferenceSession(data).get_inputs()}])

        def get_next(self):
            return next(self.given, None)

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        quantization.quantize_static(onnx.load_from_string(data), path, Reader(), quant_format=quantization.QuantFormat.QDQ)
        return path.read_bytes()


#: States that are rounded on their way, as those of no cell or memory that edgelstm has are.
ROUNDED = {
    "a GRU": (lambda: in_integers(*cell_alone("gru"))[0], "'y0' looks like what the input 'x0' becomes"),
    "an RNN": (lambda: in_integers(*cell_alone("rnn"))[0], "'y0' looks like what the input 'x0' becomes"),
    "a GRU behind an LSTM": (lambda: in_integers(stacked("gru", "samples"), "", {})[0], "goes round a loop"),
    "a GRU behind an LSTM, states first": (lambda: in_integers(stacked("gru", "states"), "", {})[0], "'out0' looks like what"),
    "RNNs with levels of the file": (lambda: in_fixed_levels(stacked("rnn", "samples")), "a file of float32 weights, convert that one"),
    "frames with levels of the file": (lambda: in_fixed_levels(cached("in0", "in1", "in2")[0]), "a loop|looks like what"),
    "frames with levels of the file, behind a state": (
        lambda: in_fixed_levels(cached("in1", "in2", "in0", "RNN")[0]),
        "a loop|looks like what",
    ),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_states_that_are_rounded_are_refused(name):
    """They would read a state as samples, or leave a cell out, otherwise."""
    make, why = ROUNDED[name]
    with pytest.raises(UnsupportedModelError, match=why):
        from_onnx(parse(make()))


def test_a_state_is_held_where_a_token_is_padding():
    """A decoder that passes token 0 over, as Keras' masks do: its states are kept, and its output too, which is a state of its own."""
    net = Net()
    counts = net("Not", net("Equal", "token", net.constant(np.array(0, np.int64))))
    row = net("Reshape", net("Gather", net.array(7, INPUTS), "token"), net.constant(np.array([1, INPUTS])))
    made = lstm(net, row, "h", "c")
    ends = [net("Where", counts, new, old) for new, old in zip((*made, made[0]), ("h", "c", "o"), strict=True)]
    state = (1, HIDDEN)
    inputs = {"token": (1, 1), "h": state, "c": state, "o": state}
    outputs = {"y": (head(net, ends[2]), (1, 2)), **{f"{name}'": (end, state) for name, end in zip("hco", ends, strict=True)}}
    data = net.bytes(inputs, outputs, whole=("token",))
    session, states, wanted = ort.InferenceSession(data), [np.zeros(state, np.float32)] * 3, []
    tokens = [0, 3, 5, 0, 0, 2, 6, 0]
    for token in tokens:
        y, *states = session.run(None, dict(zip(inputs, (np.array([[token]]), *states), strict=True)))
        wanted.append(y[0])
    model = from_onnx(parse(data))[0]
    assert [layer.mask for layer in model.layers if layer.kind == "lstm"] == ["repeat"]
    assert np.abs(reference.run(model, np.array(tokens)) - wanted).max() <= 1e-5


def in_levels(where):
    """A GRU node whose state is rounded to levels before or behind it."""
    net = Net()
    weights = net.array(1, 3 * HIDDEN, INPUTS), net.array(1, 3 * HIDDEN, HIDDEN), net.array(1, 6 * HIDDEN)
    before = net.rounded("h_in") if where != "behind" else "h_in"
    y, after = net("GRU", "x", *weights, "", before, outputs=2, hidden_size=HIDDEN, linear_before_reset=1)
    after = net.rounded(after) if where != "before" else after
    state = (1, 1, HIDDEN)
    return net.bytes({"x": (1, 1, INPUTS), "h_in": state}, {"y": (y, (1, 1, 1, HIDDEN)), "h_out": (after, state)})


def in_another_loop(names):
    """``s' = z s + tanh(x)``, which is no cell that edgelstm knows, and an answer beside it."""
    net, (x, s, after, y) = Net(), names
    gate = net("Sigmoid", net.sum(x, s, HIDDEN))
    made = net("Add", net("Mul", gate, s), net("Tanh", net("Gemm", x, net.array(INPUTS, HIDDEN))))
    return net.bytes({x: (1, INPUTS), s: (1, HIDDEN)}, {after: (made, (1, HIDDEN)), y: (head(net, made), (1, 2))})


def without_return():
    """A state that is given and that no output becomes."""
    net = Net()
    weights = net.array(1, 3 * HIDDEN, INPUTS), net.array(1, 3 * HIDDEN, HIDDEN)
    y, _ = net("GRU", "x", *weights, "", "", "h0", outputs=2, hidden_size=HIDDEN)
    answer = head(net, net("Reshape", y, net.constant(np.array([1, HIDDEN]))))
    return net.bytes({"x": (1, 1, INPUTS), "h0": (1, 1, HIDDEN)}, {"y": (answer, (1, 2))})


REFUSED = {
    "no cell, and names that tell of samples": (lambda: in_another_loop(("image", "text", "fused", "y")), "does not tell whether"),
    "never returned": (without_return, "is no output"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_states_that_do_not_go_round_are_refused(name):
    make, why = REFUSED[name]
    with pytest.raises(UnsupportedModelError) as refused:
        from_onnx(parse(make()))
    assert re.search(why, str(refused.value)), refused.value
