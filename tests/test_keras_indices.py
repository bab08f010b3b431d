"""Keras' networks that spread indices to one-hot rows; made and answered by Keras itself."""

import os

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference

pytest.importorskip("h5py")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def one_index(k, steps=6):
    x = k.Input((steps,), dtype="int32")
    return k.Model(x, k.layers.LSTM(4, return_sequences=True)(k.ops.one_hot(x, 5)))


def open_length(k):
    return one_index(k, None)


def several_a_step(k):
    x = k.Input((6, 3), dtype="int32")
    return k.Model(x, k.layers.GRU(4)(k.layers.TimeDistributed(k.layers.Flatten())(k.ops.one_hot(x, 5))))


def beside_a_table(k):
    x = k.Input((6,), dtype="int32")
    rows = [k.ops.one_hot(x, 5), k.layers.Embedding(5, 3)(x)]
    return k.Model(x, k.layers.LSTM(4)(k.layers.Concatenate()(rows)))


def categories(k):
    tokens = k.layers.CategoryEncoding(5, output_mode="one_hot")
    return k.Sequential([k.Input((6, 1), dtype="int32"), tokens, k.layers.LSTM(4)])


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("make", [one_index, open_length, several_a_step, beside_a_table, categories])
def test_indices_become_rows(keras, make, ending, rng, tmp_path):
    model = make(keras)
    model.save(tmp_path / f"model.{ending}")
    xs = rng.integers(0, 5, [d or 6 for d in model.inputs[0].shape[1:]]).astype(np.int32)
    expected = keras.ops.convert_to_numpy(model(xs[None]))[0].reshape(-1, 4)
    found = reference.run(el.load(tmp_path / f"model.{ending}"), xs.reshape(6, -1))[-len(expected) :]
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (lambda k, x: k.ops.one_hot(x, 6, axis=1), "axis is 1"),
        (lambda k, x: k.ops.one_hot(x, 5000), "5000 numbers"),
        (lambda k, x: k.layers.CategoryEncoding(6, output_mode="count")(x), "output_mode is 'count'"),
    ],
)
def test_other_forms_are_refused(keras, rows, match, tmp_path):
    x = keras.Input((6,), dtype="int32")
    keras.Model(x, keras.layers.Dense(2)(rows(keras, x))).save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match=match):
        el.load(tmp_path / "model.keras")
