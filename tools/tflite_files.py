"""Makes tests/golden/tflite.zip: small files as TensorFlow's converter writes them, untrained, with what TensorFlow Lite answers to them.

Run in an environment of its own: pip install tensorflow tf_keras, then python tools/tflite_files.py. The package needs neither.
"""

import io
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

Floats = NDArray[np.float32]

OUT = Path(__file__).parents[1] / "tests" / "golden" / "tflite.zip"

#: Steps of a recording, and how many recordings, or calls of a model with states, an answer holds.
STEPS, CALLS = 9, 3


def models(k: Any) -> Iterator[tuple[str, Callable[[], Any], dict[str, Any]]]:
    """By name, a Keras model and how it is converted."""
    layers = k.layers

    def sequence(*parts: Any, width: int = 3, steps: int | None = STEPS) -> Callable[[], Any]:
        def make() -> Any:
            x = layers.Input((steps, width), batch_size=1)
            y = x
            for part in parts:
                y = part(y)
            return k.Model(x, y)

        return make

    every = {"return_sequences": True}
    yield "lstm", sequence(layers.LSTM(5, **every), layers.LSTM(4, **every), layers.Dense(2, activation="tanh")), {}
    yield "lstm_last", sequence(layers.LSTM(5, **every), layers.LSTM(4), layers.Dense(2, activation="softmax")), {}
    yield "lstm_flat", sequence(layers.LSTM(4, **every), layers.Flatten(), layers.Dense(3, activation="relu")), {}
    yield "lstm_hard", sequence(layers.LSTM(4, recurrent_activation="hard_sigmoid", **every)), {}
    yield "gru", sequence(layers.GRU(5, **every), layers.Dense(2, activation="relu6")), {}
    yield "gru_before", sequence(layers.GRU(5, reset_after=False), layers.Dense(2, activation="sigmoid")), {}
    yield "rnn", sequence(layers.SimpleRNN(5, **every)), {}
    yield "backwards", sequence(layers.LSTM(4, go_backwards=True, **every), layers.Dense(2)), {}
    yield "both_lstm", sequence(layers.Bidirectional(layers.LSTM(4, **every)), layers.Dense(2)), {}
    yield "both_last", sequence(layers.Bidirectional(layers.LSTM(4)), layers.Dense(2)), {}
    yield "both_gru", sequence(layers.Bidirectional(layers.GRU(4, **every), merge_mode="sum")), {}
    yield "both_gru_last", sequence(layers.Bidirectional(layers.GRU(4)), layers.Dense(2)), {}
    yield "unrolled", sequence(layers.LSTM(4, unroll=True, **every), layers.Dense(2), steps=1), {}
    yield "stateful_lstm", sequence(layers.LSTM(4, stateful=True, **every), layers.Dense(2)), {"stateful": True}
    yield "stateful_gru", sequence(layers.GRU(4, stateful=True), layers.Dense(2), steps=1), {"stateful": True}
    yield "conv", sequence(layers.Conv1D(6, 3, padding="causal", activation="relu"), layers.MaxPooling1D(2), layers.LSTM(4, **every)), {}
    yield "conv_same", sequence(layers.Conv1D(6, 3, padding="same"), layers.BatchNormalization(), layers.ReLU(), layers.GRU(4)), {}
    yield "conv_dilated", sequence(layers.Conv1D(6, 3, padding="causal", dilation_rate=2), layers.ReLU(), layers.LSTM(4)), {}
    yield "conv_separable", sequence(layers.SeparableConv1D(6, 3, padding="valid"), layers.LeakyReLU(0.2), layers.LSTM(4)), {}
    yield "norm", sequence(layers.LayerNormalization(), layers.LSTM(4, **every), layers.LayerNormalization(), layers.Dense(2)), {}
    yield "mean", sequence(layers.LSTM(4, **every), layers.GlobalAveragePooling1D(), layers.Dense(2)), {}
    yield "largest", sequence(layers.GRU(4, **every), layers.GlobalMaxPooling1D(), layers.Dense(2)), {}
    yield "open", sequence(layers.LSTM(4, **every), layers.Dense(2), steps=None), {}
    yield "open_gru", sequence(layers.GRU(4, **every), layers.Dense(2), steps=None), {}
    yield "relu_then_lstm", sequence(layers.LSTM(4, activation="relu"), layers.RepeatVector(STEPS), layers.LSTM(4), layers.Dense(2)), {}
    yield "half", sequence(layers.LSTM(4, **every), layers.Dense(2)), {"half": True}
    yield "hybrid", sequence(layers.LSTM(36, **every), layers.Dense(2)), {"small": True}
    yield "masked", sequence(layers.Masking(), layers.LSTM(4), layers.Dense(2)), {}

    def states() -> Any:
        x, h, c = layers.Input((1, 3), batch_size=1), layers.Input((4,), batch_size=1), layers.Input((4,), batch_size=1)
        y, *after = layers.LSTM(4, return_sequences=True, return_state=True, unroll=True)(x, initial_state=[h, c])
        return k.Model([x, h, c], [layers.Dense(2)(y), *after])

    yield "states", states, {}

    def words() -> Any:
        x = layers.Input((STEPS,), batch_size=1, dtype="int32")
        return k.Model(x, layers.Dense(2)(layers.LSTM(4)(layers.Embedding(11, 5)(x))))

    yield "words", words, {}

    def skip() -> Any:
        x = layers.Input((STEPS, 4), batch_size=1)
        y = layers.Concatenate()([layers.LSTM(4, **every)(x), layers.GRU(3, **every)(x)])
        z = layers.Dense(4)(y)
        return k.Model(x, layers.Dense(2)(layers.Multiply()([layers.Add()([z, x]), layers.Dense(4, activation="sigmoid")(x)])))

    yield "skip", skip, {}
    yield "padded", lambda: padded(k), {}


def padded(k: Any) -> Any:
    """Indices of three symbols, of which 0 is padding."""
    x = k.layers.Input((STEPS,), batch_size=1, dtype="int32")
    y = k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True))(k.layers.Embedding(3, 5, mask_zero=True)(x))
    return k.Model(x, k.layers.Dense(2)(y))


def converted(model: Any, half: bool = False, small: bool = False, stateful: bool = False) -> bytes:
    """The bytes of a file."""
    specs = [tf.TensorSpec(x.shape, x.dtype, name=f"input{index}") for index, x in enumerate(model.inputs)]
    function = tf.function(lambda *xs: model(xs if len(xs) > 1 else xs[0])).get_concrete_function(*specs)
    with tempfile.TemporaryDirectory() as folder:
        if stateful:
            model.export(folder)
        saved = tf.lite.TFLiteConverter.from_saved_model
        converter = (
            saved(folder) if stateful else tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(function)])
        )
        converter.experimental_enable_resource_variables = stateful
        if half or small:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if half:
            converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())


def answers(data: bytes, padded: bool = False, masked: bool = False) -> dict[str, NDArray[Any]]:
    """Inputs x0 … and outputs y0 … of some calls, in the order of the file's signature; states go round by size, in order.

    `padded`: whether indices are of three symbols, of which 0 is padding; `masked`: whether rows of zeros at the end are.
    """
    rng = np.random.default_rng(7)
    interpreter = tf.lite.Interpreter(model_content=data, experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    for one in inputs:
        if (one["shape_signature"][1:] < 0).any():
            interpreter.resize_tensor_input(one["index"], [1, STEPS, *one["shape"][2:]])
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    found: dict[str, NDArray[Any]] = {}
    for call in range(CALLS):
        for one in inputs:
            whole, symbols = one["dtype"] == np.int32, 3 if padded else 11
            x = rng.integers(0, symbols, one["shape"]) if whole else rng.normal(0, 2, one["shape"])
            if masked:
                x[:, STEPS - 2 - call :] = 0
            found[f"x{call}:{one['name']}"] = x.astype(one["dtype"])
            interpreter.set_tensor(one["index"], x.astype(one["dtype"]))
        interpreter.invoke()
        for one in outputs:
            found[f"y{call}:{one['name']}"] = interpreter.get_tensor(one["index"])
    return found


def main() -> None:
    with zipfile.ZipFile(OUT, "w", zipfile.ZIP_DEFLATED) as out:
        for prefix, package in (("keras2", tf_keras), ("keras3", keras)):
            for name, make, options in models(package):
                if package is keras and "stateful" in options:
                    continue  # such do not convert
                package.utils.set_random_seed(3)
                data = converted(make(), **options)
                stream = io.BytesIO()
                np.savez_compressed(stream, allow_pickle=False, **answers(data, name == "padded", name == "masked"))
                for ending, content in (("tflite", data), ("npz", stream.getvalue())):
                    out.writestr(zipfile.ZipInfo(f"{prefix}_{name}.{ending}", (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
