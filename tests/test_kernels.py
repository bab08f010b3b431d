"""Every kernel against its float64 twin."""

import math
from itertools import pairwise

import numpy as np
import pytest
from conftest import GRID, ODD, TOLERANCE, lstm_layers, lstm_model, samples

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler import plan
from edgelstm.compiler.targets import Target, host
from edgelstm.reference import functions


def worst(model, xs):
    return np.abs(el.Stream(model).process(xs) - reference.run(model, xs)).max()


@pytest.mark.parametrize(("inputs", "hidden", "layers"), GRID + ODD, ids=str)
def test_lstm_stays_with_the_reference_for_1000_steps(rng, inputs, hidden, layers):
    model = lstm_model(rng, inputs, hidden, layers, outputs=1)
    assert worst(model, samples(rng, model, 1000)) <= TOLERANCE["f32"]


def test_lstm_state_follows_gate_by_gate(rng):
    """One gate driven at a time: a swapped or a wrongly scaled gate cannot hide."""
    hidden = 4
    for gate in range(4):
        bias = np.zeros(4 * hidden)
        bias[gate * hidden : (gate + 1) * hidden] = rng.uniform(-3, 3, hidden)
        weight_ih = np.zeros((4 * hidden, 2))
        weight_ih[2 * hidden : 3 * hidden] = rng.uniform(-1, 1, (hidden, 2))
        model = el.Model([el.LSTM(weight_ih, np.zeros((4 * hidden, hidden)), bias, c0=np.full(hidden, 0.7))])
        assert worst(model, samples(rng, model, 10)) <= TOLERANCE["f32"], "ifgo"[gate]


#: How kernels may hold numbers within bounds on this machine.
BOUNDS = [*(["range"] if host().lanes == 16 else []), "passing", "selected"]


@pytest.mark.parametrize("bounds", BOUNDS)
def test_gates_hold_their_bounds_and_let_nan_through(fresh, monkeypatch, bounds):
    """Vectors of every width; all forms give the bits of the first."""
    xs = np.array([0, 8.49, 8.5, 8.51, 20, 1e19, 1e30, np.inf, np.nan], np.float32)[:, None]
    xs = np.concatenate([xs, -xs])
    found = []
    for form in (BOUNDS[0], bounds):
        monkeypatch.setattr(Target, "bounds", form)
        monkeypatch.setattr(plan, "_loaded", {})
        monkeypatch.setenv("EDGELSTM_CACHE_DIR", str(fresh / form))
        units = 31  # pieces of 16, 8, 4, 2 and 1 lanes
        layers = [el.Dense(np.ones((units, 1)), name="all"), el.Activation("tanh", inputs=["all"], name="tanh")]
        lstm = el.LSTM(np.ones((4 * units, 1)), np.zeros((4 * units, units)), inputs=["input"], name="lstm")
        stream = el.Stream(el.Model([*layers, lstm, el.Activation("linear", inputs=["tanh", "lstm"])]), nan_policy="propagate")
        answers = []
        for x in xs:
            stream.reset()
            answers.append(stream.step(x).copy())
        found.append(np.array(answers))  # (samples, 2*units)
    np.testing.assert_array_equal(*found)
    nan = np.isnan(xs[:, 0])
    assert np.isnan(found[1][nan]).all()
    held = np.tanh(np.clip(xs[~nan, 0], -8.5, 8.5).astype(np.float64))
    assert np.abs(found[1][~nan, :units] - held[:, None]).max() <= 3e-7


def test_trained_initial_state_and_saturation(rng):
    model = lstm_model(rng, 3, 20, 2, trained_start=True)
    assert worst(model, samples(rng, model, 50)) <= TOLERANCE["f32"]
    assert worst(model, 1000 * samples(rng, model, 50)) <= 1e-5  # gates at their rails: c counts steps, h keeps its relative error


@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 5, 31, 64, 131])
@pytest.mark.parametrize("inputs", [1, 3, 8, 70, 200])
def test_dense(rng, inputs, outputs):
    weight = rng.uniform(-1, 1, (outputs, inputs)) / math.sqrt(inputs)
    model = el.Model([el.Dense(weight, rng.uniform(-1, 1, outputs))])
    assert worst(model, samples(rng, model, 40)) <= TOLERANCE["f32"]


def elementwise(layer, size):
    return el.Model([el.Normalizer(np.zeros(size), np.ones(size)), layer])


@pytest.mark.parametrize(("function", "limit"), [("tanh", 2.6e-7), ("sigmoid", 1.8e-7), ("relu", 0), ("linear", 0)])
def test_activation_error_is_as_documented(function, limit):
    xs = np.concatenate([np.linspace(-20, 20, 400_001), np.logspace(-8, 0, 20_001), [-1e30, 1e30, 0.0]]).astype(np.float32)
    size = 67
    model = elementwise(el.Activation(function), size)
    rows = np.resize(xs, (len(xs) // size + 1, size))
    expected = functions.ACTIVATIONS[function](rows.astype(np.float64))
    assert np.abs(el.Stream(model).process(rows) - expected).max() <= limit * 1.01  # the last digit of the documented figure


@pytest.mark.parametrize("size", [1, 2, 4, 7, 64, 65, 200])
def test_softmax(rng, size):
    model = elementwise(el.Softmax(), size)
    rows = np.concatenate([rng.normal(0, 5, (50, size)), np.full((1, size), 80.0), rng.normal(0, 500, (5, size))]).astype(np.float32)
    answers = el.Stream(model).process(rows)
    assert np.abs(answers - [functions.softmax(row.astype(np.float64)) for row in rows]).max() <= TOLERANCE["f32"]
    assert np.abs(answers.sum(axis=1) - 1).max() <= TOLERANCE["f32"]


def test_normalizer_takes_physical_units(rng):
    mean, scale = rng.uniform(900, 1100, 67), rng.uniform(0.5, 20, 67)
    model = el.Model([el.Normalizer(mean, scale)])
    rows = (mean + scale * rng.normal(size=(40, 67))).astype(np.float32)
    assert worst(model, rows) <= 1e-5  # one rounding of a quotient of up to 4, and none of the difference


def test_embedding(rng):
    model = el.Model([el.Embedding(rng.normal(size=(39, 70))), *lstm_layers(rng, 70, 12, 1)])
    ids = rng.integers(0, 39, 200)
    assert np.abs(el.Stream(model).process(ids) - reference.run(model, ids)).max() <= TOLERANCE["f32"]
    stream = el.Stream(model)
    for wrong in (-1, 39, 2.5, 1e9, np.nan):
        with pytest.raises(el.InputError, match="from 0 to 38"):
            stream.step(np.array([wrong], np.float32))
    assert stream.steps == 0


def test_skip_connections_and_concatenation(rng):
    (lstm,) = lstm_layers(rng, 5, 5, 1)
    layers = [
        el.Normalizer(rng.normal(size=5), rng.uniform(1, 2, 5), name="norm"),
        el.LSTM(lstm.weight_ih, lstm.weight_hh, lstm.bias, name="lstm"),
        el.Add(inputs=("lstm", "norm", "input"), name="sum"),
        el.Dense(rng.normal(size=(3, 10)) / 4, rng.normal(size=3), inputs=("sum", "lstm"), name="dense"),
        el.Activation("tanh", inputs=("dense", "input")),
    ]
    model = el.Model(layers)
    assert model.output_size == 8
    assert worst(model, samples(rng, model, 60)) <= TOLERANCE["f32"]


def test_wide_add(rng):
    model = el.Model(
        [
            el.Dense(rng.normal(size=(70, 3)), name="a"),
            el.Dense(rng.normal(size=(70, 3)), inputs="input", name="b"),
            el.Add(inputs=("a", "b")),
        ]
    )
    assert worst(model, samples(rng, model, 20)) <= TOLERANCE["f32"] * 4  # sums of two rows of three products around 4


@pytest.mark.parametrize("hidden", [5, pytest.param(8, marks=pytest.mark.slow), pytest.param(70, marks=pytest.mark.slow)])
def test_lstm_may_be_the_last_layer(rng, hidden):
    model = el.Model(lstm_layers(rng, 9, hidden, 2))
    whole = el.Stream(model).process(samples(rng, model, 37))
    assert whole.shape == (37, hidden)
    assert worst(model, samples(rng, model, 37)) <= TOLERANCE["f32"]


@pytest.mark.slow
def test_same_bits_for_every_cut_at_every_size(rng):
    for inputs, hidden, layers in [(6, 32, 1), (9, 64, 1), (17, 70, 2), (40, 128, 1)]:
        model = lstm_model(rng, inputs, hidden, layers)
        xs = samples(rng, model, 61)
        whole = el.Stream(model).process(xs)
        stream = el.Stream(model)
        cuts = [0, 1, 4, 5, 9, 26, 43, 60, 61]
        pieces = [stream.process(xs[a:b]) for a, b in pairwise(cuts)]
        np.testing.assert_array_equal(np.concatenate(pieces), whole)
        stream.reset()
        np.testing.assert_array_equal([stream.step(x).copy() for x in xs], whole)
