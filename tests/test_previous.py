"""Loops of layers: known cells of their parts are what the layers of these cells are, and whatever loops there are, all ways agree."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import MORE, model_of

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.reach import held_at, input_limit
from edgelstm.layers import KINDS
from edgelstm.quantization.report.evidence import read_channels

INPUT = ("input",)

#: Kinds whose models read maps, or an index, which no Dense layer gives.
BESIDE_VECTORS = {kind for kind in KINDS if len(model_of(kind).input_shape) > 1 or model_of(kind).takes_index}


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


def at_the_limit(model, steps=3000):
    """What the model gives for the largest inputs, always of one sign; its state must be finite."""
    stream, limit = el.Stream(model), np.float32(input_limit(model))
    found = stream.process(np.full((steps, model.input_size), limit))
    stream.restore(stream.snapshot())
    assert np.isfinite(found).all()
    return found


def grown(*behind, gain=1.0):
    """What sums its inputs for ever."""
    return el.Model(
        [
            el.Previous(4, of="sum", name="before", inputs=INPUT),
            el.Dense(gain * np.eye(4), inputs=("before",), name="kept"),
            el.Dense(np.eye(4), inputs=INPUT, name="x"),
            el.Add(inputs=("kept", "x"), name="sum"),
            *behind,
        ]
    )


def test_a_bounded_loop_takes_inputs_as_large_as_its_layer_does():
    assert input_limit(el.Model(elman())) > 1e35


@pytest.mark.parametrize("gain", [0.5, 1, 3])
def test_a_state_that_grows_stays_finite(gain):
    """Below the cut it is what it should be, to the end."""
    model = grown(gain=gain)
    assert held_at(model) == 2.0**60
    at_the_limit(model)
    xs = np.full((30, 4), 1000, np.float32)
    np.testing.assert_allclose(el.Stream(model).process(xs), reference.run(model, xs), rtol=1e-6)


def test_a_state_whose_squares_are_summed_is_held_closer():
    model = el.Model(
        [
            *grown().layers,
            el.Mul(inputs=("sum", "sum"), name="square"),
            el.Mul(inputs=("square", "sum"), name="cube"),
            el.Dense(np.ones((1, 4))),
        ]
    )
    assert held_at(model) == 2.0**30
    at_the_limit(model)


def test_a_loop_that_nothing_bounds_is_refused_with_the_way_out():
    layers = [*grown().layers, el.Activation("exp", name="large"), el.Dense(np.ones((1, 4)))]
    with pytest.raises(el.CompileError, match=r"nothing bounds what goes around the loop of previous 'before'.*clip"):
        el.Stream(el.Model(layers))
    with pytest.raises(el.CompileError, match="initial reaches"):
        el.Stream(el.Model(elman(initial=np.full(4, 1e20))))
    held = el.Activation("clip(-50, 50)", name="held")
    at_the_limit(el.Model([*grown().layers, held, el.Activation("exp", name="large"), el.Dense(np.ones((1, 4)))]))


def test_an_embedding_that_goes_around_is_looked_up():
    """It is no index that its readers take."""
    rng = np.random.default_rng(4)
    model = el.Model(
        [
            el.Embedding(uniform(rng, 7, 4), name="table"),
            el.Previous(4, of="table", name="before", inputs=INPUT),
            el.LSTM(uniform(rng, 20, 4), uniform(rng, 20, 5), name="a", inputs=("table",)),
            el.Concat(inputs=("a", "before")),
        ]
    )
    xs = rng.integers(7, size=(20, 1))
    np.testing.assert_allclose(el.Stream(model).process(xs), reference.run(model, xs), atol=1e-6)
    np.testing.assert_array_equal(el.Stream(model).process(xs)[1:, 5:], model.layers[0].weight[xs[:-1, 0]])


def test_an_index_does_not_go_around_as_a_measurement():
    layers = [
        el.Embedding(np.ones((7, 4)), name="table"),
        el.Slice(0, 1, inputs=INPUT, name="index"),
        el.Previous(1, of="index", name="late"),
    ]
    with pytest.raises(el.UnsupportedModelError, match=r"late.*cannot read it as a measurement"):
        el.Model([*layers, el.Concat(inputs=("table", "late"))])


def test_scalers_and_what_becomes_of_layers_leave_a_loop_as_it_is():
    """The layer that tells when it is due may be taken away: another of the same steps does."""
    rng = np.random.default_rng(5)
    xs = (rng.normal(size=(300, 3)) * [1, 100, 1e4] + [0, 0, 3e4]).astype(np.float32)
    weight = uniform(rng, 16, 19)
    loop = [
        el.Previous(16, of="h", name="before", inputs=("x",)),
        el.Dense(weight, inputs=("x", "before")),
        el.Activation("tanh", name="h"),
    ]
    bare = el.Model([el.Dense(np.eye(3), name="x"), *loop])
    scaled = bare.with_normalizer([0, 0, 3e4], [1, 100, 1e4])
    assert scaled.layers[2].inputs == INPUT
    ready = (xs - np.float32([0, 0, 3e4])) / np.float32([1, 100, 1e4])
    np.testing.assert_allclose(el.Stream(scaled).process(xs), reference.run(bare, ready), atol=1e-5)
    apart = uniform(rng, 64, 3) / [1, 100, 1e4]
    alone = el.Model(
        [
            el.Normalizer([0, 0, 3e4], np.ones(3), name="x"),
            el.Previous(16, of="h", name="before", inputs=("x",)),
            el.LSTM(apart, uniform(rng, 64, 16), name="lstm", inputs=("x",)),
            el.Previous(3, of="x", name="late"),
            el.Dense(weight / [1, 100, 1e4, *[1] * 16], name="way", inputs=("late", "before")),
            el.Add(inputs=("lstm", "way"), name="both"),
            el.Activation("tanh", name="h"),
        ]
    )
    expected = reference.run(alone, xs)
    for scheme in ("int8-weight", "int8-dynamic", "f16-weight"):
        small = el.quantize(alone, [xs[:150], xs[150:]], scheme=scheme)
        assert small.scheme == scheme
        assert np.abs(el.Stream(small).process(xs) - expected).max() <= 0.05
    np.testing.assert_array_equal(read_channels(alone), [True] * 3)


def test_channels_that_reach_the_answer_around_loops_alone_are_read():
    """x reaches h only a step later; y reaches nothing."""
    model = el.Model(
        [
            el.Previous(2, of="kept", name="before", inputs=INPUT),
            el.Dense([[1, 0, 0]], name="x", inputs=INPUT),
            el.Dense(np.eye(2), name="out", inputs=("before",)),
            el.Concat(inputs=("x", "x"), name="kept"),
            el.Add(inputs=("out", "before")),
        ]
    )
    np.testing.assert_array_equal(read_channels(model), [True, False, False])


def test_a_state_is_given_and_taken():
    rng = np.random.default_rng(6)
    layer, parts = rnn(rng)
    stream, plain = el.Stream(el.Model(parts)), el.Stream(el.Model([layer]))
    xs = rng.normal(size=(20, 5)).astype(np.float32)
    stream.process(xs)
    plain.process(xs)
    np.testing.assert_allclose(stream.state("before")["h"], plain.state("rnn0")["h"], atol=1e-6)
    stream.set_state("before", h=np.ones(9))
    plain.set_state("rnn0", h=np.ones(9))
    np.testing.assert_allclose(stream.process(xs), plain.process(xs), atol=1e-6)
    stream.reset()
    np.testing.assert_array_equal(stream.state("before")["h"], np.float32(layer.h0))


def test_streams_of_a_bank_and_of_a_library_go_around_by_themselves(tmp_path):
    """A group of streams shares its passes over an LSTM's weights, inside a loop whose end is the model's answer."""
    rng = np.random.default_rng(7)
    model = el.Model(
        [
            el.Previous(4, [1, 2, 3, 4], of="y", name="before", inputs=INPUT),
            el.LSTM(uniform(rng, 64, 9), uniform(rng, 64, 16), uniform(rng, 64), inputs=("input", "before")),
            el.Dense(uniform(rng, 4, 16)),
            el.Activation("tanh", name="y"),
        ]
    )
    xs = rng.normal(size=(12, 20, 5)).astype(np.float32)  # (streams, time, inputs)
    expected = [el.Stream(model).process(x) for x in xs]
    np.testing.assert_allclose(expected[3], reference.run(model, xs[3]), atol=1e-6)
    path = tmp_path / "loop.so"
    el.build(model).write(path)
    np.testing.assert_array_equal(el.Stream(path).process(xs[0]), expected[0])
    for made in (model, path):
        bank = el.StreamBank(made, capacity=12)
        found = [np.array(bank.step_many(range(12), xs[:, t])) for t in range(10)]
        np.testing.assert_array_equal(np.stack(found, axis=1), np.array(expected)[:, :10])
        np.testing.assert_array_equal(bank.process_many(range(12), xs[:, 10:]), np.array(expected)[:, 10:])


def test_recordings_are_read_from_both_ends(tmp_path):
    rng = np.random.default_rng(8)
    forth, back = cell(rng, 0, "input", 3), cell(rng, 1, "turned", 3)
    above = cell(rng, 2, "ends", 12)
    turned, again = el.Reverse(name="turned", inputs=INPUT), el.Reverse(name="again", inputs=("h1",))
    ends = el.Concat(inputs=("h0", "again"), name="ends")
    head = el.Dense(uniform(rng, 2, 6))
    model = el.Model([*forth, turned, *back, again, ends, *above, head])
    path = tmp_path / "both.so"
    el.build(model).write(path)
    for steps in (1, 2, 16, 17, 53):
        xs = rng.normal(size=(steps, 3)).astype(np.float32)
        expected = around(above, np.hstack([around(forth, xs), around(back, xs[::-1])[::-1]])) @ head.weight.T
        np.testing.assert_allclose(reference.run(model, xs), expected, atol=1e-6)
        np.testing.assert_allclose(el.Stream(model).process(xs), expected, atol=1e-6)
        np.testing.assert_array_equal(el.Stream(path).process(xs), el.Stream(model).process(xs))


def test_a_decoder_goes_around_its_rows():
    """Of a fixed number, behind the last row of the recording."""
    rng = np.random.default_rng(9)
    encoder, decoder = el.RNN(uniform(rng, 5, 3), uniform(rng, 5, 5)), cell(rng, 0, "rows", 5)
    xs = rng.normal(size=(20, 3)).astype(np.float32)
    last = reference.run(el.Model([encoder]), xs)[-1]
    for rows in (1, 7, 30):
        model = el.Model([encoder, el.Last(), el.Repeat(rows, name="rows"), *decoder])
        expected = around(decoder, [last] * rows)
        np.testing.assert_allclose(reference.run(model, xs), expected, atol=1e-6)
        np.testing.assert_allclose(el.Stream(model).process(xs), expected, atol=1e-6)


def test_rows_that_are_seldom_are_read_from_both_ends():
    rng = np.random.default_rng(10)
    front = el.Conv1D(uniform(rng, 4, 3, 3), stride=2, padding="valid", name="frames")
    forth, back = cell(rng, 0, "frames", 4), cell(rng, 1, "turned", 6)
    model = el.Model([front, *forth, el.Reverse(name="turned"), *back])
    for steps in (3, 4, 40):
        xs = rng.normal(size=(steps, 3)).astype(np.float32)
        expected = around(back, around(forth, reference.run(el.Model([front]), xs))[::-1])
        np.testing.assert_allclose(el.Stream(model).process(xs), expected, atol=1e-6)


def test_a_diagram_draws_the_way_back(tmp_path):
    """A dashed line from the layer whose value it is, though that stands below."""
    from edgelstm.cli import describe, diagram

    path = tmp_path / "loop.elstm"
    el.save(el.Model(elman()), path)
    told = describe.record(el.load(path), path)
    assert [layer["inputs"] for layer in told["layers"]] == [["h"], ["input", "before"], ["sums"]]
    drawn = diagram.drawn(told)
    assert drawn.count("stroke-dasharray") == 1
    assert drawn.count("<path") == 4
    assert repr(el.load(path).layers[0]) == "Previous('before', of='h')"


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in [*KINDS, *MORE] if kind not in BESIDE_VECTORS])
def test_a_layer_of_any_kind_goes_around_or_is_refused_by_name(kind):
    """What it gives is what it reads a step later, beside the sample."""
    rng, inner = np.random.default_rng(11), model_of(kind)
    read = [replace(layer, inputs=tuple("in" if name == "input" else name for name in layer.inputs)) for layer in inner.layers]
    layers = [
        el.Previous(inner.output_size, of=read[-1].name, name="late", inputs=INPUT),
        el.Dense(uniform(rng, inner.input_size, 4 + inner.output_size) / 2, name="taken", inputs=("input", "late")),
        el.Activation("tanh", name="in"),
        *read,
    ]
    if not inner.streams or not inner.output_wire.each_step:
        with pytest.raises(el.UnsupportedModelError, match=r"previous 'late'"):
            el.Model(layers)
        return
    model, xs = el.Model(layers), rng.normal(size=(60, 4)).astype(np.float32)
    found, expected, stepping = el.Stream(model).process(xs), reference.run(model, xs), el.Stream(model)
    assert np.abs(found - expected).max() <= 1e-6 * max(1, np.abs(expected).max())
    np.testing.assert_array_equal([stepping.step(x).copy() for x in xs], found)
    np.testing.assert_array_equal(reference.whole(model, xs.astype(np.float64)), expected)
