"""int8 outside what calibration saw: channels in units of their own, units far from 1, events, single wild samples.

Errors are the largest of a run, in percent of the range of the float model's answers over it.
"""

from dataclasses import replace

import numpy as np
import pytest
from conftest import lstm_model, samples
from hypothesis import given, settings
from hypothesis import strategies as st
from units_models import UNITS, case, drawn, error, loss, network, onnxruntime_loss, uniform

import edgelstm as el
from edgelstm import reference
from edgelstm.quantization import calibration, choosing, folding, trace
from edgelstm.quantization.schemes import quantised

SCHEMES = ("int8-weight", "int8-dynamic", "int8-static")

#: What int8 may lose, in percent.
MOST = {"int8-weight": 1.0, "int8-dynamic": 1.0, "int8-static": 10.0}


# Channels in units of their own


@pytest.mark.parametrize("name", UNITS)
def test_channels_in_units_of_their_own_lose_little(rng, name, tmp_path):
    model, windows, xs = case(rng, name)
    losses = {scheme: loss(model, el.quantize(model, windows, scheme), xs) for scheme in SCHEMES}
    assert all(losses[scheme] <= MOST[scheme] for scheme in SCHEMES), losses
    if len(xs[0]) > 1:
        assert max(losses[scheme] for scheme in ("int8-weight", "int8-dynamic")) < onnxruntime_loss(model, xs, tmp_path)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("value", [5000.0, 1.7e9])
def test_a_channel_that_no_weight_reads_counts_nowhere(rng, scheme, value):
    model = network(rng, [0] * 6, [1] * 6, 0.2, read=[1, 1, 1, 1, 1, 0])
    xs = [drawn(rng, [0] * 6, [1] * 6, 200) for _ in range(4)]
    quiet = el.quantize(model, xs[:3], scheme)
    for window in xs:
        window[:, 5] = value
    small = el.quantize(model, xs[:3], scheme)
    assert loss(model, small, xs[3]) <= MOST[scheme] / 2
    wild = np.array(xs[3])
    wild[::2, 5] *= -1e6
    for made in (quiet, small):
        np.testing.assert_array_equal(el.Stream(made).process(wild), el.Stream(made).process(xs[3]))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_channel_that_never_changed_may_begin_to(rng, scheme):
    """Far from 0 in calibration; it moves as the others do later."""
    mean, deviation = [0, 0, 700], [1, 1, 3]
    model = network(rng, mean, deviation, 0.3)
    windows = [drawn(rng, mean, [1, 1, 0], 200) for _ in range(4)]
    assert loss(model, el.quantize(model, windows, scheme), drawn(rng, mean, [1, 1, 2], 300)) <= MOST[scheme]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from(SCHEMES))
def test_any_units_lose_little(seed, inputs, scheme):
    rng = np.random.default_rng(seed)
    deviation = 10.0 ** rng.uniform(-6, 6, inputs)
    mean = deviation * rng.choice([0, 1, 30], inputs)
    dead, read = rng.random(inputs) < 0.1, rng.random(inputs) >= 0.1
    model = network(rng, mean, deviation, 1 / np.sqrt(inputs), hidden=12, read=read)
    xs = [drawn(rng, mean, np.where(dead, 0, deviation), 150) for _ in range(5)]
    small = el.quantize(model, xs[:4], scheme, keep="head") if scheme != "int8-static" else el.quantize(model, xs[:4], scheme)
    batch = calibration.batch_of(model, [xs[4]])
    answers, given = (trace.run(net.layers, batch).values["head"] for net in (model, small))
    most = {"int8-weight": 1.5, "int8-dynamic": 2, "int8-static": 8}[scheme]
    assert error(answers, given) <= most or np.ptp(answers) < 0.02


def branches(rng):
    """An input that two LSTMs, a normaliser's LSTM, a sum and the head read, in units of its own."""
    deviation = np.array([1e-3, 1, 500])
    lstms = [network(rng, [0] * 3, deviation, 0.4, hidden=12).layers[0] for _ in range(2)]
    normal = el.Normalizer([0] * 3, deviation / [10, 1, 0.1], name="norm", inputs=("input",))
    behind = network(rng, [0] * 3, [10, 1, 0.1], 0.4, hidden=12).layers[0]
    skip = np.concatenate([uniform(rng, 0.3, 2, 36), uniform(rng, 0.1, 2, 3) / deviation, uniform(rng, 0.05, 2, 3) / deviation], axis=1)
    return el.Model(
        [
            replace(lstms[0], name="a", inputs=("input",)),
            replace(lstms[1], name="b", inputs=("input",)),
            normal,
            replace(behind, name="c", inputs=("norm",)),
            el.Add(inputs=("input", "input"), name="double"),
            el.Dense(skip, name="head", inputs=("a", "b", "c", "input", "double")),
        ]
    ), deviation


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_input_that_many_read_stays_what_it_is_for_each(rng, scheme):
    model, deviation = branches(rng)
    windows = [drawn(rng, [0] * 3, deviation, 200) for _ in range(4)]
    xs = drawn(rng, [0] * 3, deviation, 300)
    small = el.quantize(model, windows, scheme, int8=("head",))
    assert loss(model, small, xs) <= MOST[scheme]
    assert [layer.kind for layer in small.layers].count("normalizer") == 4, "that of c took up what c needs"
    kept = el.quantize(model, windows, scheme, keep=("a", "c"))
    assert loss(model, kept, xs) <= MOST[scheme]
    for name in ("a", "norm", "c"):
        before, after = (next(layer for layer in net.layers if layer.name == name) for net in (model, kept))
        assert before.inputs == after.inputs
        assert all(np.array_equal(array, after.arrays()[key]) for key, array in before.arrays().items())


def test_a_normaliser_takes_up_units_for_nothing_but_is_kept_for_its_other_readers(rng):
    deviation = np.array([1, 1000])
    model = network(rng, [0, 0], deviation, 0.4)
    normal = el.Normalizer([3, 3], [2, 2], name="norm")
    alone = el.Model([normal, replace(model.layers[0], inputs=("norm",)), model.layers[1]])
    xs = drawn(rng, [3, 3], 2 * deviation, 400)
    small = el.quantize(alone, xs)
    assert [(layer.name, layer.kind) for layer in small.layers][:2] == [("norm", "normalizer"), ("lstm", "lstm_int8")]
    two = el.Model([*alone.layers[:2], el.Dense(uniform(rng, 0.1, 1, 34), inputs=("lstm", "norm"), name="head")])
    both = el.quantize(two, xs, keep="head")
    assert [layer.name for layer in both.layers] == ["norm", "lstm_units", "lstm", "head"]
    for net, made in ((alone, small), (two, both)):
        assert loss(net, made, xs) <= 1
    again = el.quantize(two, xs, keep="lstm")
    assert np.array_equal(again.layers[0].scale, normal.scale)


def test_channels_that_agree_change_nothing(rng):
    """The record is that of the layer itself, and nothing stands in front of it."""
    for inputs in (1, 6, 40):
        model = lstm_model(rng, inputs, 16, 2)
        xs = 1.5 * samples(rng, model, 400)
        for scheme in SCHEMES:
            choice = choosing.choose(model, xs, scheme)
            assert len(choice.model.layers) == len(model.layers)
            option = choice.decisions["lstm0"].option
            seen = calibration.seen_by(model.layers[0], choice.before_trace, choice.batch)
            if scheme != "int8-static":
                assert np.array_equal(quantised(model.layers[0], scheme, seen, option.span, option.state).weight_ih, option.layer.weight_ih)


def test_the_float_model_answers_as_before(rng):
    model, deviation = branches(rng)
    batch = calibration.batch_of(model, [drawn(rng, [0] * 3, deviation, 100)])
    made = folding.folded(model, {name: folding.Spread(np.array([0.5, 2, -7]), np.array([0.5, 4, 512])) for name in ("a", "c")})
    one, other = (trace.run(layers, batch).values["head"] for layers in (model.layers, made.layers))
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-5)


def test_the_report_names_what_stands_in_front(rng):
    model, windows, _ = case(rng, "g and degrees a second")
    choice = choosing.choose(model, windows)
    assert "lstm_units in front" in choice.decisions["lstm"].reason
    assert choice.before is model
    assert [layer.name for layer in choice.model.layers] == ["lstm_units", "lstm", "head"]


# Units far from 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("unit", [1e-30, 1e-20, 1e-10, 1e-4, 1e3, 1e5, 1e12])
def test_a_unit_far_from_one(rng, scheme, unit):
    model = network(rng, [0] * 6, [unit] * 6, 0.2)
    windows = [drawn(rng, [0] * 6, [unit] * 6, 100) for _ in range(5)]
    assert loss(model, el.quantize(model, windows, scheme), drawn(rng, [0] * 6, [unit] * 6, 300)) <= MOST[scheme]


def test_windows_do_not_move_int8_weight(rng):
    """Of channels that agree, they decide nothing; of others, one wild sample decides nothing."""
    for name in ("alike", "g and degrees a second"):
        mean, deviation, bound = UNITS.get(name, ([0] * 6, [1] * 6, 0.2))
        model, windows = network(rng, mean, deviation, bound), [drawn(rng, mean, deviation, 200) for _ in range(5)]
        small = el.quantize(model, windows, "int8-weight")
        for far in (1e4, -1e8):
            windows[3][50, 2] = far
            wild = el.quantize(model, windows, "int8-weight")
            for one, other in zip(small.layers, wild.layers, strict=True):
                assert all(np.array_equal(array, other.arrays()[key]) for key, array in one.arrays().items()), (name, far)


def test_a_record_of_one_scale_a_row_is_still_read(rng, tmp_path):
    parts = {"weight_ih": np.ones((16, 3), np.int8), "weight_hh": np.ones((16, 4), np.int8), "scale_hh": rng.uniform(1, 2, 16)}
    layer = el.LSTMInt8.from_parts("lstm", ("input",), {"scheme": "int8-weight", "input_shift": -2}, parts)
    np.testing.assert_array_equal(layer.scale_ih, layer.scale_hh / 4)
    el.save(el.Model([layer]), tmp_path / "model.elstm")
    again = el.load(tmp_path / "model.elstm").layers[0]
    assert again.input_shift == 0
    np.testing.assert_array_equal(again.scale_ih, layer.scale_ih)
    with pytest.raises(el.UnsupportedModelError, match="input_shift must be 0 beside a scale_ih; got 1"):
        replace(layer, input_shift=1)


def test_no_shift_of_inputs_overflows(rng):
    """Beside weights of zero the largest shift multiplies nothing, however large x is."""
    layer = el.LSTMInt8("int8-dynamic", np.zeros((16, 3), np.int8), np.ones((16, 4), np.int8), np.ones(16), input_shift=100)
    stream = el.Stream(el.Model([layer]))
    xs = np.full((3, 3), 1e3, np.float32)
    np.testing.assert_allclose(stream.process(xs), reference.run(el.Model([layer]), xs), atol=1e-6)


# Events


def test_an_event_after_quiet_windows(tmp_path):
    """Everything, or twenty steps, five times as large as calibration saw it; the head is in int8 too."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        model = network(rng, [0] * 6, [1] * 6, 0.3, outputs=3)
        windows, run = [drawn(rng, [0] * 6, [0.2] * 6, 200) for _ in range(10)], drawn(rng, [0] * 6, [0.2] * 6, 400)
        run[200:220] *= 5
        loud = drawn(rng, [0] * 6, [1.0] * 6, 300)
        small = el.quantize(model, windows, int8=("head",))
        assert [layer.kind for layer in small.layers] == ["lstm_int8", "dense_int8"]
        assert small.layers[0].hidden_scale is None
        for xs in (run, loud):
            assert loss(model, small, xs) <= min(1.0, 2 * onnxruntime_loss(model, xs, tmp_path))


def test_integers_alone_have_a_margin(rng):
    model = network(rng, [0] * 6, [1] * 6, 0.3)
    windows = [drawn(rng, [0] * 6, [0.2] * 6, 200) for _ in range(10)]
    choice = choosing.choose(model, windows, "int8-static")
    seen = choice.before_trace.values
    first, head = choice.model.layers
    x_end, h_end, y_end = (
        float(scale[0]) * (127 - zero)
        for scale, zero in (
            (first.input_scale, first.input_zero_point),
            (first.hidden_scale, first.hidden_zero_point),
            (head.output_scale, head.output_zero_point),
        )
    )
    assert x_end > 1.3 * seen["input"].max()
    assert h_end > 1.3 * seen["lstm"].max()
    assert y_end > seen["head"].max() + 0.3 * np.ptp(seen["head"])
    assert "its output is cut at" in choice.decisions["lstm"].reason
    xs = 1.5 * drawn(rng, [0] * 6, [0.2] * 6, 400)
    assert loss(model, choice.model, xs) <= 10


@pytest.mark.parametrize("scheme", SCHEMES)
def test_rows_of_a_table_that_calibration_did_not_meet(rng, scheme):
    table = rng.standard_normal((50, 16)).astype(np.float32)
    table[49] *= 4
    lstm, head = network(rng, [0] * 16, [1] * 16, 0.2).layers
    model = el.Model([el.Embedding(table, name="table"), replace(lstm, inputs=("table",)), head])
    run = rng.integers(0, 49, 300)
    windows = [rng.integers(0, 49, 100) for _ in range(5)]
    run[10::20] = 49
    small = el.quantize(model, windows, scheme)
    assert loss(model, small, run[:, None]) <= {**MOST, "int8-static": 5}[scheme]
    if scheme == "int8-static":
        assert 255 * small.layers[1].input_scale[0] == pytest.approx(np.ptp(table), rel=1e-5)


# Samples that are none


@pytest.mark.parametrize("scheme", [*SCHEMES, "auto"])
@pytest.mark.parametrize("value", [1e30, -3e38, 1e15])
def test_a_sample_that_is_no_measurement_is_named(rng, scheme, value):
    windows = [drawn(rng, [0] * 6, [1] * 6, length) for length in (100, 80, 90, 100)]
    windows[2][50, 4] = value
    with pytest.raises(el.InputError, match=r"window 2, step 50, channel 4 is -?\d\S*, more than 1e\+09 times"):
        el.quantize(network(rng, [0] * 6, [1] * 6, 0.2), windows, scheme)


def test_rare_and_decaying_signals_are_measurements(rng):
    """Pulses on silence, exponential decay through thirty decades, a clock with a gap, silence alone."""
    pulses = np.zeros((1000, 1))
    pulses[500] = 5000
    decay = np.resize(10.0 ** -np.linspace(0, 30, 200), 1000)[:, None]
    clock = 1.7e9 + np.arange(1000.0)[:, None]
    clock[3] = 0
    xs = np.concatenate([pulses, decay, clock, np.zeros((1000, 1))], axis=1)
    model = lstm_model(rng, 4, 8)
    calibration.refuse_wild(model, calibration.batch_of(model, xs))
