"""Networks of Keras that mix timesteps: on maps of all of them, by products of timesteps, with what sums a recording up at each of them."""

import os

import numpy as np
import pytest
from keras_nets import answers, close, drawn

import edgelstm as el

pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def weights_of_each_feature(L, x):
    """Attention of a dense layer along time, one weight for each feature and timestep."""
    y = L.LSTM(4, return_sequences=True)(x)
    shares = L.Permute((2, 1))(L.Dense(6, activation="softmax")(L.Reshape((4, 6))(L.Permute((2, 1))(y))))
    return L.Dense(2)(L.Flatten()(L.Multiply()([y, shares])))


def weights_before_the_lstm(L, x):
    shares = L.Permute((2, 1))(L.Dense(6, activation="softmax")(L.Permute((2, 1))(x)))
    return L.Bidirectional(L.GRU(3, return_sequences=True))(L.Multiply()([x, shares]))


def weights_given(L, x):
    """A softmax over time that is an answer too, and weighted timesteps that a recurrence reads."""
    y = L.GRU(4, return_sequences=True)(x)
    shares = L.Activation("softmax")(L.Flatten()(L.Dense(1, activation="tanh")(y)))
    rows = L.Multiply()([y, L.Permute((2, 1))(L.RepeatVector(4)(shares))])
    return L.Concatenate()([L.LSTM(3)(rows), shares])


def squeezed(L, x):
    """A gate of each channel from the mean over time, before and behind pooling."""
    y = L.Conv1D(4, 3, padding="same")(x)
    y = L.Multiply()([y, L.Dense(4, activation="sigmoid")(L.Dense(2, activation="relu")(L.GlobalAveragePooling1D()(y)))])
    y = L.MaxPooling1D(2)(y)
    y = L.Multiply()([y, L.Dense(4, activation="sigmoid")(L.GlobalMaxPooling1D(keepdims=True)(y))])
    return L.LSTM(3, return_sequences=True)(y)


def asked_by_the_last(L, x):
    """Attention scored by what a recurrence ends with."""
    y, h, c = L.LSTM(4, return_sequences=True, return_state=True)(x)
    shares = L.Activation("softmax")(L.Dot(axes=(1, 2))([h, y]))
    last = L.Reshape((1, 4))(L.Cropping1D((5, 0))(y))
    other = L.Dot(axes=(2, 1))([L.Softmax()(L.Dot(axes=(2, 2))([last, L.Dense(4)(y)])), y])
    return L.Dense(2)(L.Concatenate()([L.Dot(axes=(1, 1))([shares, y]), h, c, L.Flatten()(other)]))


def asked_by_all(L, x):
    y = L.Bidirectional(L.LSTM(2, return_sequences=True))(x)
    scores = L.Dot(axes=(2, 2))([L.Dense(4)(y), y]) / 2.0
    return L.Concatenate()([L.Dot(axes=(2, 1))([L.Dropout(0.1)(L.Softmax()(scores)), L.Dense(3)(y)]), y])


def memories(L, x):
    """c of LSTMs, read forwards and from the end."""
    y, _, _, _, c = L.Bidirectional(L.LSTM(3, return_sequences=True, return_state=True))(x)
    _, h, d = L.LSTM(2, return_state=True, go_backwards=True, recurrent_activation="hard_sigmoid", activation="relu")(y)
    return L.Concatenate()([c, h, d])


def narrow_and_wide(L, x):
    """An autoencoder over time."""
    y = L.Conv1D(4, 3, padding="same", activation="relu")(x)
    z = L.LSTM(4, return_sequences=True)(L.MaxPooling1D(2)(y))
    z = L.Concatenate()([L.UpSampling1D(2)(z), y, L.Conv1DTranspose(2, 4, strides=2, padding="same")(z)])
    return L.Conv1D(3, 3)(L.ZeroPadding1D((1, 2))(L.Cropping1D((0, 1))(z)))


def other_axes(L, x):
    """Layers along time as though it were the features, rows one by one, and axes of two sequences joined."""
    y = L.LayerNormalization()(L.TimeDistributed(L.Dense(5, activation="tanh"))(L.Permute((2, 1))(x)))
    y = L.TimeDistributed(L.LSTM(2))(L.Reshape((3, 5, 1))(y))
    both = L.Concatenate(axis=1)([L.LSTM(2, return_sequences=True)(x), y])
    return L.Dense(2)(L.LSTM(3)(L.PReLU()(both)))


def taken_apart(L, x):
    y = L.LSTM(4, return_sequences=True)(x)
    backwards = L.GRU(4, return_sequences=True, go_backwards=True)(x)
    gate = L.Dense(4, activation="sigmoid")(y)
    y = gate * backwards + (1.0 - gate) * y
    return L.Concatenate()([y[:, 0], y[:, -1, 1:3], L.Flatten()(y[:, 2:5, ::2])])


def begun(L, x):
    """A decoder that begins in what an encoder ends with, and reads its h again and again; another that reads the samples."""
    _, h, c = L.LSTM(4, return_state=True)(x)
    y = L.LSTM(4, return_sequences=True)(L.RepeatVector(5)(h), initial_state=[h, c])
    z = L.GRU(4)(x, initial_state=h)
    return L.Concatenate()([L.Flatten()(L.TimeDistributed(L.Dense(2))(y)), z])


def weighted_and_changed(L, x):
    """What follows weighted timesteps in place of their sum: all side by side, functions of each number, sums along another axis."""
    ops = pytest.importorskip("keras").ops
    y = L.LSTM(4, return_sequences=True)(x)

    def weighted():
        shares = L.Activation("softmax")(L.Flatten()(L.Dense(1, activation="tanh")(y)))
        return L.Multiply()([y, L.Permute((2, 1))(L.RepeatVector(4)(shares))])

    gates = L.Activation("sigmoid")(L.Activation("softmax")(L.Flatten()(L.Dense(1)(y))))
    gated = L.GlobalAveragePooling1D()(L.Multiply()([y, L.Permute((2, 1))(L.RepeatVector(4)(gates))]))
    means = L.GlobalAveragePooling1D()(L.Permute((2, 1))(L.RepeatVector(4)(L.Activation("softmax")(L.Flatten()(L.Dense(1)(y))))))
    ends = [L.Flatten()(weighted()), L.GlobalAveragePooling1D()(L.Activation("tanh")(weighted())), ops.sum(weighted(), axis=2)]
    largest = [ops.max(weighted(), axis=1), ops.sum(L.Permute((2, 1))(L.Dense(1)(y)), axis=1)]
    return L.Concatenate()([*ends, *largest, gated, means])


def products_of_matrices(L, x):
    """Several heads that each weight all timesteps, and timesteps that look at each other, by matmul."""
    ops = pytest.importorskip("keras").ops
    y = L.LSTM(4, return_sequences=True)(x)
    heads = ops.matmul(ops.transpose(L.Softmax(axis=1)(L.Dense(3)(y)), (0, 2, 1)), y)
    looks = ops.softmax(ops.matmul(L.Dense(3)(y), ops.transpose(L.Dense(3)(y), (0, 2, 1))), axis=-1)
    return L.Concatenate()([L.Flatten()(heads), L.GRU(3)(ops.matmul(looks, y))])


def normalised_along(L, x):
    """By one mean, and by one of each timestep's numbers."""
    one, each = L.Normalization(axis=None), L.Normalization(axis=(1, 2))
    draws = np.random.default_rng(5).normal(1, 2, (20, 6, 3)).astype(np.float32)
    one.adapt(draws)
    each.adapt(draws)
    return L.Concatenate()([L.LSTM(3)(one(x)), L.GRU(3)(each(x))])


NETWORKS = [
    begun,
    weighted_and_changed,
    products_of_matrices,
    normalised_along,
    weights_of_each_feature,
    weights_before_the_lstm,
    weights_given,
    squeezed,
    asked_by_the_last,
    asked_by_all,
    memories,
    narrow_and_wide,
    other_axes,
    taken_apart,
]


@pytest.mark.parametrize("network", NETWORKS)
def test_keras_gives_the_same(keras, tmp_path, rng, network):
    x = keras.Input((6, 3))
    model = drawn(keras.Model(x, network(keras.layers, x)), rng)
    for form in ("keras", "h5"):
        model.save(tmp_path / f"model.{form}")
        xs = rng.uniform(-1, 1, (6, 3)).astype(np.float32)
        expected = keras.ops.convert_to_numpy(model(xs[None]))[0]
        found = answers(el.load(tmp_path / f"model.{form}"), xs)
        close(found.reshape(expected.shape) if expected.ndim == 2 and found.size == expected.size else found, expected, 2e-6)


def test_one_compiled_stream(keras, tmp_path, rng):
    x = keras.Input((6, 3))
    model = drawn(keras.Model(x, weights_of_each_feature(keras.layers, x)), rng)
    model.save(tmp_path / "model.keras")
    xs = rng.uniform(-1, 1, (6, 3)).astype(np.float32)
    found = el.Stream(el.load(tmp_path / "model.keras")).process(xs)
    close(found, keras.ops.convert_to_numpy(model(xs[None])))
