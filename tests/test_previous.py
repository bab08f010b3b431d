"""Loops of layers: known cells of their parts are what the layers of these cells are, and whatever loops there are, all ways agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgelstm as el
from edgelstm import reference

INPUT = ("input",)


def uniform(rng, *shape):
    return rng.uniform(-0.5, 0.5, shape)


def rnn(rng):
    w, u, b, h0 = uniform(rng, 9, 5), uniform(rng, 9, 9), uniform(rng, 9), uniform(rng, 9)
    return el.RNN(w, u, b, h0=h0), [
        el.Previous(9, h0, of="h", name="before", inputs=INPUT),
        el.Dense(np.hstack([w, u]), b, inputs=("input", "before")),
        el.Activation("tanh", name="h"),
    ]


def lstm(rng, peephole=None):
    layer = el.LSTM(uniform(rng, 36, 5), uniform(rng, 36, 9), uniform(rng, 36), h0=uniform(rng, 9), c0=uniform(rng, 9), peephole=peephole)
    i, f, g, o = np.split(np.hstack([layer.weight_ih, layer.weight_hh]), 4)
    biases = dict(zip("ifgo", np.split(layer.bias, 4), strict=True))
    gates = []
    for place, (name, weight) in enumerate(zip("ifo", (i, f, o), strict=True)):
        sums = el.Dense(weight, biases[name], name=f"{name} sum", inputs=("input", "h before"))
        seen = "c" if name == "o" else "c before"
        peeks = el.Dense(np.diag(peephole[place]), name=f"{name} peek", inputs=(seen,)) if peephole is not None else None
        added = [el.Add(name=f"{name} all", inputs=(sums.name, peeks.name))] if peeks else []
        gates.append([sums, *([peeks] if peeks else []), *added, el.Activation("sigmoid", name=name)])
    return layer, [
        el.Previous(9, layer.h0, of="h", name="h before", inputs=INPUT),
        el.Previous(9, layer.c0, of="c", name="c before", inputs=INPUT),
        *gates[0],
        *gates[1],
        el.Dense(g, biases["g"], inputs=("input", "h before")),
        el.Activation("tanh", name="g"),
        el.Mul(name="new", inputs=("i", "g")),
        el.Mul(name="old", inputs=("f", "c before")),
        el.Add(name="c", inputs=("old", "new")),
        *gates[2],
        el.Activation("tanh", name="seen", inputs=("c",)),
        el.Mul(name="h", inputs=("o", "seen")),
    ]


def gru(rng):
    w, u, b, c = uniform(rng, 27, 5), uniform(rng, 27, 9), uniform(rng, 27), uniform(rng, 27)
    return el.GRU(w, u, b, c), [
        el.Previous(9, of="h", name="before", inputs=INPUT),
        el.Dense(np.hstack([w, u])[:18], (b + c)[:18], inputs=("input", "before")),
        el.Activation("sigmoid", name="rz"),
        el.Slice(0, 9, name="r"),
        el.Slice(9, 18, name="z", inputs=("rz",)),
        el.Dense(u[18:], c[18:], name="of h", inputs=("before",)),
        el.Mul(name="reset", inputs=("r", "of h")),
        el.Dense(w[18:], b[18:], name="of x", inputs=INPUT),
        el.Add(inputs=("of x", "reset")),
        el.Activation("tanh", name="n"),
        el.Activation("affine(-1, 1)", name="1 - z", inputs=("z",)),
        el.Mul(name="new", inputs=("1 - z", "n")),
        el.Mul(name="old", inputs=("z", "before")),
        el.Add(name="h", inputs=("new", "old")),
    ]


CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru, "lstm, peephole": lambda rng: lstm(rng, uniform(rng, 3, 9))}


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_of_its_parts_is_the_layer(cell):
    rng = np.random.default_rng(len(cell))
    layer, parts = CELLS[cell](rng)
    xs = rng.normal(size=(500, 5)).astype(np.float32)
    expected = reference.run(el.Model([layer]), xs)
    model = el.Model(parts)
    assert np.abs(reference.run(model, xs) - expected).max() <= 1e-7  # biases of two layers are float32
    assert np.abs(el.Stream(model).process(xs) - expected).max() <= 1e-6


def test_a_value_of_some_steps_before_is_a_chain():
    """Whether the other layer stands before it or behind, and whatever else reads it; a layer may be given to several."""
    model = el.Model(
        [
            el.Normalizer(np.zeros(3), np.ones(3), name="x"),
            el.Previous(3, [7, 8, 9], of="two", name="three"),
            el.Previous(3, [1, 2, 3], of="x", name="one"),
            el.Previous(3, [4, 5, 6], of="one", name="two"),
            el.Previous(3, of="x", name="again"),
            el.Concat(inputs=("x", "one", "two", "three", "again")),
        ]
    )
    xs = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    whole = np.vstack([[7, 8, 9], [4, 5, 6], [1, 2, 3], xs])
    late = np.vstack([[0, 0, 0], xs])
    expected = np.hstack([xs, *(whole[k : k + 20] for k in (2, 1, 0)), late[:20]])
    np.testing.assert_array_equal(el.Stream(model).process(xs), expected.astype(np.float32))
    np.testing.assert_array_equal(reference.run(model, xs), reference.whole(model, xs.astype(np.float64)))


def test_it_may_be_the_answer_and_of_the_answer():
    last = el.Model([el.Dense(np.eye(3), name="x"), el.Previous(3, of="x")])
    xs = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_array_equal(el.Stream(last).process(xs), [[0, 0, 0], *xs[:3]])
    summed = el.Model(
        [
            el.Previous(3, of="sum", name="before", inputs=INPUT),
            el.Dense(np.eye(3), name="x", inputs=INPUT),
            el.Add(name="sum", inputs=("x", "before")),
        ]
    )
    np.testing.assert_array_equal(el.Stream(summed).process(xs), np.cumsum(xs, axis=0))


def test_maps_go_around():
    """A convolution over the map that it gave before, as in a ConvGRU."""
    rng = np.random.default_rng(1)
    kernel = uniform(rng, 3, 3, 5, 2) / 2
    start = uniform(rng, 4, 6, 2)
    model = el.Model(
        [
            el.MapConv(uniform(rng, 1, 1, 3, 3), shape=(4, 6, 3), name="x"),
            el.Previous((4, 6, 2), start, of="h", name="before"),
            el.Gather([3 * (k // 5) + k % 5 if k % 5 < 3 else 72 + 2 * (k // 5) + k % 5 - 3 for k in range(120)], inputs=("x", "before")),
            el.MapConv(kernel, shape=(4, 6, 5), padding="same"),
            el.Activation("tanh", name="h"),
        ]
    )
    assert model.output_shape == (4, 6, 2)
    assert model.wire_of("before").shape == (4, 6, 2)
    xs = rng.normal(size=(30, 4, 6, 3)).astype(np.float32)
    x, h = xs @ model.layers[0].kernel[0, 0], start
    for t, y in enumerate(el.Stream(model).process(xs)):
        padded = np.pad(np.concatenate([x[t], h], axis=-1), ((1, 1), (1, 1), (0, 0)))
        h = np.tanh(sum(padded[i : i + 4, j : j + 6] @ kernel[i, j] for i in range(3) for j in range(3)))
        np.testing.assert_allclose(y.reshape(4, 6, 2), h, atol=2e-6)


def cell(rng, tag, source, size):
    """A loop of six units that reads its sums of the step before, too, and means of all before."""
    return [
        el.Previous(6, uniform(rng, 6), of=f"h{tag}", name=f"before{tag}", inputs=(source,)),
        el.Dense(uniform(rng, 6, size + 6), uniform(rng, 6), inputs=(source, f"before{tag}"), name=f"sums{tag}"),
        el.Conv1D(uniform(rng, 6, 6, 2), name=f"both{tag}"),
        el.GlobalAveragePool1D(name=f"mean{tag}"),
        el.Activation("tanh", name=f"h{tag}"),
    ]


def around(parts, x):
    """What `cell` gives for rows x, by NumPy alone."""
    before, sums, both, *_ = parts
    h, last, summed, found = before.initial, np.zeros(6), np.zeros(6), []
    for count, row in enumerate(x, 1):
        now = sums.weight @ np.concatenate([row, h]) + sums.bias
        summed += both.weight[..., 0] @ last + both.weight[..., 1] @ now
        h, last = np.tanh(summed / count), now
        found.append(h)
    return np.array(found)


def test_a_loop_turns_when_its_input_is_due():
    """Once in three steps, first at the fifth, between layers of that rate."""
    rng = np.random.default_rng(2)
    frame = el.Conv1D(uniform(rng, 4, 3, 5), stride=3, padding="valid", name="frame")
    loop, head = cell(rng, 0, "frame", 4), el.Dense(uniform(rng, 2, 6))
    model, xs = el.Model([frame, *loop, head]), rng.normal(size=(150, 3)).astype(np.float32)
    expected = around(loop, reference.run(el.Model([frame]), xs)) @ head.weight.T
    found = el.Stream(model).process(xs)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(reference.run(model, xs), expected, atol=1e-6)
    stepping, cut = el.Stream(model), el.Stream(model)
    np.testing.assert_array_equal([y.copy() for x in xs if (y := stepping.step(x)) is not None], found)
    np.testing.assert_array_equal(np.concatenate([cut.process(part) for part in np.split(xs, [1, 4, 5, 30, 31, 100])]), found)


def random_layer(draw, rng, size, name, inputs, names):
    """A layer that reads one or both of `inputs`, or gives any of `names` late."""
    one, both = {"name": name, "inputs": inputs[:1]}, {"name": name, "inputs": inputs}
    others = [other for other in names if other != name]
    makers = {
        "previous": lambda: el.Previous(size, uniform(rng, size), of=draw(st.sampled_from(others)), **one),
        "mul": lambda: el.Mul(**both),
        "add": lambda: el.Add(**both),
        "dense": lambda: el.Dense(uniform(rng, size, 2 * size), **both),
        "tanh": lambda: el.Activation("tanh", **one),
        "rnn": lambda: el.RNN(uniform(rng, size, size), uniform(rng, size, size), **one),
        "conv": lambda: el.Conv1D(uniform(rng, size, size, 2), **one),
        "mean": lambda: el.GlobalAveragePool1D(**one),
    }
    return makers[draw(st.sampled_from([*makers, "previous"]))]()


@st.composite
def graphs(draw):
    """Layers of one width that read, and go back to, whatever there is."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    size, count = draw(st.sampled_from([2, 5])), draw(st.integers(3, 9))
    names = [f"l{k}" for k in range(count)]
    layers = [el.Dense(uniform(rng, size, 3), uniform(rng, size), name="l0", inputs=INPUT)]
    for k in range(1, count):
        inputs = draw(st.sampled_from(names[:k])), draw(st.sampled_from(names[:k]))
        layers.append(random_layer(draw, rng, size, names[k], inputs, names))
    return [*layers, el.Concat(inputs=tuple(names), name="all"), el.Activation("tanh")], rng


@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(graphs())
def test_all_ways_of_stepping_a_graph_agree(made):
    layers, rng = made
    model = el.Model(layers)
    xs = rng.uniform(-1, 1, (40, 3)).astype(np.float32)
    found = el.Stream(model).process(xs)
    expected = reference.run(model, xs)
    steady = np.abs(expected).max(axis=0) < 1
    np.testing.assert_array_equal(reference.whole(model, xs.astype(np.float64)), expected)
    assert np.abs(found - expected)[:, steady].max(initial=0) <= 1e-6
    stepping, cut, bank = el.Stream(model), el.Stream(model), el.StreamBank(model, capacity=3)
    np.testing.assert_array_equal([stepping.step(x).copy() for x in xs], found)
    first = cut.process(xs[:17])
    again = el.Stream(model)
    again.restore(cut.snapshot())
    np.testing.assert_array_equal(np.concatenate([first, again.process(xs[17:])]), found)
    many = [bank.step_many(["a", "b"], np.stack([x, xs[0]]))[0].copy() for x in xs]
    np.testing.assert_array_equal(many, found)


def elman(**options):
    """A loop of one tanh, with these options of its way back."""
    given = {"of": "h", "name": "before", "inputs": INPUT} | options
    return [
        el.Previous(4, **given),
        el.Dense(np.ones((4, 7)) / 9, inputs=("input", "before"), name="sums"),
        el.Activation("tanh", name="h"),
    ]


@pytest.mark.parametrize(
    ("layers", "error", "match"),
    [
        (elman(of="g"), el.UsageError, "'g' is none. Those are: h, sums"),
        (elman(of="before"), el.UsageError, "another layer"),
        (elman(of="input"), el.UsageError, "'input' is none"),
        ([*elman(), el.Dense(np.ones((3, 4)), name="wide"), el.Previous(4, of="wide")], el.ShapeError, r"shape \(4,\).*\(3,\)"),
        ([*elman(), el.MaxPool1D(2, name="seldom"), el.Previous(4, of="h", name="last")], el.UsageError, "no layer reads"),
        ([*elman()[:2], el.Conv1D(np.ones((4, 4, 2)), stride=2, padding="valid", name="h")], el.UnsupportedModelError, "same steps"),
        ([*elman()[:2], el.Conv1D(np.ones((4, 4, 2)), padding="valid", name="h")], el.UnsupportedModelError, "same steps"),
        ([*elman(of="late"), el.Reverse(name="late")], el.UnsupportedModelError, "reverse 'late' needs the whole recording"),
        ([*elman(of="late"), el.Last(name="late")], el.UnsupportedModelError, "last 'late' needs the whole recording"),
        (
            [*elman(of="late"), el.RNN(np.ones((4, 4)), np.ones((4, 4)), reverse=True, name="late")],
            el.UnsupportedModelError,
            "rnn 'late' needs the whole recording",
        ),
        (
            [*elman(), el.Last(name="end"), el.Previous(4, of="h", name="seldom"), el.Concat(inputs=("end", "seldom"))],
            el.ShapeError,
            "gives 1 rows, as its input 'end'; 'h', whose value it gives, one row at each sample",
        ),
        ([*elman(), el.Dense(np.ones((4, 4)), inputs=("before",), name="lost"), el.Concat(inputs=("h",))], el.UsageError, "no layer reads"),
        (
            [*elman(), el.Previous(4, of="b", name="a"), el.Previous(4, of="a", name="b"), el.Concat(inputs=("h",))],
            el.UsageError,
            "no layer reads a, b",
        ),
    ],
)
def test_what_is_no_loop_is_refused(layers, error, match):
    with pytest.raises(error, match=match):
        el.Model(layers)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"size": 0, "of": "h"}, "whole number from 1"),
        ({"size": 3.0, "of": "h"}, "whole number from 1"),
        ({"size": (2, 3, 4, 5), "of": "h"}, "shape must be"),
        ({"size": 3, "of": ""}, "of must be"),
        ({"size": 3, "of": 7}, "of must be"),
        ({"size": 3, "of": "h", "initial": [1, 2]}, "size is 3"),
        ({"size": 3, "of": "h", "initial": [1, 2, np.nan]}, "NaN"),
        ({"size": 3, "of": "h", "inputs": ("a", "b")}, "one input"),
    ],
)
def test_a_record_that_cannot_be_is_refused(given, match):
    with pytest.raises((el.ShapeError, el.UsageError), match=match):
        el.Previous(**given)
