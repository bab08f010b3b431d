"""Makes tests/golden/keras2.zip: small files of Keras 2 in all its forms, untrained, with what Keras 2 answers to them.

Run in an environment of its own: pip install tensorflow tf_keras, then python tools/keras2_files.py. The package needs neither.
"""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import h5py
import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray
from tf_keras.src.saving.legacy import hdf5_format

Floats = NDArray[np.float32]

OUT = Path(__file__).parents[1] / "tests" / "golden" / "keras2.zip"
L = keras.layers


def sequential(shape: tuple[int | None, ...], *layers: Any) -> Any:
    return keras.Sequential([L.InputLayer(input_shape=shape), *layers])


def nested() -> Any:
    """Two inputs and two outputs, a model in the model with a frozen layer, a shared layer, an addition."""
    a, b = L.Input((None, 2), name="a"), L.Input((None, 3), name="b")
    inner = sequential((None, 5), L.Dense(4, activation="tanh"), L.BatchNormalization(), L.Dense(3))
    inner.layers[1].trainable = False
    shared = L.Dense(3, name="shared")
    gru = L.GRU(3, return_sequences=True)(inner(L.Concatenate()([a, b])))
    return keras.Model([a, b], [L.Add()([shared(gru), b]), shared(b)])


def characters() -> Any:
    """Words and their characters, both padded with zeros."""
    words, letters = L.Input((4,)), L.Input((4, 5))
    y = L.TimeDistributed(L.LSTM(3))(L.TimeDistributed(L.Dropout(0.2))(L.TimeDistributed(L.Embedding(9, 3, mask_zero=True))(letters)))
    y = L.Concatenate()([L.Embedding(9, 3, mask_zero=True)(words), y])
    return keras.Model([words, letters], L.TimeDistributed(L.Dense(2))(L.Bidirectional(L.LSTM(3, return_sequences=True))(y)))


def operators() -> Any:
    """Parts of a vector, the last timestep, sums and products, written as Python writes them."""
    x = L.Input((6, 4))
    y = L.LSTM(3, return_sequences=True)(x) * x[:, :, 1:4] - 0.5
    return keras.Model(x, L.Dense(2)(y[:, -1, :]) + y[:, -1, :2] * 3.0)


def functions() -> Any:
    """TensorFlow's functions beside layers."""
    x = L.Input((6, 4))
    y = L.LSTM(4, return_sequences=True)(x)
    left, right = tf.split(tf.concat([y, tf.reverse(x, axis=[1])], axis=-1), [5, 3], axis=-1)
    heads = tf.reshape(tf.stack([right, tf.cast(right * right, "float32")], axis=-1), [-1, 6, 6])
    z = tf.concat([tf.clip_by_value(left, -0.2, 0.3), heads / (tf.abs(heads) + 1.0), tf.sqrt(tf.square(left) + 0.1)], axis=-1)
    z = tf.concat([tf.math.l2_normalize(z, axis=-1), tf.maximum(z, 0.1), 1.0 / (1.0 + z**2), tf.math.log(tf.abs(left) + 0.5)], axis=2)
    return keras.Model(x, L.Dense(3)(z))


def models() -> Iterator[tuple[str, Any, tuple[Floats, ...]]]:
    rng = np.random.default_rng(11)

    def xs(*shape: int) -> Floats:
        return rng.uniform(-1, 1, shape).astype(np.float32)

    ids = np.array([0, 0, 3, 4, 1, 0, 2], np.float32)
    padded = np.concatenate([xs(5, 3), np.zeros((2, 3), np.float32)])
    three = (None, 3)
    hard = {"recurrent_activation": "hard_sigmoid"}
    yield "hard_sigmoid", keras.Sequential([
        L.Embedding(9, 4, mask_zero=True, input_length=7), L.LSTM(5, return_sequences=True, **hard),
        L.GRU(4, reset_after=False, activation="relu", **hard), L.Dense(3, activation="softmax"),
    ]), (ids,)  # fmt: skip
    yield "both_directions", sequential(
        three, L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="sum"), L.BatchNormalization(), L.LayerNormalization(),
        L.TimeDistributed(L.Dense(2, activation="elu")), L.Bidirectional(L.GRU(2)), L.Dense(1, activation="sigmoid"),
    ), (xs(8, 3),)  # fmt: skip
    yield (
        "masked",
        sequential(three, L.Masking(), L.Bidirectional(L.LSTM(3, return_sequences=True)), L.Bidirectional(L.GRU(2, return_sequences=True))),
        (padded,),
    )
    yield (
        "backwards",
        sequential(
            three,
            L.LSTM(3, go_backwards=True, return_sequences=True),
            L.RNN([L.LSTMCell(2), L.GRUCell(3)], return_sequences=True),
            L.SimpleRNN(2),
        ),
        (xs(6, 3),),
    )
    yield "stateful", keras.Sequential([
        L.InputLayer(batch_input_shape=(1, None, 3)), L.LSTM(3, stateful=True, return_sequences=True), L.Dense(2)
    ]), (xs(6, 3),)  # fmt: skip
    yield "nested", nested(), (xs(6, 2), xs(6, 3))
    yield "convolutions", sequential(
        three, L.Conv1D(4, 3, padding="causal", activation="relu", dilation_rate=2), L.MaxPooling1D(2),
        L.Conv1D(3, 2, strides=2, use_bias=False), L.LSTM(3),
    ), (xs(17, 3),)  # fmt: skip
    yield (
        "same",
        sequential((8, 3), L.Conv1D(4, 4, padding="same", activation="relu"), L.MaxPooling1D(2, padding="same"), L.LSTM(3), L.Dense(1)),
        (xs(8, 3),),
    )
    yield "flattened", sequential((8, 3), L.LSTM(3, return_sequences=True), L.Flatten(), L.Dense(2)), (xs(8, 3),)
    yield "pooled", sequential(three, L.Bidirectional(L.LSTM(4, return_sequences=True)), L.GlobalMaxPooling1D(), L.Dense(2)), (xs(8, 3),)
    yield (
        "normalised",
        sequential(
            three, L.Normalization(), L.Rescaling(0.3, offset=0.1), L.Dense(4), L.PReLU(shared_axes=[1]), L.LSTM(3), L.LeakyReLU(0.2)
        ),
        (xs(8, 3),),
    )
    yield "maps", sequential(
        (4, 6, 6, 2), L.ConvLSTM2D(3, (3, 3), padding="same", return_sequences=True), L.BatchNormalization(),
        L.ConvLSTM2D(2, (3, 3), **hard), L.Flatten(), L.Dense(2),
    ), (xs(4, 6, 6, 2),)  # fmt: skip
    yield "frames", sequential(
        (4, 6, 6, 2), L.TimeDistributed(L.Conv2D(3, (3, 3), activation="relu")), L.TimeDistributed(L.MaxPooling2D()),
        L.TimeDistributed(L.Flatten()), L.LSTM(3),
    ), (xs(4, 6, 6, 2),)  # fmt: skip
    yield "operators", operators(), (xs(6, 4),)
    yield "functions", functions(), (xs(6, 4),)
    yield "characters", characters(), (ids[:4], np.stack([ids[:5], ids[2:], 0 * ids[:5], ids[:5]]))
    yield "cudnn", sequential(three, L.LSTM(4, return_sequences=True), L.GRU(3)), (xs(6, 3),)


def drawn(model: Any) -> None:
    """Weights large enough that a mistake shows, variances that are positive."""
    rng = np.random.default_rng(3)
    weights = [rng.uniform(-0.5, 0.5, weight.shape) for weight in model.weights]
    named = zip(weights, (weight.name for weight in model.weights), strict=True)
    model.set_weights([abs(w) + 0.1 if "variance" in name else np.ones_like(w) if "count" in name else w for w, name in named])


def as_cudnn(path: Path, model: Any) -> None:
    """Rewrite LSTM and GRU layers as CuDNNLSTM and CuDNNGRU layers; Keras' own reader of such weights must give the plain ones back."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] not in ("LSTM", "GRU"):
                continue
            settings, gates = layer["config"], {"LSTM": 4, "GRU": 3}[layer["class_name"]]
            group = file["model_weights"][settings["name"]]
            names = list(group.attrs["weight_names"])
            kernel, recurrent, bias = (group[name][()] for name in names)
            rewritten = [
                np.hstack([block.T.reshape(block.shape) for block in np.hsplit(kernel, gates)]),
                np.hstack([block.T for block in np.hsplit(recurrent, gates)]),
                np.tile(bias / 2, 2) if gates == 4 else bias.reshape(-1),
            ]
            back = hdf5_format._convert_rnn_weights(model.get_layer(settings["name"]), rewritten)
            assert all(np.allclose(a, b) for a, b in zip(back, (kernel, recurrent, bias), strict=True))
            for name, array in zip(names, rewritten, strict=True):
                del group[name]
                group[name] = array
            kept = ("name", "trainable", "units", "return_sequences", "return_state", "go_backwards", "stateful")
            layer.update(class_name=f"CuDNN{layer['class_name']}", config={name: settings[name] for name in kept})
        file.attrs["model_config"] = json.dumps(config)


def main() -> None:
    with zipfile.ZipFile(OUT, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive, tempfile.TemporaryDirectory() as folder:
        for name, model, xs in models():
            drawn(model)
            ys = model.predict([x[None] for x in xs] if len(xs) > 1 else xs[0][None], verbose=0)
            answers = {f"y{index}": y[0] for index, y in enumerate(ys if isinstance(ys, list) else [ys])}
            for form in ("h5",) if name == "cudnn" else ("h5", "keras"):
                path = Path(folder) / f"{name}.{form}"
                model.save(path)
                if name == "cudnn":
                    as_cudnn(path, model)
                archive.write(path, path.name)
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **{f"x{index}": x for index, x in enumerate(xs)}, **answers)
            archive.writestr(f"{name}.npz", buffer.getvalue())
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
