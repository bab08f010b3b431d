"""Keras' networks that weight timesteps, and those that read a vector beside a sequence; made and answered by Keras itself."""

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


def ran(keras, path, model, rng, times=1):
    """What a file of the model answers, by the float64 twin, and what Keras answers."""
    for weight in model.weights:
        weight.assign(rng.uniform(-0.7, 0.7, weight.shape).astype(np.float32))
    model.save(path)
    xs = [rng.uniform(-1, 1, [d or 7 for d in x.shape[1:]]).astype(np.float32) for x in model.inputs]
    steps = max(len(x) for x in xs if x.ndim > 1)
    sample = np.concatenate([x.reshape(len(x), -1) if x.ndim > 1 else np.tile(x, (steps, 1)) for x in xs], axis=1)
    expected = keras.ops.convert_to_numpy(model([x[None] for x in xs] if len(xs) > 1 else xs[0][None]))[0]
    expected = expected.reshape(-1, expected.shape[-1])
    return reference.run(el.load(path), sample)[-len(expected) :], expected


def encoded(k, steps=6, both=False):
    x = k.Input((steps, 3))
    lstm = k.layers.LSTM(4, return_sequences=True)
    return x, (k.layers.Bidirectional(lstm) if both else lstm)(x)


def repeated(k, steps=6, both=True):
    """As tutorials write it: flattened scores, repeated for each unit and turned back."""
    L = k.layers
    x, h = encoded(k, steps, both)
    weights = L.Activation("softmax")(L.Flatten()(L.Dense(1, activation="tanh")(h)))
    weighted = L.Multiply()([h, L.Permute([2, 1])(L.RepeatVector(h.shape[-1])(weights))])
    return x, h, weighted


def mean_of_weighted(k):
    x, _, weighted = repeated(k)
    return k.Model(x, k.layers.Dense(2)(k.layers.GlobalAveragePooling1D()(weighted)))


def sum_of_weighted(k):
    x, _, weighted = repeated(k, steps=None, both=False)
    return k.Model(x, k.layers.Dense(2)(k.ops.sum(weighted, axis=1)))


def softmax_over_time(k):
    L = k.layers
    x, h = encoded(k)
    weights = L.Softmax(axis=1)(L.Dense(1, use_bias=False)(L.Dense(5, activation="tanh")(h)))
    return k.Model(x, L.Dense(2)(k.ops.sum(L.Dropout(0.1)(weights) * h, axis=-2)))


def dot_product(k):
    L = k.layers
    x, h = encoded(k, both=True)
    weights = L.Softmax(axis=1)(L.TimeDistributed(L.Dense(1))(h))
    return k.Model(x, L.Dense(2)(L.Flatten()(L.Dot(axes=1)([weights, h]))))


def dot_of_flat_weights(k):
    L = k.layers
    x, h = encoded(k)
    weights = L.Softmax()(L.Reshape((6,))(L.Dense(1)(h)))
    return k.Model(x, L.Dense(2)(L.Dot(axes=(1, 1))([h, weights])))


def turned_by_permute(k):
    L = k.layers
    x, h = encoded(k)
    weights = L.Permute((2, 1))(L.Activation("softmax")(L.Permute((2, 1))(L.Dense(1)(h))))
    return k.Model(x, L.Dense(2)(k.ops.sum(L.Multiply()([weights, h]), axis=1)))


def without_weights(k):
    """Sums, means and largest values over time."""
    x, h = encoded(k)
    return k.Model(x, k.layers.Concatenate()([k.ops.sum(h, axis=1), k.ops.mean(h, axis=1), k.ops.max(h, axis=1)]))


def scores_laid_out(k):
    """Flattened scores that a dense layer reads."""
    x, h = encoded(k)
    return k.Model(x, k.layers.Dense(3)(k.layers.Flatten()(k.layers.Dense(1)(h))))


@pytest.mark.parametrize("form", ["keras", "h5"])
@pytest.mark.parametrize(
    "network",
    [
        mean_of_weighted,
        sum_of_weighted,
        softmax_over_time,
        dot_product,
        dot_of_flat_weights,
        turned_by_permute,
        without_weights,
        scores_laid_out,
    ],
)
def test_timesteps_are_weighted_as_keras_does(keras, tmp_path, rng, network, form):
    found, expected = ran(keras, tmp_path / f"model.{form}", network(keras), rng)
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (lambda k, x, h, w: k.Model(x, w), "softmax over time"),
        (lambda k, x, h, w: k.Model(x, k.layers.LSTM(2)(w)), "LSTM.*softmax over time"),
        (lambda k, x, h, w: k.Model(x, k.layers.GlobalMaxPooling1D()(w)), "GlobalMaxPooling1D.*softmax over time"),
    ],
)
def test_weights_that_do_not_end_in_a_sum_are_those_of_fixed_timesteps(keras, tmp_path, rng, network, words):
    found, expected = ran(keras, tmp_path / "model.keras", network(keras, *repeated(keras, both=False)), rng)
    assert np.abs(found[-1] - expected.ravel()).max() < 1e-6
    network(keras, *repeated(keras, steps=None, both=False)).save(tmp_path / "model.h5")
    with pytest.raises(el.UnsupportedModelError, match=words):
        el.load(tmp_path / "model.h5")


def test_a_mean_of_weighted_timesteps_needs_their_number(keras, tmp_path):
    x, _, weighted = repeated(keras, steps=None, both=False)
    keras.Model(x, keras.layers.GlobalAveragePooling1D()(weighted)).save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match="number must be fixed"):
        el.load(tmp_path / "model.keras")


def beside(k, both=False, repeat=False):
    """A sequence, and a vector beside it, joined behind the recurrence or before it."""
    L = k.layers
    x, v = k.Input((6, 3), name="readings"), k.Input((2,), name="station")
    given = L.Concatenate()([x, L.RepeatVector(6)(v)]) if repeat else x
    lstm = L.LSTM(4)
    h = (L.Bidirectional(lstm) if both else lstm)(given)
    return k.Model([x, v], L.Dense(2)(L.Concatenate()([h, L.Dense(3, activation="relu")(v)])))


@pytest.mark.parametrize("form", ["keras", "h5"])
@pytest.mark.parametrize("options", [{}, {"both": True}, {"repeat": True}, {"both": True, "repeat": True}])
def test_a_vector_beside_a_sequence_is_part_of_every_sample(keras, tmp_path, rng, form, options):
    path = tmp_path / f"model.{form}"
    found, expected = ran(keras, path, beside(keras, **options), rng)
    assert np.abs(found - expected).max() < 1e-6
    notes = " ".join(el.importers.import_file(path).notes)
    assert "readings (3), station (2)" in notes
    assert "station: for the whole sequence" in notes


def test_a_vector_repeated_for_other_timesteps_is_refused(keras, tmp_path):
    L = keras.layers
    x, v = keras.Input((6, 3)), keras.Input((2,))
    h = L.Concatenate()([L.LSTM(4)(x), L.LSTM(3)(L.RepeatVector(5)(v))])
    keras.Model([x, v], h).save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match="repeat_vector"):
        el.load(tmp_path / "model.keras")


def looking(make, size=3):
    """What looks at an LSTM's timesteps, between a layer before it and a mean behind it."""

    def network(k):
        L = k.layers
        x = k.Input((18, size))
        h = L.LSTM(4, return_sequences=True)(x)
        y = make(L, h)
        return k.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(L.Concatenate()([h, y]))))

    return network


def transformer(L, h):
    y = L.LayerNormalization()(h + L.MultiHeadAttention(2, 3, dropout=0.1)(h, h))
    return L.LayerNormalization()(y + L.Dense(4)(L.Dense(6, activation="relu")(y)))


LOOKING = {
    "attention": looking(lambda L, h: L.Attention()([h, h])),
    "keys": looking(lambda L, h: L.Attention(use_scale=True)([L.Dense(5)(h), L.Dense(2)(h), L.Dense(5)(h)])),
    "causal": looking(lambda L, h: L.Attention()([h, h], use_causal_mask=True)),
    "concat": looking(lambda L, h: L.Attention(use_scale=True, score_mode="concat")([h, h])),
    "additive": looking(lambda L, h: L.AdditiveAttention()([h, h])),
    "unscaled": looking(lambda L, h: L.AdditiveAttention(use_scale=False)([h, L.Dense(4)(h)])),
    "heads": looking(lambda L, h: L.MultiHeadAttention(2, 3)(h, h)),
    "named": looking(
        lambda L, h: L.MultiHeadAttention(2, 3, value_dim=5, use_bias=False, output_shape=7)(
            query=h, key=L.Dense(3)(h), value=h, use_causal_mask=True
        )
    ),
    "transformer": looking(transformer),
}


@pytest.mark.parametrize("form", ["keras", "h5"])
@pytest.mark.parametrize("network", LOOKING)
def test_timesteps_look_at_each_other_as_in_keras(keras, tmp_path, rng, network, form):
    found, expected = ran(keras, tmp_path / f"model.{form}", LOOKING[network](keras), rng)
    assert np.abs(found - expected).max() < 1e-6


def on_words(k, make):
    L = k.layers
    x = k.Input((6,))
    return k.Model(x, L.Dense(2)(make(L, L.Embedding(9, 4, mask_zero=True)(x))))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda L, h: L.Attention()([L.LSTM(4, return_sequences=True)(h), L.Dense(4)(L.Conv1D(4, 1)(h))]), "different masks"),
        (lambda L, h: L.MultiHeadAttention(2, 3)(h, h, use_causal_mask=True), "given a mask"),
        (lambda L, h: L.Attention()([h, L.LSTM(4, return_sequences=True)(h[:, 1:])]), "rows of one recording"),
        (lambda L, h: L.Attention()([L.Reshape((1, 4))(L.LSTM(4)(h)), h]), "rows of one recording"),
    ],
)
def test_attention_that_is_not_imported_is_refused_by_name(keras, tmp_path, make, words):
    on_words(keras, make).save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match=words):
        el.load(tmp_path / "model.keras")


def test_one_compiled_stream_of_two_heads(keras, tmp_path, rng):
    model = LOOKING["transformer"](keras)
    model.save(tmp_path / "model.keras")
    xs = rng.uniform(-1, 1, (18, 3)).astype(np.float32)
    found = el.Stream(el.load(tmp_path / "model.keras")).process(xs)
    assert np.abs(found - keras.ops.convert_to_numpy(model(xs[None]))).max() < 1e-6
