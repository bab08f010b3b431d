"""GRU and Elman layers in int8: exact integers in every form, each step beside its twin, and what `quantize` makes of networks."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import samples
from int8_records import hidden_int8
from test_gru import gru, rnn
from test_kernels_int8 import FORMS

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler import plan
from edgelstm.compiler.layout import lay_out
from edgelstm.compiler.targets import host
from edgelstm.quantization.choosing import choose
from edgelstm.quantization.report.looks import layer_record
from edgelstm.quantization.report.metrics import snr_db

CALIBRATED = {"input_scale": [1 / 127], "hidden_scale": [0.9 / 127]}

LAYERS = {
    "after": lambda rng, size, hidden, **more: hidden_int8(rng, el.GRUInt8, size, hidden, "int8-dynamic", **more),
    "before": lambda rng, size, hidden, **more: hidden_int8(rng, el.GRUInt8, size, hidden, "int8-dynamic", reset_after=False, **more),
    "elman": lambda rng, size, hidden, **more: hidden_int8(rng, el.RNNInt8, size, hidden, "int8-dynamic", **more),
}


def in_a_row(rng, inputs, hidden):
    """One layer of each, calibrated and not."""
    layers = [LAYERS["after"](rng, inputs, hidden, **CALIBRATED), LAYERS["before"](rng, hidden, hidden), LAYERS["elman"](rng, hidden, 7)]
    return el.Model(layers)


def test_the_same_bits_in_every_form(rng, monkeypatch):
    model = in_a_row(rng, 18, 70)
    xs = samples(rng, model, 25)
    answers = {}
    for name, changes in FORMS.items():
        monkeypatch.setattr(plan, "host", lambda changes=changes: host()._replace(**changes))
        answers[name] = el.Stream(model).process(xs)
    for name, answer in answers.items():
        np.testing.assert_array_equal(answer, answers["host"], err_msg=name)


def state_of(stream, layer):
    """h of a model that is one layer."""
    floats = stream._arena.state.view(np.float32)
    start = 16 + -(-layer.input_size // 16) * 16
    return floats[start : start + layer.hidden_size].astype(np.float64)


@pytest.mark.parametrize("kind", LAYERS)
def test_every_step_follows_its_exact_twin(rng, kind):
    """From the state that the kernel itself had before the step, so that both quantise the same h: an integer off by one shows as 1e-4.

    Without a reset gate before the product: what is quantised there is not a state, and may round to the other side of a tie.
    """
    for inputs, hidden, more in [(3, 15, {}), (130, 41, CALIBRATED)]:
        layer = LAYERS[kind](rng, inputs, hidden, h0=rng.uniform(-0.7, 0.7, hidden), **more)
        model = el.Model([layer])
        stream, errors = el.Stream(model), []
        for x in samples(rng, model, 60):
            state = {model.layers[0].name: (state_of(stream, layer),)}
            errors.append(np.abs(stream.step(x) - reference.step(model, x, state)).max())
        if kind == "before":
            assert np.mean(np.array(errors) <= 1e-6) > 0.8
            assert max(errors) <= 0.02
        else:
            assert max(errors) <= 1e-6


@pytest.mark.slow
def test_blocks_take_input_products_together(rng):
    """Of sizes from which on blocks do: any cut gives the same bits, and tiles are taken in turn."""
    layers = [LAYERS[kind](rng, 160, 150, name=kind, inputs=("input",)) for kind in LAYERS]
    model = el.Model([*layers, el.Activation("linear", inputs=tuple(LAYERS))])
    xs = samples(rng, model, 40)
    stream = el.Stream(model)
    whole = stream.process(xs)
    stream.reset()
    np.testing.assert_array_equal([stream.step(x).copy() for x in xs[:9]], whole[:9])
    np.testing.assert_array_equal(np.concatenate([stream.process(xs[9:16]), stream.process(xs[16:])]), whole[9:])


def test_weight_scheme_is_the_float_layer_of_its_weights(rng):
    layer = hidden_int8(rng, el.GRUInt8, 6, 33, "int8-weight", reset_after=False)
    weights = layer.weight_ih * layer.scale_ih[:, None], layer.weight_hh * layer.scale_hh[:, None]
    same = el.GRU(*weights, layer.bias_ih, layer.bias_hh, reset_after=False)
    xs = samples(rng, el.Model([layer]), 100)
    assert np.abs(reference.run(el.Model([layer]), xs) - reference.run(el.Model([same]), xs)).max() <= 1e-6
    assert np.abs(el.Stream(el.Model([layer])).process(xs) - reference.run(el.Model([same]), xs)).max() <= 1e-6


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int8-weight"])
def test_quantised_networks_stay_near(rng, scheme):
    """Decibels of the answers over windows that calibration did not see, by the twin."""
    nets = {
        "after": [gru(rng, 6, 24), el.Dense(rng.uniform(-0.3, 0.3, (3, 24)))],
        "before": [gru(rng, 6, 24, reset_after=False), gru(rng, 24, 12)],
        "elman": [rnn(rng, 6, 24)],
        "relu": [rnn(rng, 6, 24, activation="relu")],
    }
    for name, layers in nets.items():
        model = el.Model(layers)
        made = el.quantize(model, [samples(rng, model, 100) for _ in range(4)], scheme)
        assert made.scheme == scheme
        xs = samples(rng, model, 100)
        db = snr_db(reference.run(model, xs), reference.run(made, xs))
        assert db >= 25, f"{name}: {db:.1f} dB"


@pytest.mark.parametrize("layer", [gru, rnn])
def test_channels_of_different_size_are_brought_to_one(rng, layer):
    """In front of the layer, whose weights and bias take up scales and means."""
    width, centre = np.array([1e-3, 1.0, 1e4]), np.array([0.0, 5.0, -1e5])
    first = layer(rng, 3, 12)
    model = el.Model([replace(first, weight_ih=first.weight_ih / width)])
    windows = [samples(rng, model, 100) * width + centre * 1e-3 for _ in range(4)]
    made = el.quantize(model, windows, "int8-dynamic")
    assert [record.kind for record in made.layers] == ["normalizer", f"{first.kind}_int8"]
    assert snr_db(reference.run(model, windows[0]), reference.run(made, windows[0])) >= 25


def test_the_report_tells_of_gates_and_of_no_cell(rng):
    model = el.Model([gru(rng, 3, 8), rnn(rng, 8, 5)])
    choice = choose(model, [samples(rng, model, 60) for _ in range(3)], "int8-dynamic")
    told = [layer_record(choice, layer, choice.decisions[layer.name]) for layer in choice.before.layers]
    assert [set(each["gates"]) for each in told] == [{"r", "z", "n", "h"}, {"h"}]
    assert [each["cell"] for each in told] == [None, None]
    assert all(each["gates"]["h"]["free"] > 25 for each in told)


def test_weights_take_less_than_a_third(rng):
    """Large layers: a scale and a bias a row beside the weights."""
    model = el.Model([gru(rng, 128, 128)])
    made = el.quantize(model, samples(rng, model, 50), "int8-dynamic")
    sizes = [lay_out(m, host()).weights.nbytes for m in (made, model)]
    assert sizes[0] / sizes[1] <= 0.28


def test_static_refuses_by_name(rng):
    with pytest.raises(el.UnsupportedModelError, match=r"gru 'g'.*int8-static has no GRU layers.*keep=\('g',\)"):
        el.quantize(el.Model([gru(rng, 3, 5, name="g")]), rng.normal(size=(50, 3)), "int8-static")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scheme": "int4"}, "scheme"),
        ({"weight_hh": np.full((12, 4), -128, np.int8)}, "-128"),
        ({"weight_ih": np.zeros((11, 3), np.int8)}, "weight_ih must have shape"),
        ({"scale_hh": np.zeros(12)}, "positive"),
        ({"scale_ih": np.ones(11)}, "scale_ih must have shape"),
        ({"hidden_scale": [0.5 / 127], "h0": np.full(4, 0.6)}, "within 0.5"),
        ({"h0": np.full(4, 1.5)}, "Keep this layer in f32"),
        ({"scheme": "int8-weight", "hidden_scale": [0.1]}, "takes no hidden_scale"),
        ({"reset_after": None}, "true or false"),
    ],
)
def test_records_refuse_what_does_not_fit(change, message):
    weights = {"weight_ih": np.ones((12, 3), np.int8), "weight_hh": np.ones((12, 4), np.int8)}
    good = {"scheme": "int8-dynamic", **weights, "scale_ih": np.ones(12), "scale_hh": np.ones(12)}
    assert el.GRUInt8(**good).hidden_size == 4
    with pytest.raises(el.EdgeLSTMError, match=message):
        el.GRUInt8(**{**good, **change})
