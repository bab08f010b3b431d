"""Models that read whole recordings, for the tests of their built libraries."""

from dataclasses import replace
from functools import cache

import lstm_cells
import numpy as np
from conftest import lstm_layers
from int8_records import hidden_int8, lstm_int8
from kinds import MAKERS, uniform

import edgelstm as el


def _tags(rng):
    """An LSTM layer each way."""
    both = [lstm_layers(rng, 4, 6, 1, trained_start=True)[0] for _ in range(2)]
    return [*el.Bidirectional(*both, inputs=("input",)), el.Dense(uniform(rng, 3, 12))]


def _newer(rng):
    """A GRU and an Elman layer each way, and a peephole LSTM with a projection."""
    gates = el.GRU(uniform(rng, 15, 4), uniform(rng, 15, 5), uniform(rng, 15), uniform(rng, 15))
    plain = el.RNN(uniform(rng, 5, 4), uniform(rng, 5, 5), uniform(rng, 5))
    above = lstm_cells.lstm(rng, 10, 7, projection=3, peephole=True)
    return [*el.Bidirectional(gates, plain, name="both", inputs=("input",)), replace(above, reverse=True)]


def _seldom(rng):
    """A convolution that answers every other row, the third first, and a layer that reads its rows from their end."""
    conv = el.Conv1D(uniform(rng, 6, 3, 3), uniform(rng, 6), stride=2, padding="valid")
    return [conv, replace(lstm_layers(rng, 6, 5, 1)[0], reverse=True, name="back")]


def _integers(rng):
    """Integers from either end: sums that are the same on every machine."""
    both = (lstm_int8(rng, 5, 12, "int8-dynamic"), hidden_int8(rng, el.GRUInt8, 5, 12, "int8-dynamic"))
    return [*el.Bidirectional(*both, merge="ave", inputs=("input",))]


#: By name: an answer for each sample, one for a recording, layers upon layers, other cells, padded indices, every other row, integers.
RECORDINGS = {
    "tags": _tags,
    "sum": lambda rng: [*_tags(rng), el.Last(["first"])],
    "deep": MAKERS["last"],
    "newer": _newer,
    "padded": lambda rng: [*MAKERS["mask"](rng), el.Reverse()],
    "seldom": _seldom,
    "integers": _integers,
}


@cache
def recording_model(name):
    return el.Model(RECORDINGS[name](np.random.default_rng(sum(name.encode()))))


@cache
def recording(name, rows=41):
    """(rows, input_size) float32."""
    model, rng = recording_model(name), np.random.default_rng(sum(name.encode()))
    if model.takes_index:
        return rng.integers(model.vocabulary_size, size=(rows, 1)).astype(np.float32)
    return rng.uniform(-1, 1, (rows, model.input_size)).astype(np.float32)
