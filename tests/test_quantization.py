"""Schemes, and the choice per layer."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import lstm_layers, lstm_model, samples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from quantization_models import fragile_model, output_db, windows_of
from quantization_models import model as model  # noqa: PLC0414
from quantization_models import small_model as small_model  # noqa: PLC0414

import edgelstm as el
from edgelstm import reference
from edgelstm.quantization import auto, calibration, choosing, schemes, search, settling, trace
from edgelstm.quantization.report import compare as comparing
from edgelstm.quantization.report import looks, metrics
from edgelstm.quantization.weights import joint_rows


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
    assert option.alone_db >= max(tried.values()) - search.PER_STEP_MARGIN_DB
    assert tried["per step"] > tried["min-max"] + 3
    assert option.span is None
    assert option.layer.input_scale is None
    seen = calibration.seen_by(model.layers[0], choice.before_trace, choice.batch)
    fixed = schemes.quantised(model.layers[0], "int8-dynamic", seen, calibration.Range("by hand", -2.0, 1.5))
    assert fixed.input_scale[0] == np.float32(2 / 127)


def quiet_model(rng, gate=4):
    """Its h stays within 0.1: the gate o is nearly shut; for good if `gate`, the size of what can open it, is 0."""
    lstm = lstm_layers(rng, 4, 16, 1)[0]
    bias, weight_ih, weight_hh = lstm.bias.copy(), lstm.weight_ih.copy(), lstm.weight_hh * 4
    bias[48:] = -3
    weight_ih[48:] *= gate / 4
    weight_hh[48:] *= gate / 4
    quiet = el.LSTM(weight_ih, weight_hh, bias, h0=np.full(16, 0.04), name="lstm")
    return el.Model([quiet, el.Dense(rng.normal(size=(2, 16)))])


def test_a_quiet_state_gets_steps_of_its_own_if_louder_windows_leave_it_quiet(rng):
    model = quiet_model(rng, gate=0)
    xs = samples(rng, model, 400)
    choice = choosing.choose(model, xs, "int8-dynamic")
    option = choice.decisions["lstm"].option
    tried = dict(option.tried_states)
    assert set(tried) == {"within 1", "min-max"}
    assert tried["min-max"] > tried["within 1"] + search.PER_STEP_MARGIN_DB
    louder = [np.abs(reference.run(el.Model(model.layers[:1]), xs * k)).max() for k in (1, calibration.LOUDER)]
    assert 127 * option.layer.hidden_scale[0] == pytest.approx(max(0.04, *louder), rel=1e-3)
    assert f"h is cut at {127 * option.layer.hidden_scale[0]:.3g}" in choice.decisions["lstm"].reason
    for loud, times in ((lstm_model(rng, 4, 16), 5), (quiet_model(rng), 1)):
        assert choosing.choose(loud, times * xs, "int8-dynamic").model.layers[0].hidden_scale is None


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
    seen = calibration.seen_by(layer, choice.before_trace, choice.batch)
    narrow = schemes.quantised(layer, "int8-dynamic", seen, None, calibration.ranges(seen.outputs)[0])
    decision.option = replace(decision.option, layer=narrow)
    choice = replace(choice, model=replace(model, layers=(narrow, *choice.model.layers[1:])))
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
    st.sampled_from([(-8, 8), (0, 8), (-100, 100)]),
)
def test_joint_rows_come_back_to_within_half_a_step_of_theirs(first, second, ends):
    joint = joint_rows(first, second, (1.0, 1.0), ends)
    assert ends[0] <= joint.shift <= ends[1]
    for integers, weight, scale in ((joint.first, first, joint.scale * 2.0**joint.shift), (joint.second, second, joint.scale * 1.0)):
        assert np.abs(integers.astype(int)).max() <= 127
        assert (np.abs(integers * scale[:, None].astype(np.float64) - weight) <= scale[:, None] * 0.5001).all()


def test_the_shift_goes_where_it_adds_least_noise():
    weight = np.ones((4, 10), np.float32)
    assert [joint_rows(weight * 2.0**k, weight, (1.0, 1.0), (0, 8)).shift for k in (0, 3, 20, -3)] == [0, 3, 8, 0]
    assert [joint_rows(weight * 2.0**k, weight, (1.0, 1.0), (-8, 8)).shift for k in (0, 3, -3)] == [0, 3, -3]
    wide = np.ones((4, 65536), np.float32)
    assert joint_rows(wide * 16, np.ones((4, 65536), np.float32), (1.0, 1.0), (0, 8)).shift == 0, "sums would overflow"


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
    with pytest.raises(el.UnsupportedModelError, match=r"lstm_int8 .far. is quantised already"):
        el.quantize(el.quantize(net, xs, "int8-weight"), xs)
    bare = el.Model([el.Normalizer(np.zeros(3), np.ones(3)), el.LayerNorm(np.ones(3))])
    with pytest.raises(el.UsageError, match=r"int8-dynamic leaves every layer of this model as it is: it has LayerNorm, Normalizer\."):
        el.quantize(bare, xs)


def test_convolutions_are_quantised_where_it_is_worth_it(rng):
    """Those of many outputs and taps; f16-weight and int8-static leave all of them. The trace of one is its twin."""
    layers = [
        el.Conv1D(rng.normal(size=(24, 4, 3)) / 4, rng.normal(size=24), name="wide"),
        el.Conv1D(rng.normal(size=(24, 2, 3)) / 3, groups=12, name="grouped"),
        *lstm_layers(rng, 24, 16, 1),
    ]
    net = el.Model(layers)
    windows = rng.normal(size=(6, 50, 4)).astype(np.float32)
    for scheme in ("int8-dynamic", "int8-weight"):
        made = el.quantize(net, windows, scheme)
        assert [layer.kind for layer in made.layers] == ["conv1d_int8", "conv1d", "lstm_int8"]
        wide = made.layers[0]
        assert wide.scheme == scheme
        np.testing.assert_allclose(wide.weight * wide.scale[:, None, None], layers[0].weight, rtol=0, atol=wide.scale.max() / 1.99)
        assert [layer.kind for layer in el.quantize(net, windows, scheme, int8=("grouped",)).layers][1] == "conv1d_int8"
        expected = reference.run(el.Model([wide]), windows[0])
        found = trace.run([wide], calibration.batch_of(el.Model([wide]), windows)).values["wide"][0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    for scheme, kind in (("f16-weight", "lstm_half"), ("int8-static", "lstm_int8_static")):
        assert [layer.kind for layer in el.quantize(net, windows, scheme).layers] == ["conv1d", "conv1d", kind]


def test_dense_layers_are_quantised_where_it_is_worth_it(rng):
    large = lstm_model(rng, 4, 32, 1, 64)
    choice = choosing.choose(large, samples(rng, large, 50))
    assert choice.decisions["dense1"].option.scheme == "int8-dynamic"
    with pytest.raises(el.UsageError, match=r"int8 names Dense and Conv1D layers.*'lstm0' is none"):
        choosing.choose(large, samples(rng, large, 50), int8=("lstm0",))
    with pytest.raises(el.UsageError, match="keep and int8 both name 'dense1'"):
        choosing.choose(large, samples(rng, large, 50), keep="dense1", int8="dense1")
    tiny = lstm_model(rng, 4, 64, 1, 1)
    choice = choosing.choose(tiny, samples(rng, tiny, 50))
    assert choice.model.layers[1].kind == "dense"
    assert "too little" in choice.decisions["dense1"].reason
    alone = el.Model([el.Dense(rng.normal(size=(4, 9)))])
    assert el.quantize(alone, samples(rng, alone, 20)).layers[0].kind == "dense_int8"


@pytest.mark.parametrize("scheme", ["int8-weight", "int8-dynamic", "auto"])
@pytest.mark.parametrize(("outputs", "kind"), [(1, "dense"), (7, "dense"), (8, "dense_int8"), (64, "dense_int8")])
def test_a_narrow_head_stays_in_f32_unless_int8_is_asked_for(rng, scheme, outputs, kind):
    model = lstm_model(rng, 1, 8, 1, outputs)
    xs = samples(rng, model, 300)
    elsewhere = scheme == "auto"
    choice = choosing.choose(model, xs, scheme, elsewhere=elsewhere)
    assert choice.model.layers[1].kind == kind
    assert ("--int8 dense1" in choice.decisions["dense1"].reason) == (kind == "dense")
    assert el.quantize(model, xs, scheme, int8=("dense1",), elsewhere=elsewhere).layers[1].kind == "dense_int8"
    assert el.quantize(model, xs, scheme, keep=("dense1",), elsewhere=elsewhere).layers[1].kind == "dense"


def test_auto_defends_the_output(rng):
    model = fragile_model(rng)
    xs = samples(rng, model, 80)
    assert output_db(choosing.choose(model, xs, "int8-dynamic", keep=("dense2",))) < auto.TARGET_DB
    choice = choosing.choose(model, xs, "auto", elsewhere=True)
    assert output_db(choice) >= auto.TARGET_DB
    assert "f32" in {decision.option.scheme for decision in choice.decisions.values()}
    easy = lstm_model(rng, 3, 16)
    assert el.quantize(easy, samples(rng, easy, 40), "auto", elsewhere=True).layers[0].scheme == "int8-dynamic"


def test_auto_believes_the_clock(rng, monkeypatch):
    model = lstm_model(rng, 3, 16)
    xs = samples(rng, model, 40)
    slow = {"lstm_int8": 200.0, "lstm": 100.0}
    monkeypatch.setattr(settling.speed, "process_ns", lambda net, xs: slow[net.layers[0].kind])
    monkeypatch.setattr(settling.speed, "step_ns", lambda net, xs: 70.0)
    choice = choosing.choose(model, xs, "auto")
    assert choice.decisions["lstm0"].option.scheme == "f32"
    assert "200 ns" in choice.decisions["lstm0"].reason
    slow["lstm_int8"] = 50.0
    assert choosing.choose(model, xs, "auto").decisions["lstm0"].option.scheme == "int8-dynamic"
    monkeypatch.setattr(settling.speed, "step_ns", lambda net, xs: {"lstm_int8": 80.0, "lstm": 70.0}[net.layers[0].kind])
    decision = choosing.choose(model, xs, "auto").decisions["lstm0"]
    assert decision.option.scheme == "f32", "a stream is stepped one way or the other"
    assert "50 ns in process() and 80 ns in step()" in decision.reason


@pytest.mark.parametrize(
    ("windows", "options", "error", "says"),
    [
        ([], {}, el.InputError, "at least one window"),
        ([np.zeros((4, 2))], {}, el.InputError, r"shape \(time, 5\)"),
        ([np.zeros((0, 5))], {}, el.InputError, "at least one step"),
        ([np.full((4, 5), np.nan)], {}, el.InputError, r"window 0, step 0, channel 0 \(v\) is nan"),
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
