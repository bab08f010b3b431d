"""Keras files of Keras 3, made and answered by Keras itself; of Keras 2, from tests/golden/keras2.zip; what is refused."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

h5py = pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")

KERAS2 = zipfile.ZipFile(Path(__file__).with_name("golden") / "keras2.zip")
IDS = np.array([0, 0, 3, 4, 1, 0, 2], np.float32)


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


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


def drawn(model, rng):
    """Weights large enough that a mistake shows."""
    for weight in model.weights:
        values = rng.uniform(-0.5, 0.5, weight.shape)
        weight.assign((abs(values) + 0.1 if "variance" in weight.path else values).astype(np.float32))
    return model


def stacked(*layers):
    return lambda k: k.Sequential([k.Input((6, 3)), *(layer(k.layers) for layer in layers)])


def on_indices(*layers):
    return lambda k: k.Sequential([k.Input((7,)), *(layer(k.layers) for layer in layers)])


def lstm(sequences=True, **options):
    return lambda L: L.LSTM(4, return_sequences=sequences, **options)


def branches(k):
    """A skip connection, a product and a shared layer."""
    L = k.layers
    x = k.Input((6, 3))
    shared = L.Dense(3, activation="sigmoid", name="shared")
    y = L.LSTM(3, return_sequences=True)(x)
    z = L.Multiply()([shared(x), shared(y)])
    return k.Model(x, L.Dense(2)(L.Concatenate()([L.Subtract()([y, x]), L.Average()([z, x])])))


def models_in_models(k):
    L = k.layers
    inner = k.Sequential([k.Input((6, 3)), L.Dense(4), L.Dropout(0.3), L.BatchNormalization()])
    inner.layers[0].trainable = False
    functional = k.Model(y := k.Input((6, 4)), L.GRU(3, return_sequences=True)(y))
    x = k.Input((6, 3))
    return k.Model(x, L.LSTM(2)(functional(inner(x))))


def gates(k):
    """Every activation that has a word, in cells and behind layers."""
    L = k.layers
    words = (
        "hard_sigmoid",
        "softsign",
        "softplus",
        "elu",
        "selu",
        "gelu",
        "silu",
        "exponential",
        "relu6",
        "leaky_relu",
        "mish",
        "hard_silu",
    )
    dense = [L.Dense(3, activation=word) for word in words]
    layers = [L.ReLU(max_value=1.5), L.ReLU(negative_slope=0.2), L.LeakyReLU(0.1), L.ELU(0.7), L.Activation("hard_sigmoid"), L.Softmax()]
    return k.Sequential([k.Input((6, 3)), *dense, L.LSTM(3, return_sequences=True), *layers])


CASES = {
    "lstm": stacked(lstm(False), lambda L: L.Dense(2)),
    "stack": stacked(lstm(), lambda L: L.Dropout(0.3), lstm(use_bias=False), lambda L: L.Dense(2, activation="softmax")),
    "gru": stacked(lambda L: L.GRU(4, return_sequences=True), lambda L: L.GRU(5, reset_after=False), lambda L: L.Dense(1, use_bias=False)),
    "simple": stacked(lambda L: L.SimpleRNN(4, return_sequences=True), lambda L: L.SimpleRNN(2, activation="relu")),
    "cells": stacked(
        lambda L: L.RNN(L.StackedRNNCells([L.LSTMCell(2), L.GRUCell(3), L.LSTMCell(2)]), return_sequences=True),
        lambda L: L.RNN(L.SimpleRNNCell(3)),
    ),
    "backwards": stacked(lstm(go_backwards=True), lstm(), lstm(False, go_backwards=True)),
    "distributed": stacked(lambda L: L.TimeDistributed(L.Dense(4, activation="tanh")), lstm(False)),
    "normalised": stacked(
        lambda L: L.Rescaling(0.5, offset=[0.1, 0.2, 0.3]),
        lambda L: L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0]),
        lambda L: L.BatchNormalization(),
        lambda L: L.LayerNormalization(),
        lambda L: L.UnitNormalization(),
        lambda L: L.PReLU(shared_axes=[1]),
        lstm(False),
    ),
    "embedded": on_indices(lambda L: L.Embedding(9, 4, mask_zero=True), lstm(), lstm(False), lambda L: L.Dense(3)),
    "masked": stacked(lambda L: L.Masking(), lstm(), lambda L: L.Bidirectional(L.GRU(2, return_sequences=True))),
    "merged": stacked(
        *(lambda L, m=m: L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode=m) for m in ("sum", "mul", "ave", "concat"))
    ),
    "merged ends": stacked(lambda L: L.Bidirectional(L.GRU(4), merge_mode="mul"), lambda L: L.Dense(2)),
    "ends": stacked(lambda L: L.Bidirectional(L.SimpleRNN(4), backward_layer=L.SimpleRNN(4, go_backwards=True)), lambda L: L.Dense(2)),
    "branches": branches,
    "models in models": models_in_models,
    "activations": gates,
    "maps": lambda k: k.Sequential(
        [
            k.Input((6, 5, 4, 2)),
            k.layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True),
            k.layers.ConvLSTM2D(2, 2),
            k.layers.Flatten(),
        ]
    ),
}


@pytest.mark.parametrize("form", ["keras", "h5"])
@pytest.mark.parametrize("case", CASES)
def test_a_file_answers_as_keras(keras, tmp_path, rng, case, form):
    model = drawn(CASES[case](keras), rng)
    model.compile("adam", "mse")  # the optimizer's numbers are not the network's
    model.save(tmp_path / f"model.{form}")
    shape = model.input_shape[1:]
    xs = IDS if len(shape) == 1 else rng.uniform(-1, 1, shape).astype(np.float32)
    if case == "masked":
        xs[[0, 4]] = 0
    close(answers(el.load(tmp_path / f"model.{form}"), xs), keras.ops.convert_to_numpy(model(xs[None]))[0])


@pytest.mark.parametrize("name", [name for name in KERAS2.namelist() if not name.endswith(".npz")])
def test_files_of_keras_2(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(KERAS2.read(name))
    with np.load(io.BytesIO(KERAS2.read(f"{name.partition('.')[0]}.npz"))) as file:
        xs, ys = ([file[key] for key in file.files if key[0] == letter] for letter in "xy")
    taken = import_file(path)
    inputs = np.concatenate([x.reshape(len(x), -1) for x in xs], axis=1)
    close(answers(taken.model, inputs), ys[0] if len(ys) == 1 else np.concatenate(ys, axis=-1))
    assert (taken.model.stateful is True) == (name.partition(".")[0] == "stateful")
