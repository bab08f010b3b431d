"""What the tests of quantization share: networks, windows of samples, and how close a choice stays to the float model."""

import numpy as np
import pytest
from conftest import lstm_model, samples

import edgelstm as el
from edgelstm.quantization.report import metrics


def windows_of(rng, model, *lengths):
    return [samples(rng, model, length) for length in lengths]


def output_db(choice):
    last, own = choice.before.layers[-1].name, choice.batch.own
    return metrics.snr_db(choice.before_trace.values[last][own], choice.trace.values[last][own])


def classifier(rng, names, hidden, layers):
    """A network of three classes, with all that a model file says of one; an input for each letter of `names`."""
    network = [*lstm_model(rng, len(names), hidden, layers, 3).layers, el.Softmax()]
    return el.Model(network, labels=("a", "b", "c"), input_names=tuple(names), rate_hz=50.0, window=30)


@pytest.fixture
def model(rng):
    return classifier(rng, "vwxyz", 24, 2)


@pytest.fixture
def small_model(rng):
    """Of one architecture with what the report's tests compare, so that compiled code is found in the cache."""
    return classifier(rng, "wxyz", 16, 1)


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
