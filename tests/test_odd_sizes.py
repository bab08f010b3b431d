"""Layers of odd sizes, one behind the other, against their twins over 1,000 steps."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kinds import conv_lstm, conv_lstm_int8, uniform

import edgelstm as el
from edgelstm import reference

#: What no vector divides, less than one vector, and more than a tile.
ODD = [1, 3, 5, 15, 118]

SOME = settings(max_examples=3, deadline=None)
pytestmark = pytest.mark.slow


def small(rng, hidden, rows, columns):
    """Weights as networks of so many units begin."""
    return rng.uniform(-1, 1, (rows, columns)) / np.sqrt(hidden)


def rnn(rng, size, hidden):
    return el.RNN(small(rng, hidden, hidden, size), small(rng, hidden, hidden, hidden), uniform(rng, hidden))


def min_gru(rng, size, hidden):
    return el.MinGRU(small(rng, size, 2 * hidden, size), uniform(rng, 2 * hidden), candidate="positive")


def min_lstm(rng, size, hidden):
    return el.MinLSTM(small(rng, size, 3 * hidden, size), uniform(rng, 3 * hidden))


def slstm(rng, size, hidden):
    """Heads of the largest odd part of the size that is small."""
    head = max(n for n in range(1, min(hidden, 15) + 1) if hidden % n == 0)
    return el.SLSTM(small(rng, hidden, 4 * hidden, size), small(rng, head, 4 * hidden, head), uniform(rng, 4 * hidden))


def stays(layers, steps=1000):
    """Compiled code stays with the twin, relative to the range of the answers."""
    model = el.Model(layers)
    xs = np.random.default_rng(5).uniform(-1, 1, (steps, model.input_size)).astype(np.float32)
    expected = reference.run(model, xs)
    error = np.abs(el.Stream(model).process(xs).reshape(steps, -1) - expected).max()
    assert error <= 1e-6 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("make", [rnn, min_gru, min_lstm, slstm])
@SOME
@example(ODD, 0)
@given(st.lists(st.sampled_from([*ODD, 2, 7, 16, 31, 33, 65]), min_size=1, max_size=3), st.integers(0, 9))
def test_layers_of_any_sizes(make, sizes, seed):
    rng = np.random.default_rng(seed)
    stays([make(rng, size, hidden) for size, hidden in zip([5, *sizes], sizes, strict=False)])


@pytest.mark.parametrize("make", [conv_lstm, conv_lstm_int8])
@pytest.mark.parametrize("channels", ODD)
def test_maps_of_any_channels(make, channels):
    rng = np.random.default_rng(channels)
    stays([make(rng, (3, 5, 2), channels, (3, 2), peephole=uniform(rng, 3, channels))], steps=1000 if channels < 100 else 200)
