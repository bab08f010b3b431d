"""Functional models of Keras 3, which write out their masks as operators; and what a file says of its training examples."""

import os

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference

pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning", "ignore:Layer .* mask:UserWarning"
)


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def tagger(k):
    L = k.layers
    x = k.Input((6,))
    y = L.Bidirectional(L.LSTM(3, return_sequences=True))(L.Embedding(9, 4, mask_zero=True)(x))
    return k.Model(x, L.TimeDistributed(L.Dense(2, activation="softmax"))(y))


def last_of_padded(k):
    L = k.layers
    x = k.Input((6, 2))
    y = L.LSTM(3, return_sequences=True)(L.Dropout(0.1)(L.Masking(-1.0)(x)))
    return k.Model(x, L.Dense(2)(L.GRU(4)(y)))


def mean_of_padded(k):
    L = k.layers
    x = k.Input((6, 2))
    y = L.Bidirectional(L.GRU(3, return_sequences=True))(L.Masking(-1.0)(x))
    return k.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(y)))


@pytest.mark.parametrize("form", ["keras", "h5"])
@pytest.mark.parametrize("network", [tagger, last_of_padded, mean_of_padded])
def test_masks_leave_padding_out_as_keras_does(keras, tmp_path, rng, network, form):
    model = network(keras)
    for weight in model.weights:
        weight.assign(rng.uniform(-0.7, 0.7, weight.shape).astype(np.float32))
    model.save(tmp_path / f"model.{form}")
    found = el.load(tmp_path / f"model.{form}")
    xs = np.array([3, 4, 0, 2, 0, 0], np.float32) if found.takes_index else rng.uniform(-1, 1, (6, 2)).astype(np.float32)
    if not found.takes_index:
        xs[[1, 4, 5]] = -1
    expected = keras.ops.convert_to_numpy(model(xs[None]))[0].reshape(-1, 2)
    answers = reference.run(found, xs.reshape(6, -1))
    assert np.abs(answers[-len(expected) :] - expected).max() < 1e-6
    assert found.window == 6
    assert found.stateful is False


def comparison(k, x):
    return k.ops.not_equal(x, 2.0)


def two_comparisons(k, x):
    return k.ops.logical_and(k.ops.not_equal(x, 2.0), k.ops.not_equal(x, 3.0))


@pytest.mark.parametrize(("made", "word"), [(comparison, None), (two_comparisons, "LogicalAnd")])
def test_a_mask_of_the_users_own_is_one_comparison_or_refused(keras, tmp_path, made, word):
    L = keras.layers
    x = keras.Input((6, 1))
    mask = keras.ops.any(made(keras, x), axis=-1)
    model = keras.Model(x, L.LSTM(3)(x, mask=mask))
    model.save(tmp_path / "model.keras")
    if word:
        with pytest.raises(el.UnsupportedModelError, match=word):
            el.load(tmp_path / "model.keras")
        return
    xs = np.array([[0.5], [2.0], [-1.0], [2.0], [0.3], [2.0]], np.float32)
    expected = keras.ops.convert_to_numpy(model(xs[None]))
    assert np.abs(reference.run(el.load(tmp_path / "model.keras"), xs)[-1] - expected).max() < 1e-6


def test_a_comparison_that_is_no_mask_is_refused_by_name(keras, tmp_path):
    x = keras.Input((6, 1))
    y = keras.ops.cast(keras.ops.not_equal(x, 2.0), "float32")
    keras.Model(x, keras.layers.LSTM(3)(y)).save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match="more than a mask"):
        el.load(tmp_path / "model.keras")


def looking(k, look):
    L = k.layers
    x = k.Input((6,))
    y = L.LSTM(4, return_sequences=True)(L.Embedding(9, 3, mask_zero=True)(x))
    y = L.LayerNormalization()(look(L, y) + y)
    return k.Model(x, L.Dense(2)(L.Concatenate()([L.GlobalMaxPooling1D()(y), L.GlobalAveragePooling1D()(y)])))


@pytest.mark.parametrize(
    "look",
    [
        lambda L, y: L.Attention(use_scale=True)([y, y]),
        lambda L, y: L.AdditiveAttention()([y, y]),
        lambda L, y: L.MultiHeadAttention(2, 3)(y, y),
    ],
)
def test_padding_is_kept_from_attention(keras, tmp_path, rng, look):
    model = looking(keras, look)
    for weight in model.weights:
        weight.assign(rng.uniform(-0.9, 0.9, weight.shape).astype(np.float32))
    model.save(tmp_path / "model.keras")
    xs = np.array([0, 4, 0, 2, 7, 0], np.float32)
    expected = keras.ops.convert_to_numpy(model(xs[None]))
    found = reference.run(el.load(tmp_path / "model.keras"), xs[:, None])[-1]
    assert np.abs(found - expected).max() < 1e-6


def test_padding_is_zeros_to_layers_that_know_none(keras, tmp_path, rng):
    L = keras.layers
    x = keras.Input((6, 2))
    model = keras.Model(x, L.Conv1D(3, 3, padding="causal")(L.Masking(-1.0)(x)))
    model.save(tmp_path / "model.keras")
    xs = rng.uniform(-1, 1, (6, 2)).astype(np.float32)
    xs[[2, 5]] = -1
    expected = keras.ops.convert_to_numpy(model(xs[None]))[0]
    assert np.abs(reference.run(el.load(tmp_path / "model.keras"), xs) - expected).max() < 1e-6


def words_of_characters(k):
    """A network of its own for each word, which passes over the characters that are padding: the last of them, some, and all."""
    L = k.layers
    characters, words = k.Input((5,)), k.Input((4, 5))
    y = L.Dropout(0.2)(L.Embedding(9, 3, mask_zero=True)(characters))
    y = L.Bidirectional(L.GRU(3, return_sequences=True))(L.LSTM(3, return_sequences=True)(y))
    word = k.Model(characters, L.Bidirectional(L.LSTM(2))(L.Dense(4)(y)))
    return k.Model(words, L.SimpleRNN(3)(L.TimeDistributed(word)(words)))


def rows_of_numbers(k):
    L = k.layers
    row = k.Sequential([k.Input((5, 1)), L.Masking(), L.GRU(3, go_backwards=True)])
    x = k.Input((4, 5, 1))
    return k.Model(x, L.SimpleRNN(3)(L.TimeDistributed(row)(x)))


@pytest.mark.parametrize("network", [words_of_characters, rows_of_numbers])
def test_padding_inside_of_a_timestep_is_passed_over(keras, tmp_path, rng, network):
    model = network(keras)
    for weight in model.weights:
        weight.assign(rng.uniform(-0.9, 0.9, weight.shape).astype(np.float32))
    model.save(tmp_path / "model.keras")
    xs = np.array([[3, 4, 0, 0, 0], [0, 2, 0, 5, 1], [0, 0, 0, 0, 0], [7, 8, 1, 2, 3]], np.float32)
    expected = keras.ops.convert_to_numpy(model(xs.reshape(1, *model.input_shape[1:])))
    found = reference.run(el.load(tmp_path / "model.keras"), xs)[-1]
    assert np.abs(found - expected).max() < 1e-6


def test_a_mean_of_rows_that_are_padding_is_refused_by_name(keras, tmp_path):
    L = keras.layers
    row = keras.Sequential([keras.Input((5,)), L.Embedding(9, 3, mask_zero=True), L.GlobalAveragePooling1D()])
    x = keras.Input((4, 5))
    keras.Model(x, L.LSTM(3)(L.TimeDistributed(row)(x))).save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match=r"global_average_pooling1d.*some are padding.*leave mask_zero=True out"):
        el.load(tmp_path / "model.keras")


@pytest.mark.parametrize("given", [False, True])
def test_a_mask_beside_a_state_that_a_layer_begins_in(keras, tmp_path, rng, given):
    """Keras 3 does not pass on the mask that a sequence carries there, only one that is given."""
    L = keras.layers
    words, picture = keras.Input((6,), name="words"), keras.Input((3,), name="picture")
    y, h = L.Embedding(9, 4, mask_zero=True)(words), L.Dense(5, activation="tanh")(picture)
    masks = {"mask": keras.ops.not_equal(words, 0)} if given else {}
    y = L.GRU(3)(L.LSTM(5, return_sequences=True)(y, initial_state=[h, L.Dense(5)(picture)], **masks))
    model = keras.Model([words, picture], y)
    for weight in model.weights:
        weight.assign(rng.uniform(-0.9, 0.9, weight.shape).astype(np.float32))
    model.save(tmp_path / "model.keras")
    ids, x = np.array([[0, 4, 0, 2, 7, 0]], np.float32), rng.uniform(-1, 1, (1, 3)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(model([ids, x]))
    found = reference.run(el.load(tmp_path / "model.keras"), np.hstack([ids.T, np.repeat(x, 6, 0)]))[-1]
    assert np.abs(found - expected).max() < 1e-6
