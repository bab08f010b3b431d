"""Keras' attention of a recording's rows to each other, from its files; against Keras."""

import os

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference

pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


NETWORKS = {
    "dot": lambda k, x: k.layers.Attention()([x, x]),
    "scaled": lambda k, x: k.layers.Attention(use_scale=True)([x, x]),
    "concat": lambda k, x: k.layers.Attention(use_scale=True, score_mode="concat")([x, x, x]),
    "additive": lambda k, x: k.layers.AdditiveAttention()([x, x]),
    "additive of others": lambda k, x: k.layers.AdditiveAttention(use_scale=False)([x, k.layers.Dense(3)(x), k.layers.Dense(8)(x)]),
    "heads": lambda k, x: k.layers.MultiHeadAttention(2, 5)(x, x),
    "heads of values": lambda k, x: k.layers.MultiHeadAttention(2, 5, value_dim=3, output_shape=6, use_bias=False)(x, x),
}


@pytest.mark.parametrize("form", ["keras", "h5"])
@pytest.mark.parametrize("network", NETWORKS)
def test_files_answer_as_keras(keras, tmp_path, rng, network, form):
    k = keras
    x = k.Input((None, 3))
    y = k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True))(x)
    y = k.layers.GlobalAveragePooling1D()(NETWORKS[network](k, y))
    model = k.Model(x, k.layers.Dense(2)(y))
    for weight in model.weights:
        weight.assign(rng.uniform(-1, 1, weight.shape).astype(np.float32))
    path = tmp_path / f"model.{form}"
    model.save(path)
    samples = rng.normal(size=(13, 3)).astype(np.float32)
    wanted = model(samples[None]).detach().numpy()[0]
    loaded = el.load(path)
    assert "self_attention" in [layer.kind for layer in loaded.layers]
    np.testing.assert_allclose(reference.run(loaded, samples)[-1], wanted, rtol=0, atol=1e-5)


def forecasting(k):
    """An encoder, and a decoder whose rows look at the encoder's by products."""
    L, x = k.layers, k.Input((9, 3))
    rows, h, c = L.LSTM(5, return_sequences=True, return_state=True)(x)
    decoded = L.LSTM(5, return_sequences=True)(L.RepeatVector(4)(h), initial_state=[h, c])
    weights = L.Activation("softmax")(L.dot([decoded, rows], axes=[2, 2]))
    return k.Model(x, L.TimeDistributed(L.Dense(2))(L.concatenate([L.dot([weights, rows], axes=[2, 1]), decoded])))


def weighing(k):
    """A softmax over time of each number of its own, by a dense layer over the steps."""
    L, x = k.layers, k.Input((9, 3))
    rows = L.GRU(5, return_sequences=True)(x)
    weights = L.Permute((2, 1))(L.Dense(9, activation="softmax")(L.Permute((2, 1))(rows)))
    return k.Model(x, L.Dense(2)(L.Flatten()(L.multiply([rows, weights]))))


def spotting(k):
    """Rows weighted by their products with a dense layer of the one in the middle, as for keywords."""
    L, x = k.layers, k.Input((9, 3))
    rows = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
    shares = L.Softmax()(L.Dot(axes=[1, 2])([L.Dense(8)(rows[:, 4]), rows]))
    return k.Model(x, L.Dense(2)(L.Dot(axes=[1, 1])([shares, rows])))


def of_features(k):
    """The mean of each timestep's numbers, all of them side by side."""
    L, x = k.layers, k.Input((9, 3))
    rows = L.LSTM(4, return_sequences=True)(x)
    firsts = {"data_format": "channels_first"}
    both = [L.GlobalAveragePooling1D(**firsts)(rows), L.Flatten()(L.GlobalMaxPooling1D(keepdims=True, **firsts)(rows))]
    return k.Model(x, L.Dense(2)(L.Concatenate()(both)))


@pytest.mark.parametrize("make", [forecasting, weighing, spotting, of_features])
def test_products_of_rows_written_out_answer_as_keras(keras, tmp_path, rng, make):
    model = make(keras)
    for weight in model.weights:
        weight.assign(rng.uniform(-1, 1, weight.shape).astype(np.float32))
    model.save(tmp_path / "model.keras")
    samples = rng.normal(size=(9, 3)).astype(np.float32)
    wanted = model(samples[None]).detach().numpy().ravel()
    np.testing.assert_allclose(reference.run(el.load(tmp_path / "model.keras"), samples)[-1], wanted, rtol=0, atol=1e-5)


def test_attention_to_another_sequence_is_refused(keras, tmp_path):
    k = keras
    x, other = k.Input((7, 3)), k.Input((5, 3))
    k.Model([x, other], k.layers.Attention()([x, other])).save(tmp_path / "model.keras")
    with pytest.raises(el.EdgeLSTMError, match="rows of one recording"):
        el.load(tmp_path / "model.keras")


#: By name: what looks at the rows, of several heads.
QUERIES = {
    "the last h": lambda k, rows, h: k.layers.MultiHeadAttention(3, 5, value_dim=2, output_shape=7)(k.ops.expand_dims(h, 1), rows),
    "the last row": lambda k, rows, h: k.layers.MultiHeadAttention(2, 3, use_bias=False)(rows[:, -1:], rows),
    "the mean": lambda k, rows, h: k.layers.MultiHeadAttention(1, 3)(k.layers.Reshape((1, 4))(k.ops.mean(rows, axis=1)), rows),
}


@pytest.mark.parametrize("query", QUERIES)
def test_heads_of_one_query_answer_as_keras(keras, tmp_path, rng, query):
    k = keras
    x = k.Input((9, 3))
    rows, h, _ = k.layers.LSTM(4, return_sequences=True, return_state=True)(x)
    model = k.Model(x, k.layers.Dense(2)(k.layers.Flatten()(QUERIES[query](k, rows, h))))
    for weight in model.weights:
        weight.assign(rng.uniform(-1, 1, weight.shape).astype(np.float32))
    model.save(tmp_path / "model.keras")
    samples = rng.normal(size=(9, 3)).astype(np.float32)
    loaded = el.load(tmp_path / "model.keras")
    assert "attention_pool" in [layer.kind for layer in loaded.layers]
    np.testing.assert_allclose(reference.run(loaded, samples)[-1], model(samples[None]).detach().numpy()[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda k, rows, h: k.layers.MultiHeadAttention(2, 3)(h, rows, use_causal_mask=True), "no row behind it"),
        (lambda k, rows, h: k.layers.MultiHeadAttention(2, 3)(h, k.layers.Masking()(rows)), "without a mask"),
    ],
)
def test_heads_of_one_query_that_are_not_imported(keras, tmp_path, make, match):
    k = keras
    x = k.Input((9, 3))
    h = k.layers.Reshape((1, 3))(k.layers.LSTM(3)(x))
    k.Model(x, k.layers.Flatten()(make(k, x, h))).save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match=match):
        el.load(tmp_path / "model.keras")
