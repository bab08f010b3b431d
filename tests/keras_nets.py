"""Networks of Keras for tests, and how answers are compared with theirs."""

import zipfile
from pathlib import Path

import numpy as np

from edgelstm import reference

#: Small files of Keras 2, with what it answers: tools/keras2_files.py makes them.
KERAS2 = zipfile.ZipFile(Path(__file__).with_name("golden") / "keras2.zip")


def answers(model, xs):
    """(rows, output_size) by the float64 twin; xs: one example, maps or indices or vectors."""
    return reference.run(model, np.asarray(xs).reshape(len(xs), -1))


def close(found, expected, limit=1e-6):
    """The rows of a network that answers every step, or the last of them where Keras gives one."""
    expected = np.asarray(expected)
    wanted = expected.reshape(1, -1) if expected.ndim == 1 else expected.reshape(len(expected), -1)
    found = found[-len(wanted) :] if len(wanted) == 1 else found
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < limit


def of_shape(shape, *layers):
    return lambda k: k.Sequential([k.Input(shape), *(layer(k.layers) for layer in layers)])


def drawn(model, rng):
    """Weights large enough that a mistake shows."""
    for weight in model.weights:
        values = rng.uniform(-0.5, 0.5, weight.shape)
        weight.assign((abs(values) + 0.1 if "variance" in weight.path else values).astype(np.float32))
    return model


def stacked(*layers):
    return of_shape((6, 3), *layers)


def on_indices(*layers):
    return of_shape((7,), *layers)


def each(layer):
    """A layer on each timestep."""
    return lambda L: L.TimeDistributed(layer(L))


def lstm(sequences=True, **options):
    return lambda L: L.LSTM(4, return_sequences=sequences, **options)
