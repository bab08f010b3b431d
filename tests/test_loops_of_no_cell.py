"""Loops that are no cell, in ONNX, become layers in a cycle: against ONNX Runtime over many steps. What is not certain is refused."""

import re

import numpy as np
import pytest
from test_onnx_states import HIDDEN, INPUTS, Net, head, in_another_loop, in_fixed_levels, in_levels, lstm

import edgelstm as el
from edgelstm import reference
from edgelstm.errors import UnsupportedModelError
from edgelstm.importers.from_onnx.chains import from_onnx
from edgelstm.importers.from_onnx.file import parse

helper, numpy_helper = pytest.importorskip("onnx.helper"), pytest.importorskip("onnx.numpy_helper")
ort = pytest.importorskip("onnxruntime")

STEPS, LIMIT, ROW, STATE = 60, 1e-5, (1, INPUTS), (1, HIDDEN)


def closed_form(net, x, h):
    """CfC: ``a (1 - t) + t b``, all of them of what one layer makes of x and h."""
    z = net("Tanh", net("Gemm", net("Concat", x, h, axis=1), net.array(INPUTS + HIDDEN, 6), net.array(6)))
    a, b, t = (net(f, net("Gemm", z, net.array(6, HIDDEN), net.array(HIDDEN))) for f in ("Tanh", "Tanh", "Sigmoid"))
    return net("Add", net("Mul", a, net("Sub", net.constant(np.float32(1)), t)), net("Mul", t, b))


def oscillating(net, x, y, z):
    """coRNN: a position and its speed."""
    force = net("Tanh", net("Gemm", net("Concat", x, y, z, axis=1), net.array(INPUTS + 2 * HIDDEN, HIDDEN), net.array(HIDDEN)))
    pull = net("Add", net("Mul", y, net.constant(np.float32(1.5))), net("Mul", z, net.constant(np.float32(2))))
    step = net.constant(np.float32(0.1))
    z = net("Add", z, net("Mul", step, net("Sub", force, pull)))
    return net("Add", y, net("Mul", step, z)), z


def mogrified(net, x, h, c):
    """An LSTM whose inputs and state gate each other first."""
    two = net.constant(np.float32(2))
    x = net("Mul", net("Mul", two, net("Sigmoid", net("MatMul", h, net.array(HIDDEN, INPUTS)))), x)
    h = net("Mul", net("Mul", two, net("Sigmoid", net("MatMul", x, net.array(INPUTS, HIDDEN)))), h)
    return lstm(net, x, h, c)


def two_back(net, x, h, g):
    """A state that is the one before another."""
    a = net("Tanh", net("Gemm", net("Concat", x, h, g, axis=1), net.array(INPUTS + 2 * HIDDEN, HIDDEN), net.array(HIDDEN)))
    return net("Mul", a, net("Sigmoid", g)), net("Identity", h)


def partly_reset(net, x, h, c):
    """An LSTM of which the cell state alone is multiplied first."""
    return lstm(net, x, h, net("Mul", c, net("Sigmoid", net("MatMul", x, net.array(INPUTS, HIDDEN)))))


def one_step(cell, states, ends):
    """The bytes of a graph of one step; states, ends: what these are called."""
    net = Net()
    made = cell(net, "x", *states)
    made = made if isinstance(made, tuple) else (made,)
    outputs = {"y": (head(net, made[0]), (1, 2)), **dict(zip(ends, ((one, STATE) for one in made), strict=True))}
    return net.bytes({"x": ROW, **dict.fromkeys(states, STATE)}, outputs)


def recording():
    return np.random.default_rng(8).normal(size=(STEPS, INPUTS)).astype(np.float32)


def stepped(data, sample, becomes, answer):
    """What ONNX Runtime answers over many calls, states going round from zeros."""
    session = ort.InferenceSession(data)
    shapes = {one.name: one.shape for one in session.get_inputs()}
    states, found = {name: np.zeros(shapes[name], np.float32) for name in becomes}, []
    names = [one.name for one in session.get_outputs()]
    for row in recording():
        given = dict(zip(names, session.run(None, {sample: row.reshape(shapes[sample]), **states}), strict=True))
        states = {before: given[after] for before, after in becomes.items()}
        found.append(given[answer].ravel())
    return np.array(found)


def divided(net, x, h):
    """LTC: what a state comes to is divided by conductances, some times a step."""
    leak, read = net.constant(np.float32(0.5)), net("Gemm", x, net.array(INPUTS, HIDDEN), net.array(HIDDEN))
    for _ in range(6):
        open_ = net("Sigmoid", net("Add", read, net("Mul", h, net.array(1, HIDDEN))))
        h = net("Div", net("Add", net("Mul", h, leak), net("Mul", open_, net.array(1, HIDDEN))), net("Add", leak, open_))
    return h


CELLS = {
    "LTC": (divided, ("h",), ("h_out",)),
    "CfC": (closed_form, ("h",), ("h_out",)),
    "coRNN": (oscillating, ("hy", "hz"), ("hy_new", "hz_new")),
    "Mogrifier LSTM": (mogrified, ("h0", "c0"), ("hn", "cn")),
    "two steps back": (two_back, ("state_1", "state_2"), ("next_state_1", "next_state_2")),
    "an LSTM reset in part": (partly_reset, ("h", "c"), ("h_out", "c_out")),
    "states of other names": (oscillating, ("a", "b"), ("a_next", "b_next")),
}


@pytest.mark.parametrize("name", CELLS)
def test_one_step_of_any_cell_is_layers_in_a_cycle(name):
    cell, states, ends = CELLS[name]
    data = one_step(cell, states, ends)
    model, _, notes = from_onnx(parse(data))
    assert "previous" in {layer.kind for layer in model.layers}
    assert any(re.match("A loop of no known cell: [0-9]+ layers in a cycle", note) for note in notes)
    wanted = stepped(data, "x", dict(zip(states, ends, strict=True)), "y")
    assert np.abs(reference.run(model, recording()) - wanted).max() <= LIMIT


@pytest.mark.parametrize("name", ["CfC", "LTC"])
def test_compiled_code_answers_as_the_file(name):
    data = one_step(*CELLS[name])
    model, x = from_onnx(parse(data))[0], recording()
    wanted = stepped(data, "x", {"h": "h_out"}, "y")
    stream = el.Stream(model)
    assert np.abs(stream.process(x) - wanted).max() <= LIMIT
    stream.reset()
    assert np.abs(np.array([stream.step(row).copy() for row in x]) - wanted).max() <= LIMIT


def test_a_state_that_is_rounded_goes_round_rounded():
    """As a runtime has it whose activations are levels."""
    for where in ("before", "behind", "both"):
        data = in_levels(where)
        wanted = stepped(data, "x", {"h_in": "h_out"}, "y")
        assert np.abs(reference.run(from_onnx(parse(data))[0], recording()) - wanted).max() <= LIMIT
    data = in_fixed_levels(one_step(partly_reset, ("h", "c"), ("h_out", "c_out")))
    wanted = stepped(data, "x", {"h": "h_out", "c": "c_out"}, "y")
    assert np.abs(reference.run(from_onnx(parse(data))[0], recording()) - wanted).max() <= LIMIT


def test_names_that_exporters_gave_need_a_graph_that_tells():
    """The output goes on from the input by a gate, and the answer comes of it; a layer over both may be no cell at all."""
    data = in_another_loop(("a", "b", "c", "d"))
    wanted = stepped(data, "a", {"b": "c"}, "d")
    assert np.abs(reference.run(from_onnx(parse(data))[0], recording()) - wanted).max() <= LIMIT
    with pytest.raises(UnsupportedModelError, match="does not tell whether the output 'e' is what the input 'b' becomes"):
        from_onnx(parse(one_step(closed_form, ("b",), ("e",))))


def test_what_states_become_is_not_guessed():
    with pytest.raises(UnsupportedModelError, match="does not tell which outputs the states h0, c0 become"):
        from_onnx(parse(one_step(lambda *given: oscillating(*given)[::-1], ("h0", "c0"), ("p", "q"))))


@pytest.mark.parametrize("both", [True, False])
def test_fused_samples_are_no_state(both):
    """Two inputs of which each, or one, has an output that is called alike: branches that look at each other."""
    net = Net()
    joined = net("Concat", "image", "text", axis=1)
    one, other = (net("Gemm", joined, net.array(INPUTS + HIDDEN, width), net.array(width)) for width in (INPUTS, HIDDEN))
    gated = net("Add", net("Mul", net("Sigmoid", other), "text"), net("Tanh", other))
    first = net("Mul", net("Tanh", one), net("Sigmoid", one))
    outputs = {"image_out" if both else "y": (first, ROW) if both else (head(net, gated), (1, 2)), "text_out": (gated, STATE)}
    with pytest.raises(UnsupportedModelError, match="does not tell whether"):
        from_onnx(parse(net.bytes({"image": ROW, "text": STATE}, outputs)))


def test_a_state_beside_a_known_one_is_no_sample():
    """An LSTM that reads its h changed: by its c alone it is a cell, and h would be samples."""

    def changed(net, x, h, c):
        return lstm(net, x, net("Mul", h, net("Tanh", net("MatMul", h, net.array(HIDDEN, HIDDEN)))), c)

    data = one_step(changed, ("s1", "s2"), ("o1", "o2"))
    model = from_onnx(parse(data))[0]
    assert model.input_size == INPUTS
    wanted = stepped(data, "x", {"s1": "o1", "s2": "o2"}, "y")
    assert np.abs(reference.run(model, recording()) - wanted).max() <= LIMIT


def test_names_count_where_another_order_would_need_no_loop():
    """What is kept of a sample is no answer's state; exchanged, both would be rows that were before."""
    net = Net()
    made, other = (net("Tanh", net("Gemm", "x", net.array(INPUTS, HIDDEN), net.array(HIDDEN))) for _ in range(2))
    gate = net("Sigmoid", net("MatMul", "b", net.array(HIDDEN, HIDDEN)))
    after = net("Add", net("Mul", gate, "b"), made)
    outputs = {"a_out": (other, STATE), "y": (head(net, net("Add", "b", made)), (1, 2)), "b_out": (after, STATE)}
    data = net.bytes({"x": ROW, "a": STATE, "b": STATE}, outputs)
    wanted = stepped(data, "x", {"a": "a_out", "b": "b_out"}, "y")
    assert np.abs(reference.run(from_onnx(parse(data))[0], recording()) - wanted).max() <= LIMIT
