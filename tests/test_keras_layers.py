"""Layers of Keras 3 in its files, made and answered by Keras itself."""

import os

import numpy as np
import pytest
from keras_nets import answers, close, drawn, each, lstm, of_shape, on_indices, stacked

import edgelstm as el

pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")

IDS = np.array([0, 0, 3, 4, 1, 0, 2], np.float32)


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


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


def operators(k):
    """Parts of a vector, the last timestep, sums and products, written as Python writes them."""
    x = k.Input((6, 4))
    y = k.layers.LSTM(3, return_sequences=True)(x) * x[:, :, 1:4] - 0.5
    return k.Model(x, k.layers.Dense(2)(y[:, -1]) + y[:, -1, :2] * 3.0)


def last_states(k):
    """h of layers that return their states, beside their answers and in place of them."""
    L = k.layers
    x = k.Input((6, 3))
    y, h, _ = L.LSTM(4, return_sequences=True, return_state=True)(x)
    _, forward, _, backward, _ = L.Bidirectional(L.LSTM(3, return_sequences=True, return_state=True))(y)
    z, end = L.GRU(3, return_sequences=True, return_state=True, go_backwards=True)(y)
    last, same = L.SimpleRNN(2, return_state=True)(z)
    return k.Model(x, L.Dense(2)(L.Concatenate()([h, forward, backward, end, last, same])))


def extremes(k):
    L = k.layers
    x = k.Input((6, 3))
    y = L.LSTM(4, return_sequences=True)(x)
    three = [L.Dense(3)(y) for _ in range(3)]
    return k.Model(x, L.Concatenate()([L.Maximum()(three), L.Minimum()([*three, x])]))


def all_beside_the_last(k):
    """Heads of several rates, some laid side by side, and what recurrent layers end with."""
    L = k.layers
    x = k.Input((12, 3))
    heads = [L.MaxPooling1D(2)(L.Conv1D(2, size, activation="relu")(x)) for size in (2, 4)]
    ends = [L.LSTM(3)(x), L.GRU(2)(heads[0]), L.GlobalMaxPooling1D()(heads[1])]
    return k.Model(x, L.Dense(2)(L.Concatenate()([*(L.Flatten()(head) for head in heads), *ends])) + L.Dense(2)(L.Flatten()(x)))


def heads_of_two_rates(k):
    L = k.layers
    x = k.Input((12, 3))
    heads = [L.GRU(3)(L.MaxPooling1D(size)(L.Conv1D(2, 2)(x))) for size in (2, 3)]
    return k.Model(x, L.Dense(2)(L.Concatenate()(heads)))


def shuffled(k):
    """The one timestep of LSTM-FCN: an LSTM reads it as a vector, convolutions along its numbers."""
    L = k.layers
    x = k.Input((1, 9))
    y = L.GlobalAveragePooling1D()(L.Conv1D(4, 3, padding="same", activation="relu")(L.Permute((2, 1))(x)))
    return k.Model(x, L.Dense(2)(L.Concatenate()([L.LSTM(3)(x), y])))


def turned_maps(k):
    L = k.layers
    x = k.Input((1, 6, 3))
    y = L.LSTM(3)(L.Reshape((3, 6))(L.Permute((3, 2, 1))(x)))
    return k.Model(x, L.Dense(2)(y))


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
    "mean of unmasked": on_indices(
        lambda L: L.Embedding(9, 4, mask_zero=True),
        lambda L: L.Bidirectional(L.LSTM(3, return_sequences=True)),
        lambda L: L.GlobalAveragePooling1D(),
        lambda L: L.Dense(2),
    ),
    "largest, masked or not": on_indices(
        lambda L: L.Embedding(9, 4, mask_zero=True),
        lambda L: L.LSTM(3, return_sequences=True),
        lambda L: L.GlobalMaxPooling1D(),
    ),
    "merged": stacked(
        *(lambda L, m=m: L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode=m) for m in ("sum", "mul", "ave", "concat"))
    ),
    "merged ends": stacked(lambda L: L.Bidirectional(L.GRU(4), merge_mode="mul"), lambda L: L.Dense(2)),
    "ends": stacked(lambda L: L.Bidirectional(L.SimpleRNN(4), backward_layer=L.SimpleRNN(4, go_backwards=True)), lambda L: L.Dense(2)),
    "both sides": stacked(
        lambda L: L.Conv1D(4, 4, padding="same", dilation_rate=2, activation="relu"),
        lambda L: L.Conv1D(5, 3, padding="same", strides=2),
        lambda L: L.ZeroPadding1D((1, 2)),
        lambda L: L.Conv1D(3, 4),
        lstm(False),
    ),
    "filters": stacked(
        lambda L: L.SeparableConv1D(4, 3, padding="same", depth_multiplier=2, activation="tanh"),
        lambda L: L.DepthwiseConv1D(2, depth_multiplier=2, use_bias=False),
        lambda L: L.Conv1D(6, 2, groups=2, padding="causal"),
        lambda L: L.ZeroPadding1D((1, 0)),
        lambda L: L.AveragePooling1D(2, strides=1),
        lstm(),
        lambda L: L.GlobalAveragePooling1D(),
    ),
    "branches": branches,
    "all beside the last": all_beside_the_last,
    "heads of two rates": heads_of_two_rates,
    "shuffled": shuffled,
    "turned maps": turned_maps,
    "rows of a vector": of_shape((12,), lambda L: L.Reshape((4, 3)), lambda L: L.Bidirectional(L.GRU(3)), lambda L: L.Dense(2)),
    "last states": last_states,
    "extremes": extremes,
    "models in models": models_in_models,
    "operators": operators,
    "activations": gates,
    "maps": of_shape(
        (6, 5, 4, 2),
        lambda L: L.ConvLSTM2D(3, 3, padding="same", return_sequences=True),
        lambda L: L.MaxPooling3D((1, 2, 1)),
        lambda L: L.ConvLSTM2D(2, 2),
        lambda L: L.Flatten(),
    ),
    "rows": of_shape((6, 9, 2), lambda L: L.ConvLSTM1D(3, 3, strides=2, return_sequences=True), each(lambda L: L.Flatten()), lstm()),
    "frames": of_shape(
        (6, 8, 7, 2),
        each(lambda L: L.Conv2D(4, 3, padding="same", strides=(1, 2), activation="relu")),
        each(lambda L: L.BatchNormalization()),
        each(lambda L: L.MaxPooling2D()),
        each(lambda L: L.Conv2D(4, (2, 1), groups=2)),
        each(lambda L: L.GlobalAveragePooling2D()),
        lstm(),
    ),
    "features": of_shape(
        (6, 9, 2),
        each(lambda L: L.Conv1D(4, 3, activation="tanh")),
        each(lambda L: L.AveragePooling1D(2)),
        each(lambda L: L.GlobalMaxPooling1D()),
        lstm(False),
    ),
    "spectrogram": of_shape(
        (8, 9, 1),
        lambda L: L.Conv2D(3, (3, 4), padding="same", strides=(1, 2), activation="relu"),
        lambda L: L.BatchNormalization(),
        lambda L: L.MaxPooling2D((2, 2)),
        lambda L: L.Conv2D(2, (2, 2), dilation_rate=(2, 1)),
        lambda L: L.Reshape((-1, 2)),
        lstm(),
    ),
}


@pytest.mark.parametrize("form", ["keras", "h5"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:Layer 'global_max:UserWarning")
def test_a_file_answers_as_keras(keras, tmp_path, rng, case, form):
    model = drawn(CASES[case](keras), rng)
    model.compile("adam", "mse")  # the optimizer's numbers are not the network's
    model.save(tmp_path / f"model.{form}")
    shape = model.input_shape[1:]
    one = case == "rows of a vector"
    xs = IDS if len(shape) == 1 and not one else rng.uniform(-1, 1, shape).astype(np.float32)
    if case == "masked":
        xs[[0, 4]] = 0
    found = answers(el.load(tmp_path / f"model.{form}"), xs[None] if one else xs)
    close(found, keras.ops.convert_to_numpy(model(xs[None]))[0])
