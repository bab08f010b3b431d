"""One model for every kind of layer, for the laws that hold for all of them (`test_every_kind`), and the records that other tests share."""

import numpy as np
from conftest import lstm_layers

import edgelstm as el
from edgelstm.layers import KINDS
from edgelstm.layers.integers import multiplier


def int8(rng, *shape):
    """Integers of all magnitudes but -128."""
    return rng.integers(-127, 128, shape).astype(np.int8)


def multipliers(factors):
    """Mantissas and shifts of factors: (n,) int32 and int8."""
    pairs = [multiplier(float(f)) for f in factors]
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)


def uniform(rng, *shape):
    return rng.uniform(-0.5, 0.5, shape)


def behind_lstm(layer, hidden=9):
    """The layer behind an LSTM of `hidden` units that reads three values."""
    return lambda rng: [*lstm_layers(rng, 3, hidden, 1), layer(rng)]


def lstm(rng):
    return lstm_layers(rng, 5, 13, 2, trained_start=True)


def embedding(rng):
    return [el.Embedding(uniform(rng, 11, 6)), *lstm_layers(rng, 6, 7, 1)]


def normalizer(rng):
    return [el.Normalizer(uniform(rng, 4), rng.uniform(0.5, 2, 4)), *lstm_layers(rng, 4, 6, 1)]


def add(rng):
    return [*lstm_layers(rng, 6, 6, 1), el.Add(inputs=("lstm0", "input"))]


#: By kind: a generator -> the layers of a model that has it.
MAKERS = {
    "lstm": lstm,
    "dense": behind_lstm(lambda rng: el.Dense(uniform(rng, 5, 9), uniform(rng, 5))),
    "activation": behind_lstm(lambda rng: el.Activation("sigmoid")),
    "softmax": behind_lstm(lambda rng: el.Softmax()),
    "embedding": embedding,
    "normalizer": normalizer,
    "add": add,
}

if missing := sorted(set(KINDS) ^ set(MAKERS)):
    raise AssertionError(f"tests/kinds.py and layers.KINDS differ in {', '.join(missing)}: every kind has a maker here, and no other has")


def model_of(kind):
    """The model in which `kind` is tested; the same in every process."""
    return el.Model(MAKERS[kind](np.random.default_rng(sum(kind.encode()))))
