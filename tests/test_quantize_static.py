"""The scheme int8-static: scales and zero points from calibration, cells that int16 can hold, and what the report says of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import lstm_layers, lstm_model, samples
from golden_files import golden_answers
from hypothesis import given, settings
from hypothesis import strategies as st
from test_int8_tasks import CASES, FORECAST_GROWTH, TRAINING_HOURS, WINDOW_HOURS, forecast_rmse, shares_right, trained
from test_int8_tasks import demand as demand  # noqa: PLC0414

import edgelstm as el
from edgelstm import reference
from edgelstm.cli import main
from edgelstm.layers.dense_int8_static import DenseInt8Static
from edgelstm.layers.integers import CELL_BITS
from edgelstm.layers.lstm_int8_static import LSTMInt8Static
from edgelstm.quantization import calibration, choosing, trace
from edgelstm.quantization.calibration import Range
from edgelstm.quantization.report import compare as comparing
from edgelstm.quantization.report import looks, metrics
from edgelstm.quantization.report import page as report
from edgelstm.quantization.rules import feedforward, lstm, scales
from edgelstm.quantization.trace import rounding
from edgelstm.reference import integers
from edgelstm.reference import lstm_int8_static as lstm_twin

#: What quantisation to integers alone may cost.
ACCURACY_LOSS = 0.015


def output_db(choice, answers):
    own = choice.batch.own
    return metrics.snr_db(choice.before_trace.values[choice.before.layers[-1].name][own], answers[own])


def counter(weight=9.0):
    """A cell that adds tanh(weight * x) at each step, and a head."""
    return el.Model([el.LSTM([[9.0], [9.0], [weight], [0.0]], np.zeros((4, 1)), [9, 9, 0, 0], name="counter"), el.Dense(np.ones((1, 1)))])


# Tasks


@pytest.fixture(scope="module", params=["activity", "vowels"])
def task(request):
    """A trained network, the same in integers, and cases that neither training nor calibration saw."""
    model = trained(request.param)
    training, held_out = CASES[request.param]()
    return model, el.quantize(model, [window for window, _ in training], "int8-static"), held_out


def test_accuracy(task):
    model, small, held_out = task
    assert [layer.kind for layer in small.layers] == ["normalizer", "lstm_int8_static", "dense_int8_static"]
    assert (shares_right(model, held_out) - shares_right(small, held_out)).max() <= ACCURACY_LOSS


def test_forecast_error(demand):
    model = trained("forecast")
    small = el.quantize(model, demand[:TRAINING_HOURS].reshape(-1, WINDOW_HOURS, 1), "int8-static")
    assert small.layers[-1].kind == "dense_int8_static", "integers alone, even where float32 would cost next to nothing"
    assert forecast_rmse(small, demand) <= FORECAST_GROWTH * forecast_rmse(model, demand)


def test_compiled_code_equals_the_twin(task):
    _, small, held_out = task
    stream = el.Stream(small)
    for window, _ in held_out[::13]:
        stream.reset()
        np.testing.assert_array_equal(stream.process(window), reference.run(small, window).astype(np.float32))


# Scales


@settings(max_examples=300, deadline=None)
@given(st.floats(-(2.0**90), 2.0**90), st.floats(-(2.0**90), 2.0**90))
def test_a_grid_covers_its_range_and_has_a_zero(a, b):
    span = Range("drawn", min(a, b), max(a, b))
    scale, zero_point = scales.grid(span)
    assert scale > 0
    assert -128 <= zero_point <= 127
    for end in span[1:]:
        assert np.abs(integers.dequantised(integers.quantised(end, [scale], zero_point), [scale], zero_point) - end) <= 1.001 * max(
            scale, 1e-30
        )


@settings(max_examples=100, deadline=None)
@given(st.floats(-2, 2), st.floats(0.01, 2))
def test_whoever_reads_integers_takes_their_grid(a, b):
    seen = calibration.Seen(None, np.array([a, b], np.float32), None, False)
    made = feedforward.dense_static(el.Dense([[1.0]], name="maker"), seen, Range("", 0, 1), None)
    assert scales.grid(scales.output_range(made)) == (made.output_scale[0], made.output_zero_point)


def test_a_chain_requantises_by_the_identity(rng):
    layers = lstm_layers(rng, 3, 12, 2)
    head = el.Dense(rng.normal(size=(2, 12)))
    model = el.Model([*layers, head])
    small = el.quantize(model, samples(rng, model, 200), "int8-static")
    first, second, last = small.layers
    for reader, maker in ((second, first), (last, second)):
        assert (reader.input_scale[0], reader.input_zero_point) == (maker.hidden_scale[0], maker.hidden_zero_point)
        every = np.arange(-128, 128)
        given = integers.dequantised(every, maker.hidden_scale, maker.hidden_zero_point)
        np.testing.assert_array_equal(integers.quantised(given, reader.input_scale, reader.input_zero_point), every)
    apart = el.quantize(model, samples(rng, model, 200), "int8-static", keep=layers[0].name or "lstm0").layers[1]
    assert apart.input_scale[0] != first.hidden_scale[0]


def test_inputs_of_one_sign_use_all_integers(rng):
    model = lstm_model(rng, 4, 8)
    xs = np.abs(samples(rng, model, 300))
    layer = el.quantize(model, xs, "int8-static").layers[0]
    assert layer.input_zero_point == -128
    assert layer.input_scale[0] == pytest.approx((1 + scales.MARGIN) / 255, rel=0.02)


def test_a_bias_survives_weights_of_any_size(rng):
    """Rows whose products have steps too small for the bias, and rows of zeros."""
    weight = rng.uniform(-1, 1, (4, 3)) * [[1], [1e-12], [0], [0]]
    model = el.Model([el.Dense(weight, [0.3, -0.7, 0.9, 0])])
    small = el.quantize(model, samples(rng, model, 100), "int8-static")
    xs = samples(rng, model, 30)
    assert np.abs(reference.run(small, xs) - reference.run(model, xs)).max() < 0.02


def test_a_trained_start_is_kept(rng):
    model = lstm_model(rng, 3, 12, trained_start=True)
    layer = model.layers[0]
    small = el.quantize(model, samples(rng, model, 100), "int8-static").layers[0]
    h0 = small.h0.astype(np.int64)
    assert np.abs(integers.dequantised(h0, small.hidden_scale, small.hidden_zero_point) - layer.h0).max() <= small.hidden_scale[0] * 0.51
    assert np.abs(small.c0 / 2.0**small.cell_bits - layer.c0).max() <= 2.0**-small.cell_bits


def test_scales_without_a_multiplier_are_refused_by_name(rng):
    net = el.Model([el.LSTM(np.full((4, 1), 1e6), np.zeros((4, 1)), name="loud")])
    with pytest.raises(el.UnsupportedModelError, match=r"'loud'.*multiplier.*--keep loud"):
        el.quantize(net, np.array([-1e9, 1e9]), "int8-static")


# The cell


@pytest.mark.parametrize(("largest", "bits"), [(0.0, 15), (0.4, 15), (0.6, 14), (1.9, 13), (2.1, 12), (31.0, 9), (51.0, 9)])
def test_the_cell_has_room(largest, bits):
    settled = calibration.CellRange(largest, 0, 0, 0.0, False, None)
    assert lstm.cell_bits(el.LSTM(np.zeros((4, 1)), np.zeros((4, 1))), calibration.Seen(None, None, settled, True)) == bits
    assert 2.0 ** (15 - bits) >= lstm.LEAST_CELL_MARGIN * largest
    assert bits in CELL_BITS


def test_a_cell_beyond_int16_is_refused_by_name(golden):
    """An amplifier whose cell reaches 165: after its runtime's 24000 zeros, and from the start."""
    document = json.loads((golden("nam_lstm/BossLSTM-1x16.nam")).read_text())
    flat = np.array(document["weights"], np.float32)
    hidden = document["config"]["hidden_size"]
    w, bias, h0, c0, head, head_bias = np.split(flat, np.cumsum([4 * hidden * (1 + hidden), 4 * hidden, hidden, hidden, hidden]))
    w = w.reshape(4 * hidden, 1 + hidden)
    model = el.Model([el.LSTM(w[:, :1], w[:, 1:], bias, h0, c0, name="amp"), el.Dense(head.reshape(1, hidden), head_bias)])
    xs = golden_answers("nam_lstm/golden.npz")["x"].reshape(-1, 1)[:4000]
    with pytest.raises(el.UnsupportedModelError, match=r"'amp'.*cell reaches 1\d\d.*int16 cell ends at ±64.*kept in f32.*--keep amp"):
        el.quantize(model, xs, "int8-static")
    assert [layer.kind for layer in el.quantize(model, xs, "int8-static", keep="amp").layers] == ["lstm", "dense_int8_static"]


def test_a_growing_cell_needs_room_or_is_refused():
    for model, steps in ((counter(), 40), (counter(0.01), 4000), (replace(counter(), stateful=True), 20)):
        with pytest.raises(el.UnsupportedModelError, match=r"'counter'.*still grows.*--keep counter"):
            el.quantize(model, np.ones((steps, 1)), "int8-static")
    assert el.quantize(counter(), np.ones((20, 1)), "int8-static").layers[0].cell_bits == 9
    assert el.quantize(replace(counter(), stateful=True), np.zeros((20, 1)), "int8-static").layers[0].cell_bits == 15


# The trace and the report


def two_layers(rng):
    """Of one architecture, so that compiled code is found in the cache."""
    return el.Model([*lstm_model(rng, 4, 16, 2, 3, trained_start=True).layers, el.Softmax()])


@pytest.fixture(scope="module")
def choice():
    rng = np.random.default_rng(3)
    model = two_layers(rng)
    return choosing.choose(model, [samples(rng, model, 80), samples(rng, model, 50)], "int8-static")


@pytest.fixture(scope="module")
def told(choice):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing.speed, "SECONDS", 0.01)
        return comparing.compare(choice, machine={"cpu": "test"})


def test_the_trace_steps_as_the_twin(choice):
    """From the same integers; float32 sums and exact tanh may tip a value that lies between two integers."""
    for number in (0, 1):
        layer = choice.model.layers[number]
        x, h, c = (choice.trace.inputs_of(layer)[0], choice.trace.h_before(layer)[0], choice.trace.cells[layer.name][0])
        off = []
        for t in range(1, len(x)):
            xq = integers.quantised(x[t], layer.input_scale, layer.input_zero_point)
            hq = integers.quantised(h[t], layer.hidden_scale, layer.hidden_zero_point)
            z = trace.before_activation(layer, x[t], h[t]) * 4096
            assert np.abs(z - lstm_twin.gates(layer, xq, hq)).max() <= 2
            new_h, new_c = lstm_twin.integer_step(layer, xq, hq, np.rint(c[t - 1] * 2.0**layer.cell_bits).astype(np.int64))
            assert np.abs(new_c / 2.0**layer.cell_bits - c[t]).max() <= 3 * 2.0**-layer.cell_bits + 2.0**-11
            off.append(integers.dequantised(new_h, layer.hidden_scale, layer.hidden_zero_point) - choice.trace.values[layer.name][0, t])
        off = np.rint(np.array(off) / layer.hidden_scale)
        assert np.abs(off).max() <= 1
        assert (off != 0).mean() < 0.02


def test_compiled_code_agrees_with_what_calibration_saw(choice):
    simulated = output_db(choice, choice.trace.values[choice.before.layers[-1].name])
    compiled = output_db(choice, comparing.answers_of(choice.model, choice.batch))
    assert simulated > 30
    assert compiled == pytest.approx(simulated, abs=1.5)


def test_a_start_of_its_own_is_in_the_trace(choice):
    layer = choice.model.layers[0]
    assert np.abs(choice.trace.h_before(layer)[:, 0] - choice.before.layers[0].h0).max() <= layer.hidden_scale[0]


def test_the_report_tells_integers_and_what_is_clipped(choice, told):
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    first, second, head = told["layers"]
    assert second["input"]["range"] == "the output of lstm0"
    assert first["input"]["ends"][0] < 0 < first["input"]["ends"][1]
    assert set(first["scales"]) == {
        *("mantissa_ih", "shift_ih", "mantissa_hh", "shift_hh", "mantissa_out", "shift_out"),
        *("input_scale", "input_zero_point", "hidden_scale", "hidden_zero_point", "cell_bits"),
    }
    assert first["cell"]["reach"] == 2.0 ** (15 - choice.model.layers[0].cell_bits)
    assert first["cell"]["saturated"] == 0
    assert {first["gates"][gate]["saturated"] for gate in "ifgo"} == {0}
    assert all(first["gates"][gate]["teacher"] > 30 for gate in "ifgo")
    assert head["output_saturated"] == 0, "there is a margin"
    short = replace(choice.model.layers[2], shift=choice.model.layers[2].shift + np.int8(2))
    y = trace.run([*choice.model.layers[:2], short], choice.batch).values[short.name]
    assert 0 < rounding.at_ends(short, y).mean() < 0.5
    page = report.html(told)
    assert "int16 ends at" in page
    assert str(choice.model.layers[0].mantissa_ih[0]) in page


def test_saturation_is_counted():
    """A gate at 9 is clipped at 8 in every step, a cell held by cell_clip is so from the step that reaches it."""
    windows = np.ones((20, 1))
    choice = choosing.choose(counter(), windows, "int8-static")
    layer, now = choice.before.layers[0], choice.model.layers[0]
    assert looks.gate_record(choice, layer, now)["i"]["saturated"] == 1
    assert looks.gate_record(choice, layer, now)["o"]["saturated"] == 0
    assert looks.cell_record(choice, "counter")["saturated"] == 0
    clipped = replace(now, cell_clip=5 << 9)
    choice.decisions["counter"].option = replace(choice.decisions["counter"].option, layer=clipped)
    held = replace(choice, trace=trace.run([clipped, choice.model.layers[1]], choice.batch))
    assert looks.cell_record(held, "counter")["saturated"] == pytest.approx(15 / 20)
    assert held.trace.cells["counter"].max() == 5


def test_a_cell_that_grows_within_its_room_is_to_be_looked_at(told):
    def verdict_if(grows):
        output = {**told["output"], "snr_db": 45.0, "varying_db": 45.0, "error_growth": 1.0}
        layer = {**told["layers"][0], "cell": {**told["layers"][0]["cell"], "grows": grows}}
        slower = {"process": [1.0, 2.0], "step": [1.0, 2.0]}
        return comparing.verdict({**told, "evidence": [], "output": output, "layers": [layer], "latency_ns": slower})

    assert verdict_if(grows=False)["level"] == "ship", "time on a machine with an FPU decides nothing"
    verdict = verdict_if(grows=True)
    assert verdict["level"] == "look"
    assert any("int16 cell of lstm0 is clipped if it grows on" in reason for reason in verdict["reasons"])


def test_auto_never_leaves_float_cells(rng):
    model = lstm_model(rng, 3, 8)
    choice = choosing.choose(model, samples(rng, model, 40), "auto", elsewhere=True)
    assert not any(isinstance(layer, LSTMInt8Static | DenseInt8Static) for layer in choice.model.layers)


def test_the_verb(rng, tmp_path, monkeypatch):
    monkeypatch.setattr("edgelstm.quantization.speed.SECONDS", 0.01)
    model = two_layers(rng)
    el.save(model, tmp_path / "model.elstm")
    np.savez(tmp_path / "calib.npz", windows=samples(rng, model, 60).reshape(2, 30, 4))
    paths = [str(tmp_path / name) for name in ("model.elstm", "calib.npz", "small.elstm", "page.html")]
    done = CliRunner().invoke(
        main, ["quantize", paths[0], "--data", paths[1], "-o", paths[2], "--scheme", "int8-static", "--report", paths[3], "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["scheme"] == "int8-static"
    assert [layer.kind for layer in el.load(paths[2]).layers] == ["lstm_int8_static"] * 2 + ["dense_int8_static", "softmax"]
