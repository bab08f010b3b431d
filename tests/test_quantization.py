"""Calibration, schemes, the choice per layer, the record of what changed, the page and the verb."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import lstm_layers, lstm_model, samples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import edgelstm as el
from edgelstm import reference
from edgelstm.cli import main
from edgelstm.quantization import calibration, choosing, comparing, looks, metrics, report, schemes, svg, trace
from edgelstm.quantization.weights import joint_rows


def windows_of(rng, model, *lengths):
    return [samples(rng, model, length) for length in lengths]


def output_db(choice):
    last, own = choice.before.layers[-1].name, choice.batch.own
    return metrics.snr_db(choice.before_trace.values[last][own], choice.trace.values[last][own])


@pytest.fixture
def model(rng):
    return el.Model(
        [*lstm_model(rng, 5, 24, 2, 3).layers, el.Softmax()], labels=("a", "b", "c"), input_names=tuple("vwxyz"), rate_hz=50.0, window=30
    )


@pytest.fixture
def small_model(rng):
    """Of one architecture with the fixture `told`, so that compiled code is found in the cache."""
    return el.Model(
        [*lstm_model(rng, 4, 16, 1, 3).layers, el.Softmax()], labels=("a", "b", "c"), input_names=tuple("wxyz"), rate_hz=50.0, window=30
    )


# Weights and ranges


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (3, 7), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_a_row_comes_back_to_within_half_a_step(weight):
    integers, scale = schemes.quantised_rows(weight)
    assert integers.dtype == np.int8
    assert np.abs(integers.astype(int)).max() <= 127
    assert (scale > 0).all()
    assert (np.abs(integers * scale[:, None].astype(np.float64) - weight) <= scale[:, None] * 0.5001).all()


def test_a_row_of_zeros_has_scale_one_and_the_largest_weight_is_127():
    integers, scale = schemes.quantised_rows(np.array([[0, 0], [0.5, -2.0]], np.float32))
    assert scale.tolist() == [1, np.float32(2 / 127)]
    assert integers.tolist() == [[0, 0], [32, -127]]


def test_ranges_are_what_they_are_called(rng):
    values = rng.normal(size=(20000, 2)).astype(np.float32)
    values[7, 1] = 40
    found = {span.method: span for span in calibration.ranges(values)}
    assert found["min-max"].high == 40
    assert found["percentile 99.9"].high == pytest.approx(np.percentile(values, 99.9))
    assert found["percentile 99.9"].magnitude < found["percentile 99.99"].magnitude < 40
    assert calibration.Range("min-max", 0.0, 0.0).magnitude == 1


@pytest.mark.parametrize("draw", ["laplace", "uniform"])
def test_the_least_squares_limit_beats_its_neighbours(rng, draw):
    values = getattr(rng, draw)(-1, 1, 200_000).astype(np.float32)

    def error(limit):
        steps = 127 / limit
        return np.square(np.clip(np.rint(values * steps), -127, 127) / steps - values).mean()

    limit = calibration.least_squares_limit(values)
    largest = np.abs(values).max()
    assert limit == largest if draw == "uniform" else limit < 0.9 * largest
    assert error(limit) <= min(error(f * largest) for f in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)) * 1.02


def test_least_squares_limit_of_silence_is_zero():
    assert calibration.least_squares_limit(np.zeros(10, np.float32)) == 0


# The trace


@pytest.mark.parametrize("scheme", ["f32", "int8-weight", "int8-dynamic"])
def test_the_trace_is_the_reference(rng, scheme):
    lstm, dense = lstm_model(rng, 4, 6, 1, 6, trained_start=True).layers
    net = el.Model(
        [
            el.Normalizer(np.full(4, 0.2), np.full(4, 0.5)),
            el.LSTM(lstm.weight_ih, lstm.weight_hh, lstm.bias, lstm.h0, lstm.c0, name="lstm"),
            el.Dense(dense.weight, dense.bias, name="dense"),
            el.Add(inputs=("lstm", "dense"), name="sum"),
            el.Activation("tanh", name="bent"),
            el.Dense(rng.normal(size=(2, 12)), inputs=("sum", "bent")),
            el.Softmax(),
        ]
    )
    xs = windows_of(rng, net, 20, 9)
    if scheme != "f32":
        net = el.quantize(net, xs, scheme)
    batch = calibration.batch_of(net, xs)
    values = trace.run(net.layers, batch).values[net.layers[-1].name]
    for window, got in zip(xs, values, strict=True):
        assert np.abs(got[: len(window)] - reference.run(net, window)).max() < 1e-5


def test_an_embedding_model(rng):
    net = el.Model([el.Embedding(rng.normal(size=(11, 3))), *lstm_layers(rng, 3, 8, 1)])
    ids = [rng.integers(0, 11, 30), rng.integers(0, 11, (12, 1))]
    small = el.quantize(net, ids)
    assert [layer.kind for layer in small.layers] == ["embedding", "lstm_int8"]
    with pytest.raises(el.InputError, match="whole number from 0 to 10"):
        el.quantize(net, [np.array([3, 11])])


def test_what_has_not_changed_is_not_run_again(rng, model):
    batch = calibration.batch_of(model, windows_of(rng, model, 12))
    first = trace.run(model.layers, batch)
    changed = list(model.layers)
    changed[1] = schemes.quantised(changed[1], "int8-weight", calibration.seen_by(changed[1], first, batch), None)
    second = trace.run(changed, batch, first)
    assert second.values[changed[0].name] is first.values[changed[0].name]
    fresh = trace.run(changed, batch)
    for layer in changed:
        assert np.array_equal(second.values[layer.name], fresh.values[layer.name])
    assert not np.array_equal(second.values[changed[1].name], first.values[changed[1].name])


# quantize


@pytest.mark.parametrize("scheme", ["int8-weight", "int8-dynamic"])
def test_quantize_keeps_the_output_and_the_metadata(rng, model, scheme):
    xs = windows_of(rng, model, 40, 40)
    small = el.quantize(model, xs, scheme)
    kinds = [layer.kind for layer in small.layers]
    assert kinds[:2] == ["lstm_int8"] * 2
    assert {layer.scheme for layer in small.layers[:2]} == {scheme}
    for name in ("labels", "input_names", "rate_hz", "window", "stateful"):
        assert getattr(small, name) == getattr(model, name)
    assert small.probe is None
    assert scheme in small.source
    assert "float model" in small.source
    want, got = (reference.run(m, xs[0]) for m in (model, small))
    assert 35 < metrics.snr_db(want, got) < metrics.MOST_DB


def test_a_quantised_model_survives_its_file(rng, model, tmp_path):
    small = el.quantize(model, windows_of(rng, model, 40))
    el.save(small, tmp_path / "small.elstm")
    el.save(model, tmp_path / "float.elstm")
    again = el.load(tmp_path / "small.elstm")
    xs = samples(rng, model, 20)
    assert np.array_equal(reference.run(again, xs), reference.run(small, xs))
    assert again.probe is not None
    assert (tmp_path / "small.elstm").stat().st_size < 0.6 * (tmp_path / "float.elstm").stat().st_size


def test_compiled_code_agrees_with_what_calibration_saw(rng, small_model):
    choice = choosing.choose(small_model, windows_of(rng, small_model, 60), "int8-dynamic")
    answers = comparing.answers_of(choice.model, choice.batch)
    simulated = choice.trace.values[small_model.layers[-1].name]
    assert metrics.snr_db(simulated, answers) > output_db(choice) + 6


def test_the_chosen_range_is_the_best_measured(rng):
    model = lstm_model(rng, 4, 16)
    xs = samples(rng, model, 400)
    xs[100] *= 200
    choice = choosing.choose(model, xs, "int8-dynamic")
    option = choice.decisions["lstm0"].option
    tried = dict(option.tried)
    assert set(tried) == {"min-max", "percentile 99.9", "percentile 99.99", "mse-optimal", "per step"}
    assert option.alone_db >= max(tried.values()) - choosing.PER_STEP_MARGIN_DB
    assert tried["per step"] > tried["min-max"] + 3
    assert option.span is None
    assert option.layer.input_scale is None
    seen = calibration.seen_by(model.layers[0], choice.before_trace, choice.batch)
    fixed = schemes.quantised(model.layers[0], "int8-dynamic", seen, calibration.Range("by hand", -2.0, 1.5))
    assert fixed.input_scale[0] == np.float32(2 / 127)


def quiet_model(rng):
    """Its h stays within 0.1: the gate o is nearly shut."""
    lstm = lstm_layers(rng, 4, 16, 1)[0]
    bias = lstm.bias.copy()
    bias[48:] = -3
    quiet = el.LSTM(lstm.weight_ih, lstm.weight_hh * 4, bias, h0=np.full(16, 0.09), name="lstm")
    return el.Model([quiet, el.Dense(rng.normal(size=(2, 16)))])


def test_a_quiet_state_gets_steps_of_its_own(rng):
    model = quiet_model(rng)
    xs = samples(rng, model, 400)
    option = choosing.choose(model, xs, "int8-dynamic").decisions["lstm"].option
    tried = dict(option.tried_states)
    assert set(tried) == {"within 1", "min-max"}
    assert tried["min-max"] > tried["within 1"] + choosing.PER_STEP_MARGIN_DB
    largest = max(0.09, np.abs(reference.run(el.Model(model.layers[:1]), xs)).max())
    assert 127 * option.layer.hidden_scale[0] == pytest.approx(largest, rel=1e-5)
    loud = choosing.choose(lstm_model(rng, 4, 16), 5 * xs, "int8-dynamic").decisions["lstm0"].option
    assert loud.layer.hidden_scale is None


def test_a_state_that_still_grows_keeps_the_range_that_it_cannot_leave():
    weight_ih = np.array([[0.2], [9.0], [0.2], [0.0]])
    counter = el.Model([el.LSTM(weight_ih, np.zeros((4, 1)), [-3, 9, 0, -3], name="counter"), el.Dense(np.ones((1, 1)))])
    choice = choosing.choose(counter, np.ones((40, 1)), "int8-dynamic", keep=("dense1",))
    assert looks.cell_record(choice, "counter")["grows"]
    assert choice.decisions["counter"].option.tried_states[0][0] == "within 1"
    assert len(choice.decisions["counter"].option.tried_states) == 1
    assert choice.model.layers[0].hidden_scale is None


def test_a_clipped_state_is_reported(rng):
    model = quiet_model(rng)
    choice = choosing.choose(model, samples(rng, model, 200), "int8-dynamic")
    layer, decision = model.layers[0], choice.decisions["lstm"]
    assert looks.layer_record(choice, layer, decision)["output_saturated"] == pytest.approx(0, abs=0.01)
    louder = samples(rng, model, 200)
    louder[100:] *= 50
    batch = calibration.batch_of(model, louder)
    later = replace(choice, batch=batch, before_trace=trace.run(model.layers, batch), trace=trace.run(choice.model.layers, batch))
    assert looks.layer_record(later, layer, decision)["output_saturated"] > 0.02


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float32, (3, 5), elements=st.floats(-(2.0**60), 2.0**60, width=32)),
    arrays(np.float32, (3, 4), elements=st.floats(-(2.0**60), 2.0**60, width=32)),
    st.sampled_from([-8, 0]),
)
def test_joint_rows_come_back_to_within_half_a_step_of_theirs(first, second, lowest):
    joint = joint_rows(first, second, (1.0, 1.0), lowest)
    assert lowest <= joint.shift <= 8
    for integers, weight, scale in ((joint.first, first, joint.scale * 2.0**joint.shift), (joint.second, second, joint.scale * 1.0)):
        assert np.abs(integers.astype(int)).max() <= 127
        assert (np.abs(integers * scale[:, None].astype(np.float64) - weight) <= scale[:, None] * 0.5001).all()


def test_the_shift_goes_where_it_adds_least_noise():
    weight = np.ones((4, 10), np.float32)
    assert [joint_rows(weight * 2.0**k, weight, (1.0, 1.0), 0).shift for k in (0, 3, 20, -3)] == [0, 3, 8, 0]
    assert [joint_rows(weight * 2.0**k, weight, (1.0, 1.0), -8).shift for k in (0, 3, -3)] == [0, 3, -3]
    wide = np.ones((4, 65536), np.float32)
    assert joint_rows(wide * 16, np.ones((4, 65536), np.float32), (1.0, 1.0), 0).shift == 0, "sums would overflow"


def test_keep_leaves_a_layer_as_it_is(rng, model):
    small = el.quantize(model, windows_of(rng, model, 20), keep=("lstm1",))
    assert [layer.kind for layer in small.layers[:2]] == ["lstm_int8", "lstm"]
    assert np.array_equal(small.layers[1].weight_hh, model.layers[1].weight_hh)
    assert "lstm1" in small.source


def test_a_layer_that_a_scheme_cannot_do_is_refused_by_name_and_can_be_kept(rng):
    first, head = lstm_model(rng, 3, 8).layers
    far = el.LSTM(first.weight_ih, first.weight_hh, h0=np.full(8, 1.5), name="far")
    net = el.Model([far, el.Dense(head.weight)])
    xs = samples(rng, net, 20)
    with pytest.raises(el.UnsupportedModelError, match=r"far.*h0 reaches 1.5.*--keep far"):
        el.quantize(net, xs)
    assert el.quantize(net, xs, "int8-weight").layers[0].kind == "lstm_int8"
    assert el.quantize(net, xs, "auto", elsewhere=True).layers[0].scheme == "int8-weight"
    with pytest.raises(el.UsageError, match="no layer is left"):
        el.quantize(net, xs, keep=("far", "dense1"))
    with pytest.raises(el.UnsupportedModelError, match="no rule for layers of type LSTMInt8"):
        el.quantize(el.quantize(net, xs, "int8-weight"), xs)


def test_dense_layers_are_quantised_where_it_is_worth_it(rng):
    large = lstm_model(rng, 4, 32, 1, 64)
    choice = choosing.choose(large, samples(rng, large, 50))
    assert choice.decisions["dense1"].option.scheme == "int8-dynamic"
    tiny = lstm_model(rng, 4, 64, 1, 1)
    choice = choosing.choose(tiny, samples(rng, tiny, 50))
    assert choice.model.layers[1].kind == "dense"
    assert "too little" in choice.decisions["dense1"].reason
    alone = el.Model([el.Dense(rng.normal(size=(4, 9)))])
    assert el.quantize(alone, samples(rng, alone, 20)).layers[0].kind == "dense_int8"


def fragile_model(rng):
    """An LSTM whose output is the small difference of large values: int8 spoils it."""
    model = lstm_model(rng, 3, 16)
    hidden = model.layers[0]
    rows = np.zeros((1, 32), np.float32)
    rows[0, 0], rows[0, 16] = 300, -300
    twin = el.LSTM(
        hidden.weight_ih + rng.normal(size=hidden.weight_ih.shape) * 1e-3, hidden.weight_hh, hidden.bias, name="b", inputs=("input",)
    )
    first = el.LSTM(hidden.weight_ih, hidden.weight_hh, hidden.bias, name="a", inputs=("input",))
    return el.Model([first, twin, el.Dense(rows, inputs=("a", "b"))])


def test_auto_defends_the_output(rng):
    model = fragile_model(rng)
    xs = samples(rng, model, 80)
    assert output_db(choosing.choose(model, xs, "int8-dynamic", keep=("dense2",))) < choosing.TARGET_DB
    choice = choosing.choose(model, xs, "auto", elsewhere=True)
    assert output_db(choice) >= choosing.TARGET_DB
    assert "f32" in {decision.option.scheme for decision in choice.decisions.values()}
    easy = lstm_model(rng, 3, 16)
    assert el.quantize(easy, samples(rng, easy, 40), "auto", elsewhere=True).layers[0].scheme == "int8-dynamic"


def test_auto_believes_the_clock(rng, monkeypatch):
    model = lstm_model(rng, 3, 16)
    xs = samples(rng, model, 40)
    slow = {"lstm_int8": 200.0, "lstm": 100.0}
    monkeypatch.setattr(choosing.speed, "process_ns", lambda net, xs: slow[net.layers[0].kind])
    choice = choosing.choose(model, xs, "auto")
    assert choice.decisions["lstm0"].option.scheme == "f32"
    assert "200 ns" in choice.decisions["lstm0"].reason
    slow["lstm_int8"] = 50.0
    assert choosing.choose(model, xs, "auto").decisions["lstm0"].option.scheme == "int8-dynamic"


@pytest.mark.parametrize(
    ("windows", "options", "error", "says"),
    [
        ([], {}, el.InputError, "at least one window"),
        ([np.zeros((4, 2))], {}, el.InputError, r"shape \(time, 5\)"),
        ([np.zeros((0, 5))], {}, el.InputError, "at least one step"),
        ([np.full((4, 5), np.nan)], {}, el.InputError, "window 0, step 0, channel 0 is nan"),
        ([["x"]], {}, el.InputError, "must be numbers"),
        ([np.zeros((4, 5))], {"scheme": "int4"}, el.UsageError, "int8-weight, int8-dynamic"),
        ([np.zeros((4, 5))], {"keep": ("gru",)}, el.UsageError, "'gru'.*lstm0"),
        ([np.zeros((4, 5))], {"elsewhere": True}, el.UsageError, "auto"),
    ],
)
def test_wrong_is_refused(model, windows, options, error, says):
    with pytest.raises(error, match=says):
        el.quantize(model, windows, **options)


def test_silence_is_no_trouble(model):
    small = el.quantize(model, np.zeros((10, 5)))
    assert np.isfinite(reference.run(small, np.ones((4, 5)))).all()


def test_progress_counts_up_to_its_total(rng, model):
    told = []
    el.quantize(model, windows_of(rng, model, 10), progress=lambda done, total, what: told.append((done, total, what)))
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert all(done <= total for done, total, _ in told)
    assert told[-1][0] == told[-1][1]


# Figures


def test_snr_and_the_worst_step():
    before = np.ones((2, 4, 1), np.float32)
    after = before.copy()
    after[1, 2] += 0.1
    batch = trace.Batch(np.zeros((2, 4, 1), np.float32), np.array([4, 3]))
    assert metrics.snr_db(before, before) == metrics.MOST_DB
    assert metrics.snr_db(before, 1.1 * before) == pytest.approx(20, abs=1e-3)
    worst = metrics.worst_step(before, after, batch)
    assert (worst["window"], worst["step"], worst["output"]) == (1, 2, 0)
    assert worst["error"] == pytest.approx(0.1)
    after[1, 3] = 100
    assert metrics.worst_step(before, after, batch)["step"] == 2, "padding is no step"
    over_time = metrics.error_over_time(before, after, batch)
    assert over_time["rms"] == pytest.approx([0, 0, 0.1 / np.sqrt(2), 0], abs=1e-6)
    assert over_time["max"] == pytest.approx([0, 0, 0.1, 0], abs=1e-6)


def test_growth_tells_drift_from_noise(rng):
    assert metrics.growth(np.abs(rng.normal(size=200))) < 2
    assert metrics.growth(np.arange(200.0)) == pytest.approx(174.5 / 74.5)
    assert metrics.growth([1.0, 2.0]) == 1


def test_labels_become_accuracy_or_error(rng, model):
    batch = calibration.batch_of(model, windows_of(rng, model, 5, 3))
    labels = metrics.checked_labels(model, [2, np.array([0, np.nan, 1])], batch)
    assert np.argwhere(~np.isnan(labels)).tolist() == [[0, 4], [1, 0], [1, 2]]
    before, after = np.zeros((2, 2, 5, 3), np.float32)
    before[0, 4, 2] = before[1, 0, 0] = before[1, 2, 1] = 1
    after[0, 4, 1] = after[1, 0, 0] = after[1, 2, 1] = 1
    told = metrics.task(model, labels, before, after)
    assert (told["before"], told["after"], told["changed"], told["passed"]) == (1.0, pytest.approx(2 / 3), 1, False)
    forecast = lstm_model(rng, 5, 4, 1, 1)
    told = metrics.task(forecast, labels, np.zeros((2, 5, 1)), np.full((2, 5, 1), 0.5))
    assert told["name"] == "mean absolute error"
    assert told["before"] == 1
    with pytest.raises(el.InputError, match="0 to 2"):
        metrics.checked_labels(model, [5, 0], batch)
    with pytest.raises(el.InputError, match="one item a window"):
        metrics.checked_labels(model, [1], batch)


def test_teacher_forced_gates_do_not_see_the_past(rng):
    model = lstm_model(rng, 4, 12)
    choice = choosing.choose(model, samples(rng, model, 60), "int8-dynamic")
    layer, now = model.layers[0], choice.model.layers[0]
    told = looks.gate_record(choice, layer, now)
    assert set(told) == {"i", "f", "g", "o", "c", "h"}
    assert all(20 < db < metrics.MOST_DB for gate in told.values() for db in gate.values())
    xs, hs = choice.batch.xs[0], choice.before_trace.h_before(layer)[0]
    t = 17
    want = trace.gates(layer, xs[t], hs[t])
    z = reference.step(model, xs[0], reference.initial_state(model))
    assert z.shape == (2,)
    whole = trace.gates(layer, choice.batch.xs, choice.before_trace.h_before(layer))[0, t]
    assert np.allclose(whole, want, atol=1e-6)
    c = choice.before_trace.cells["lstm0"][0]
    i, f, g, _ = np.split(whole, 4)
    assert np.allclose(c[t], f * c[t - 1] + i * g, atol=1e-6)


def test_a_growing_cell_is_reported():
    weight_ih = np.array([[9.0], [9.0], [9.0], [0.0]])
    counter = el.Model([el.LSTM(weight_ih, np.zeros((4, 1)), name="counter"), el.Dense(np.ones((1, 1)))])
    choice = choosing.choose(counter, np.ones((400, 1)), "int8-weight", keep=("dense1",))
    cell = looks.cell_record(choice, "counter")
    assert cell["grows"]
    assert cell["step"] == 399
    assert cell["max_abs"] > 350
    assert cell["slope_per_step"] == pytest.approx(1, abs=0.05)
    settled = choosing.choose(counter, np.zeros((400, 1)), "int8-weight", keep=("dense1",))
    assert not looks.cell_record(settled, "counter")["grows"]


def test_keeping_the_layer_that_hurts_wins_most_back(rng):
    choice = choosing.choose(fragile_model(rng), samples(rng, fragile_model(rng), 60), "int8-dynamic", keep=("dense2",))
    ranked = looks.won_back(choice)
    assert {item["name"] for item in ranked} == {"a", "b"}
    assert ranked[0]["gain_db"] >= ranked[1]["gain_db"]
    assert all(item["bytes"] > 0 for item in ranked)


# The record, the page, the verb


@pytest.fixture(scope="module")
def told():
    rng = np.random.default_rng(5)
    net = el.Model([*lstm_model(rng, 4, 16, 1, 3).layers, el.Softmax()], labels=("<b>", "é", "c"), source="a <script> file")
    xs = [samples(rng, net, 60), samples(rng, net, 30)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing.speed, "SECONDS", 0.01)
        return comparing.compare(choosing.choose(net, xs), labels=[0, 1], machine={"cpu": "test & co"})


def test_the_record_is_plain_json_and_complete(told):
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["size"]["file_bytes"][1] < told["size"]["file_bytes"][0]
    assert set(told["latency_ns"]) == {"process", "step"}
    layer = told["layers"][0]
    assert set(layer["scales"]) >= {"scale_hh", "input_shift"}
    assert layer["gates"]["i"]["teacher"] > 20
    assert told["output"]["snr_db"] > 30
    assert len(told["output"]["error_over_time"]["rms"]) == 60


def test_the_verdict_follows_the_figures(told):
    def level(**changes):
        base = {**told, "latency_ns": {"process": [2.0, 1.0], "step": [2.0, 1.0]}, "task": None}
        output = {**told["output"], "snr_db": 45.0, "error_growth": 1.0} | changes.pop("output", {})
        return comparing.verdict({**base, "output": output, **changes})["level"]

    assert level() == "ship"
    assert level(keep_in_f32=[]) == "look"
    assert level(output={"snr_db": 25.0}) == "look"
    assert level(output={"snr_db": 15.0}) == "stop"
    assert level(output={"error_growth": 5.0}) == "look"
    assert level(latency_ns={"process": [1.0, 2.0], "step": [1.0, 1.0]}) == "look"
    failed = {"name": "accuracy", "before": 0.9, "after": 0.8, "labelled": 10, "changed": 1, "passed": False}
    assert level(task=failed) == "stop"


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.links, self.tags = [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]
        if tag not in ("meta", "line", "rect", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_self_contained_and_sound(told):
    text = report.html(told)
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert "script" not in page.tags, "names out of files are text, not markup"
    assert page.links
    assert all(link.startswith("data:application/json") for link in page.links)
    assert not re.search(r"https?://|url\(", text)
    assert "a &lt;script&gt; file" in text
    assert report.HEADLINES[told["verdict"]["level"]] in text
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text)


def test_ticks_are_round_and_inside():
    assert svg.ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert svg.ticks(3, 3)
    assert all(-7 <= tick <= 130 for tick in svg.ticks(-7, 130))


@pytest.fixture
def files(rng, small_model, tmp_path):
    model = small_model
    el.save(model, tmp_path / "model.elstm")
    rows = samples(rng, model, 60)
    said = reference.run(model, rows).argmax(axis=1)
    lines = [
        "w,x,y,z,truth",
        *(f"{','.join(map(str, r))},{model.labels[k]}" for r, k in zip(rows, said, strict=True)),
    ]
    (tmp_path / "calib.csv").write_text("\n".join(lines))
    np.savez(tmp_path / "calib.npz", windows=rows.reshape(2, 30, 4), labels=said.reshape(2, 30))
    np.savez(tmp_path / "plain.npz", first=rows[:10], second=rows[10:])
    return tmp_path


def quantise(folder, *arguments, data="calib.csv"):
    paths = [str(folder / "model.elstm"), "--data", str(folder / data), "-o", str(folder / "small.elstm")]
    return CliRunner().invoke(main, ["quantize", *paths, *arguments])


def test_the_verb_writes_the_model_and_the_page(files, monkeypatch):
    monkeypatch.setattr("edgelstm.quantization.speed.SECONDS", 0.01)
    done = quantise(files, "--labels-column", "truth", "--report", str(files / "page.html"), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["windows"] == {"count": 2, "steps": 60, "longest": 30}, "cut as the model was trained"
    assert told["task"]["labelled"] == 60
    small = el.load(files / "small.elstm")
    assert small.layers[0].kind == "lstm_int8"
    assert "model.elstm" in small.source
    assert "</html>" in (files / "page.html").read_text(encoding="utf-8")
    shown = quantise(files, data="calib.npz")
    assert shown.exit_code == 0, shown.output
    assert "accuracy" in shown.stdout
    assert quantise(files, "--window", "7", data="plain.npz").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "data", "code", "says"),
    [
        ((), "none.csv", 1, "none.csv"),
        (("--scheme", "int3"), "calib.npz", 2, "scheme must be one of"),
        (("--keep", "gru0"), "calib.npz", 2, "its layers are"),
        (("--report", "nowhere/page.html"), "calib.npz", 2, "there is no folder"),
        (("--labels-column", "right"), "calib.csv", 2, "is no column"),
        (("--labels-column", "w"), "plain.npz", 2, "array 'labels'"),
        (("--labels-column", "w"), "calib.csv", 1, "labels must be whole numbers"),
        ((), "broken.npz", 1, "calib"),
    ],
)
def test_the_verb_refuses_in_one_line(files, arguments, data, code, says):
    (files / "broken.npz").write_bytes((files / "calib.npz").read_bytes()[:300])
    done = quantise(files, *arguments, data=data)
    assert done.exit_code == code
    assert done.stderr.startswith("edgelstm: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr or data in done.stderr
    assert not (files / "small.elstm").exists()


def test_the_verb_will_not_overwrite_its_inputs(files):
    done = CliRunner().invoke(
        main, ["quantize", str(files / "model.elstm"), "--data", str(files / "calib.csv"), "-o", str(files / "model.elstm")]
    )
    assert done.exit_code == 2
    assert "overwrite" in done.stderr
