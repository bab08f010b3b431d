"""Keras' networks with inputs of several lengths, and layers that mix what others keep apart; made and answered by Keras itself."""

import os

import numpy as np
import pytest
from keras_nets import answers, close, drawn, lstm, of_shape, stacked

import edgelstm as el
from edgelstm.importers import import_file

pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def phrase_and_context(k):
    L = k.layers
    phrase, context = k.Input((1, 3), name="phrase"), k.Input((None, 2), name="context")
    joined = L.Concatenate()([L.Dense(4, activation="relu")(L.LSTM(5)(phrase)), L.GRU(3)(context)])
    return k.Model([phrase, context], L.Dense(2, activation="softmax")(joined))


def both_ways(k):
    L = k.layers
    short, long, vector = k.Input((4, 3)), k.Input((9, 2)), k.Input((4,))
    first = L.Bidirectional(L.LSTM(3))(L.Bidirectional(L.GRU(5, return_sequences=True))(short))
    return k.Model([short, long, vector], L.Dense(2)(L.Concatenate()([first, L.Bidirectional(L.LSTM(5))(long), L.Dense(3)(vector)])))


def windows(k):
    L = k.layers
    short, long = k.Input((4, 3)), k.Input((9, 2))
    parts = [L.GlobalMaxPooling1D()(L.Conv1D(6, 2)(short)), L.Flatten()(short), L.LSTM(5)(long)]
    return k.Model([short, long], L.Dense(2)(L.Concatenate()(parts)))


def at_each_timestep(k):
    L = k.layers
    short, long = k.Input((4, 3)), k.Input((9, 2))
    summary = L.RepeatVector(9)(L.Dense(5)(L.LSTM(5)(short)))
    return k.Model([short, long], L.Dense(2)(L.Concatenate()([summary, L.LSTM(5, return_sequences=True)(long)])))


def words(k):
    L = k.layers
    title, text = k.Input((4,), name="title"), k.Input((9,), name="text")
    return k.Model([title, text], L.Dense(2)(L.Concatenate()([L.LSTM(5)(L.Embedding(10, 3)(title)), L.LSTM(5)(L.Embedding(12, 4)(text))])))


@pytest.mark.parametrize("form", ["keras", "h5"])
@pytest.mark.parametrize("network", [phrase_and_context, both_ways, windows, at_each_timestep, words])
def test_a_shorter_input_stands_whole_in_every_sample(keras, tmp_path, rng, network, form):
    model = drawn(network(keras), rng)
    model.save(tmp_path / f"model.{form}")
    shapes = [[size or 9 for size in x.shape[1:]] for x in model.inputs]
    xs = [(rng.integers(0, 10, s) if network is words else rng.uniform(-1, 1, s)).astype(np.float32) for s in shapes]
    rows = [x.reshape(9, -1) if len(x) == 9 else np.tile(x.ravel(), (9, 1)) for x in xs]
    found = import_file(tmp_path / f"model.{form}")
    close(answers(found.model, np.concatenate(rows, axis=1)), keras.ops.convert_to_numpy(model([x[None] for x in xs]))[0])
    assert found.model.window == (None if network is phrase_and_context else 9)
    assert any("for the whole sequence" in note for note in found.notes)


@pytest.mark.parametrize("table", [False, True])
def test_padding_in_a_shorter_input_is_passed_over(keras, tmp_path, rng, table):
    """The masks of inputs of several lengths: zeros of measurements, and the index 0."""
    L = keras.layers
    short, long = (keras.Input((4,)), keras.Input((9,))) if table else (keras.Input((4, 3)), keras.Input((9, 3)))
    seen = [L.Embedding(10, 3, mask_zero=True)(x) if table else L.Masking()(x) for x in (short, long)]
    model = keras.Model([short, long], L.Concatenate()([L.Bidirectional(L.LSTM(2))(seen[0]), L.LSTM(2)(seen[1])]))
    drawn(model, rng).save(tmp_path / "model.keras")
    xs = [(rng.integers(1, 10, n) if table else rng.uniform(-1, 1, (n, 3))).astype(np.float32) for n in (4, 9)]
    xs[0][[0, 3]], xs[1][[2, 8]] = 0, 0
    rows = np.hstack([np.tile(xs[0].ravel(), (9, 1)), xs[1].reshape(9, -1)])
    close(answers(el.load(tmp_path / "model.keras"), rows), keras.ops.convert_to_numpy(model([x[None] for x in xs]))[0])


def asks(make):
    """What looks at all that an LSTM gave, by what it ended with."""

    def network(k):
        L = k.layers
        x = k.Input((9, 4))
        y, h, _ = L.LSTM(5, return_sequences=True, return_state=True)(x)
        return k.Model(x, L.Dense(2)(L.Flatten()(make(L)([L.Reshape((1, 5))(h), y]))))

    return network


NETWORKS = {
    "asked by product": asks(lambda L: L.Attention(use_scale=True)),
    "asked by sum": asks(lambda L: L.AdditiveAttention()),
    "asked by sums of parts": asks(lambda L: L.Attention(score_mode="concat")),
    "groups of a recording": of_shape((6, 4), lstm(), lambda L: L.GroupNormalization(2), lstm(False)),
    "groups of a map": of_shape(
        (5, 6, 4), lambda L: L.TimeDistributed(L.GroupNormalization(2)), lambda L: L.TimeDistributed(L.Flatten()), lstm(False)
    ),
    "instances": of_shape((6, 4), lambda L: L.GroupNormalization(-1, center=False), lstm(False)),
    "each timestep its own": stacked(
        lstm(), lambda L: L.BatchNormalization(axis=1), lambda L: L.LayerNormalization(axis=[1, 2]), lstm(False)
    ),
    "cells in both directions": stacked(
        lambda L: L.Bidirectional(L.RNN(L.LSTMCell(4), return_sequences=True)), lambda L: L.Bidirectional(L.RNN(L.GRUCell(3)))
    ),
    "equations": of_shape(
        (6, 3),
        lambda L: L.EinsumDense("abc,cde->abde", output_shape=(6, 2, 5), bias_axes="e", activation="relu"),
        lambda L: L.EinsumDense("abde,def->abf", output_shape=(6, 4), bias_axes="f"),
        lambda L: L.EinsumDense("...x,xy->...y", output_shape=(3,), activation="softmax"),
        lstm(),
        lambda L: L.EinsumDense("abc,bd->adc", output_shape=(2, 4)),
        lstm(False),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_answers_as_keras(keras, tmp_path, rng, name):
    model = drawn(NETWORKS[name](keras), rng)
    model.save(tmp_path / "model.keras")
    xs = rng.uniform(-1, 1, model.input_shape[1:]).astype(np.float32)
    close(answers(el.load(tmp_path / "model.keras"), xs), keras.ops.convert_to_numpy(model(xs[None]))[0])


def test_an_equation_that_repeats_a_letter_is_refused(keras, tmp_path):
    layer = keras.layers.EinsumDense("abc,cd->abd", output_shape=(None, 4))
    model = keras.Sequential([keras.Input((6, 3)), layer])
    layer.equation = "abb,bd->abd"
    model.save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match="abb,bd->abd"):
        el.load(tmp_path / "model.keras")
