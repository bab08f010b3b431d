"""Int8 kernels: exact integers in every form, and the whole layer beside its exact twin."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import samples
from elstm_files import resigned
from int8_records import integers, lstm_int8

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler import fuse, object_code, plan
from edgelstm.compiler.layout import lay_out
from edgelstm.compiler.targets import TARGETS, host
from edgelstm.layers.integers import MOST_BIAS

#: Forms of dot product, and the register files that they stand for.
ALL_FORMS = {
    "host": {},
    "vnni-256": {"dot": "vnni", "lanes": 8, "registers": 16},
    "generic": {"dot": "generic"},
    "generic-128": {"dot": "generic", "lanes": 4, "registers": 32},
    "pmaddwd-512": {"dot": "pmaddwd", "lanes": 16, "registers": 32},
    "pmaddwd-256": {"dot": "pmaddwd", "lanes": 8, "registers": 16},
    "pmaddwd-128": {"dot": "pmaddwd", "lanes": 4, "registers": 16},
}

#: What else a CPU multiplies with, by what it multiplies with best.
ALSO = {"vnni": ("vnni", "pmaddwd"), "pmaddwd": ("pmaddwd",)}

#: Those that this machine can run; no vector may be wider than its registers.
FORMS = {
    name: changes
    for name, changes in ALL_FORMS.items()
    if changes.get("lanes", 4) <= host().lanes and changes.get("dot", host().dot) in ("generic", host().dot, *ALSO.get(host().dot, ()))
}

SIZES = [(6, 32), (18, 70)]


@pytest.fixture(params=FORMS)
def form(request, monkeypatch):
    monkeypatch.setattr(plan, "host", lambda: host()._replace(**FORMS[request.param]))
    return request.param


def test_dense_sums_are_exact_integers(form, rng):
    """With unit scales the answer is the integer sum itself: compared for equality."""
    for outputs, inputs in [(1, 1), (33, 130), (5, 1000)]:
        for weight in (integers(rng, outputs, inputs), np.full((outputs, inputs), -127, np.int8)):
            layer = el.DenseInt8("int8-dynamic", weight, np.ones(outputs), input_scale=[1.0])
            rows = np.concatenate([rng.integers(-127, 128, (20, inputs)), np.full((1, inputs), 127), np.full((1, inputs), -127)])
            answers = el.Stream(el.Model([layer])).process(rows)
            np.testing.assert_array_equal(answers, rows @ weight.astype(np.int64).T)


def test_rounding_and_saturation_of_inputs(form):
    layer = el.DenseInt8("int8-dynamic", np.eye(4, dtype=np.int8), np.ones(4), input_scale=[1.0])
    given = np.array([[0.5, 1.5, 2.5, -0.5], [126.6, 127.4, 128.0, 1e9], [-126.5, -127.5, -1e9, -0.0]], np.float32)
    np.testing.assert_array_equal(el.Stream(el.Model([layer])).process(given), np.clip(np.rint(given), -127, 127))


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("extreme", [pytest.param(True, marks=pytest.mark.slow), False])
def test_lstm_dynamic_has_the_same_bits_in_every_form(rng, monkeypatch, calibrated, extreme):
    for inputs, hidden in SIZES:
        layer = lstm_int8(rng, inputs, hidden, "int8-dynamic", calibrated=calibrated, extreme=extreme)
        xs = samples(rng, el.Model([layer]), 25)
        answers = {}
        for name, changes in FORMS.items():
            monkeypatch.setattr(plan, "host", lambda changes=changes: host()._replace(**changes))
            answers[name] = el.Stream(el.Model([layer])).process(xs)
        for name, answer in answers.items():
            np.testing.assert_array_equal(answer, answers["host"], err_msg=f"{name} at {inputs}, {hidden}")


def state_of(stream, layer):
    """h and c of a model that is one LSTM layer."""
    floats = stream._arena.state.view(np.float32)
    start, padded = 16 + -(-layer.input_size // 16) * 16, -(-layer.hidden_size // 4) * 4
    return tuple(floats[at : at + layer.hidden_size].astype(np.float64) for at in (start, start + padded))


@pytest.mark.parametrize(("scheme", "calibrated"), [("int8-dynamic", True), ("int8-dynamic", False), ("int8-weight", False)])
def test_every_step_follows_its_exact_twin(rng, scheme, calibrated):
    """From the state that the kernel itself had before the step, so that both quantise the same h: an integer off by one shows as 1e-4."""
    for inputs, hidden in [(1, 1), (3, 15), *SIZES, (130, 41), (64, 256)]:
        layer = lstm_int8(
            rng, inputs, hidden, scheme, calibrated=calibrated, c0=rng.uniform(-1, 1, hidden), h0=rng.uniform(-0.7, 0.7, hidden)
        )
        model = el.Model([layer])
        stream = el.Stream(model)
        for x in samples(rng, model, 60):
            state = {model.layers[0].name: state_of(stream, layer)}
            answer = stream.step(x)
            np.testing.assert_allclose(answer, reference.step(model, x, state), rtol=0, atol=1e-6)
            np.testing.assert_allclose(state_of(stream, layer)[1], state[model.layers[0].name][1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int8-weight"])
def test_any_cut_gives_the_same_bits(rng, scheme):
    for inputs, hidden in SIZES:
        head = el.DenseInt8(scheme, integers(rng, 5, hidden), rng.uniform(0.5, 1, 5) / 1000, rng.uniform(-1, 1, 5))
        model = el.Model([lstm_int8(rng, inputs, hidden, scheme), head])
        xs = samples(rng, model, 60)
        stream = el.Stream(model)
        whole = stream.process(xs)
        stream.reset()
        np.testing.assert_array_equal([stream.step(x).copy() for x in xs], whole)
        stream.reset()
        np.testing.assert_array_equal(np.concatenate([stream.process(xs[:7]), stream.process(xs[7:])]), whole)


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int8-weight"])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (7, 3), (64, 10), (130, 70)])
def test_dense_follows_its_exact_twin(rng, scheme, inputs, outputs):
    model = el.Model(
        [el.DenseInt8(scheme, integers(rng, outputs, inputs), rng.uniform(0.5, 1, outputs) / 1000, rng.uniform(-1, 1, outputs))]
    )
    xs = samples(rng, model, 40)
    assert np.abs(el.Stream(model).process(xs) - reference.run(model, xs)).max() <= 2e-6


def test_weight_scheme_is_the_float_layer_of_its_weights(rng):
    layer = lstm_int8(rng, 6, 32, "int8-weight")
    same = el.LSTM(layer.weight_ih * layer.scale_ih[:, None], layer.weight_hh * layer.scale_hh[:, None], layer.bias)
    xs = samples(rng, el.Model([layer]), 200)
    assert np.abs(el.Stream(el.Model([layer])).process(xs) - el.Stream(el.Model([same])).process(xs)).max() <= 1e-6


@pytest.mark.parametrize(("scheme", "calibrated"), [("int8-dynamic", True), ("int8-dynamic", False), ("int8-weight", False)])
def test_weights_take_a_quarter(rng, tmp_path, scheme, calibrated):
    """In memory and in the file, where int8-weight has one scale a row more than int8-dynamic."""
    for inputs, hidden in [(40, 128), (128, 128)]:
        whole = el.LSTM(*(rng.uniform(-0.1, 0.1, (4 * hidden, n)) for n in (inputs, hidden)), rng.uniform(-0.1, 0.1, 4 * hidden))
        models = [el.Model([layer]) for layer in (lstm_int8(rng, inputs, hidden, scheme, calibrated=calibrated), whole)]
        packed = [el.Stream(model).program.about().weight_bytes for model in models]
        assert packed[0] / packed[1] <= 0.27
        for number, model in enumerate(models):
            el.save(model, tmp_path / f"{number}.elstm")
        files = [(tmp_path / f"{number}.elstm").stat().st_size for number in (0, 1)]
        own_scale = 4 * 4 * hidden if scheme == "int8-weight" else 0
        assert (files[0] - own_scale) / files[1] <= 0.27


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("calibrated", [True, False])
def test_the_largest_bias_there_can_be(form, sign, calibrated):
    """Beside products of its own sign that fill the sums: their cell is at the end of the twin's range, not at the other end."""
    inputs, hidden = 250, 20
    weights = (np.full((4 * hidden, n), sign * 127, np.int8) for n in (inputs, hidden))
    scales = {"input_scale": [1 / 127], "input_shift": 8} if calibrated else {}
    scale = np.full(4 * hidden, 2.0**-17)
    bias = np.full(4 * hidden, sign * 2.0**-17 / 127 * (MOST_BIAS - 300))
    layer = el.LSTMInt8("int8-dynamic", *weights, scale, bias, hidden_scale=[1 / 127], **scales)
    assert np.abs(layer.bias_steps).max() << (8 if calibrated else 0) > 0.99 * MOST_BIAS
    xs = np.full((3, inputs), 1.0, np.float32)
    given, expected = el.Stream(el.Model([layer])).process(xs), reference.run(el.Model([layer]), xs)
    assert np.abs(expected).max() > 0.7 if sign > 0 else np.abs(expected).max() < 1e-9
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-6)


def test_a_bias_beside_tiny_weights_is_kept(rng):
    """Their scale grows until the bias is an integer of it that fits."""
    layer = el.LSTM(rng.normal(0, 1e-12, (16, 3)), rng.normal(0, 1e-12, (16, 4)), rng.uniform(-1, 1, 16), name="lstm")
    xs = samples(rng, el.Model([layer]), 50)
    small = el.quantize(el.Model([layer]), xs, "int8-dynamic")
    np.testing.assert_allclose(el.Stream(small).process(xs), reference.run(el.Model([layer]), xs), rtol=0, atol=1e-6)


@pytest.mark.parametrize("extreme", [-127, 127])
def test_the_largest_sums_there_can_be(form, extreme):
    """Shifted input products and recurrent ones, all of one sign, against their twin: an overflow would turn the gates round."""
    inputs, hidden, shift = 60, 20, 8
    weights = (np.full((4 * hidden, n), extreme, np.int8) for n in (inputs, hidden))
    scale = np.full(4 * hidden, 1 / (127 * 127 * (inputs << shift)))
    layer = el.LSTMInt8("int8-dynamic", *weights, scale, input_scale=[1 / 127], hidden_scale=[1.0], input_shift=shift)
    model = el.Model([layer])
    xs = np.array([[1.0] * inputs, [-1.0] * inputs, [1.0] * inputs] * 6, np.float32)
    given, expected = el.Stream(model).process(xs), reference.run(model, xs)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-6)


def test_h_beyond_its_calibrated_range_is_clipped_as_in_the_twin(form, rng):
    layer = lstm_int8(rng, 3, 20, "int8-dynamic", calibrated=True)
    narrow = replace(layer, hidden_scale=[0.01 / 127], scale_hh=layer.scale_hh * np.float32(70))
    xs = samples(rng, el.Model([narrow]), 30)
    given, expected = el.Stream(el.Model([narrow])).process(xs), reference.run(el.Model([narrow]), xs)
    assert np.abs(expected).max() > 0.02, "h stays within its range: nothing is clipped"
    np.testing.assert_allclose(given, expected, rtol=0, atol=2e-5)


def one_to_one(scale):
    """A layer that answers with the integers of its inputs, and stream without checks."""
    layer = el.DenseInt8("int8-dynamic", np.eye(4, dtype=np.int8), np.full(4, 1 / np.float32(scale)), input_scale=[scale])
    return el.Stream(el.Model([layer]), nan_policy="propagate")


def test_what_is_let_in_unchecked_is_an_activation_within_bounds(form):
    stream = one_to_one(1.0)
    for given, expected in [
        ([np.nan, 1, np.inf, -np.inf], [127, 1, 127, -127]),
        ([-np.nan, 1e30, -1e30, 127.6], [-127, 127, -127, 127]),
        ([3e6, -3e6, 2.0**24, -(2.0**24)], [127, -127, 127, -127]),
    ]:
        np.testing.assert_array_equal(stream.step(np.array(given, np.float32)), expected)


def test_an_activation_is_its_exact_product_rounded(form, rng):
    """Rounding the product to float32 first would make a tie of some: these are among the inputs."""
    scale = np.float32(0.0123)
    steps = np.float32(1) / scale
    halves = rng.integers(-126, 126, 400_000) + 0.5
    xs = (halves / np.float64(steps)).astype(np.float32)
    exact, twice = np.rint(xs.astype(np.float64) * steps), np.rint(xs * steps)
    xs = xs[exact != twice][:400].reshape(-1, 4)
    assert len(xs) == 100
    np.testing.assert_array_equal(np.rint(one_to_one(scale).process(xs)), np.rint(xs.astype(np.float64) * steps))


@pytest.mark.parametrize("target", ["armv7", "cortex-m4f", "rpi4", "rpi5"])
@pytest.mark.parametrize("scheme", ["int8-dynamic", "int8-weight", "int8-static"])
def test_nothing_is_left_to_a_run_time_library(rng, target, scheme):
    net = el.Model([el.LSTM(rng.normal(size=(32, 3)), rng.normal(size=(32, 8)), name="lstm"), el.Dense(rng.normal(size=(5, 8)))])
    layout = lay_out(el.quantize(net, rng.normal(size=(50, 3)), scheme, int8="dense1"), TARGETS[target])
    code = object_code.emit(fuse.fuse(layout), TARGETS[target], fuse.EXPORTS)
    for name in (b"rintf", b"l2f", b"floatdisf", b"fmaf", b"memcpy"):
        assert name not in code, name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scheme": "int4"}, "scheme"),
        ({"weight_hh": np.full((16, 4), -128, np.int8)}, "-128"),
        ({"weight_ih": np.zeros((16, 3))}, "weight_ih must be int8 of shape"),
        ({"scale_hh": np.zeros(16)}, "positive"),
        ({"hidden_scale": [-0.1]}, "hidden_scale must be positive"),
        ({"hidden_scale": [0.1, 0.1]}, "hidden_scale must have shape"),
        ({"scheme": "int8-weight", "hidden_scale": [0.1]}, "takes no hidden_scale"),
        ({"hidden_scale": [0.5 / 127], "h0": np.full(4, 0.6)}, "within 0.5"),
        ({"input_shift": 101}, "whole number from -100 to 100"),
        ({"input_shift": 9, "input_scale": [0.1]}, "whole number from 0 to 8"),
        ({"input_shift": 1.0}, "whole number"),
        ({"input_shift": -1, "input_scale": [0.1]}, "whole number from 0 to 8"),
        ({"weight_ih": np.ones((16, 600), np.int8), "input_shift": 8, "input_scale": [0.1]}, "overflow"),
        ({"scale_hh": np.ones(15)}, "shape"),
        ({"bias": np.full(16, -1e8)}, "bias of row 0, -1e.08, is beyond 1073741824 steps"),
        ({"input_scale": [0.0]}, "positive"),
        ({"h0": np.full(4, 1.5)}, "Keep this layer in f32"),
    ],
)
def test_records_refuse_what_does_not_fit(rng, change, message):
    good = {"weight_ih": integers(rng, 16, 3), "weight_hh": integers(rng, 16, 4), "scale_hh": np.ones(16)}
    assert el.LSTMInt8("int8-dynamic", **good).hidden_size == 4
    with pytest.raises(el.EdgeLSTMError, match=message):
        el.LSTMInt8(**{"scheme": "int8-dynamic", **good, **change})


def test_a_file_of_two_scales_a_row_is_refused(tmp_path, rng):
    """Records were once written so: they must not be read as something else."""
    path = tmp_path / "model.elstm"
    el.save(el.Model([lstm_int8(rng, 6, 8, "int8-dynamic")]), path)
    resigned(path, tensors={"lstm_int80.scale_ih": np.ones(32, np.float32)})
    with pytest.raises(el.EdgeLSTMError, match="scale_ih"):
        el.load(path)


def test_files_keep_int8_records(tmp_path, rng):
    model = el.Model(
        [lstm_int8(rng, 6, 8, "int8-dynamic", calibrated=True), el.DenseInt8("int8-weight", integers(rng, 3, 8), np.full(3, 0.01))]
    )
    el.save(model, tmp_path / "model.elstm")
    again = el.load(tmp_path / "model.elstm")
    xs = samples(rng, model, 20)
    np.testing.assert_array_equal(el.Stream(again).process(xs), el.Stream(model).process(xs))
