"""Loops of layers: how large their values grow, and what stands around them: quantisation, banks, libraries, recordings, diagrams."""

from dataclasses import replace

import numpy as np
import pytest
from kinds import MORE, model_of
from test_previous import INPUT, around, cell, elman, rnn, uniform

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.reach import held_at, input_limit
from edgelstm.layers import KINDS
from edgelstm.quantization.report.evidence import read_channels

#: Kinds whose models read maps, or an index, which no Dense layer gives.
BESIDE_VECTORS = {kind for kind in KINDS if len(model_of(kind).input_shape) > 1 or model_of(kind).takes_index}


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
