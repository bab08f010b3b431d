"""Makes tests/golden/saved_models.tar.xz: SavedModels as Keras 2, Keras 3, TensorFlow 1 and a tf.Module write them, with what they answer.

Run in an environment of its own: pip install tensorflow tf_keras, then python tools/saved_model_files.py. The package needs neither.
"""

import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray

OUT = Path(__file__).parents[1] / "tests" / "golden" / "saved_models.tar.xz"

v1 = tf.compat.v1
v1.disable_control_flow_v2()
Samples = dict[str, Any]


def stepped(rng: np.random.Generator) -> Any:
    """A module of an LSTM cell whose caller keeps its state."""
    module: Any = tf.Module()
    sizes = {"w": (3, 16), "u": (4, 16), "b": (16,)}
    parts = module.parts = {name: tf.Variable(rng.normal(0, 0.5, size).astype(np.float32)) for name, size in sizes.items()}

    def step(x: Any, h: Any, c: Any) -> dict[str, Any]:
        i, f, g, o = tf.split(x @ parts["w"] + h @ parts["u"] + parts["b"], 4, 1)
        cell = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        hidden = tf.sigmoid(o) * tf.tanh(cell)
        return {"y": hidden * 2, "h": hidden, "c": cell}

    module.step = tf.function(step, input_signature=[tf.TensorSpec((1, 3)), tf.TensorSpec((1, 4)), tf.TensorSpec((1, 4))])
    return module


def answered(folder: Path, **given: NDArray[Any]) -> Samples:
    """What a folder's signature answers, as TensorFlow loads it."""
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    kinds = {name: spec.dtype for name, spec in signature.structured_input_signature[1].items()}
    answers = signature(**{name: tf.cast(array, kinds[name]) for name, array in given.items()})
    return {f"x:{name}": array for name, array in given.items()} | {f"y:{name}": array.numpy() for name, array in answers.items()}


def keras3(folder: Path, rng: np.random.Generator) -> Samples:
    make = keras.layers
    inputs = keras.Input((12,), name="token")
    rows = make.Embedding(20, 4, mask_zero=True)(inputs)
    outputs = make.Dense(3, activation="softmax")(
        make.Bidirectional(make.GRU(4))(make.LSTM(5, return_sequences=True, dropout=0.2, recurrent_dropout=0.2)(rows))
    )
    keras.Model(inputs, outputs).export(str(folder), verbose=False)
    return answered(folder, token=np.array([[3, 7, 1, 19, 0, 2, 2, 5, 0, 8, 0, 0]], np.int64))


def frames(folder: Path, rng: np.random.Generator) -> Samples:
    """Maps, whose states begin as convolutions of zeros."""
    make = tf_keras.layers
    inputs = tf_keras.Input((5, 6, 5, 2), name="frame")
    one = make.ConvLSTM2D(3, (3, 2), strides=2, padding="same", return_sequences=True)(inputs)
    two = make.ConvLSTM2D(2, 2, bias_initializer="random_normal")(one)
    tf_keras.Model(inputs, make.Dense(2)(make.Flatten()(two))).save(folder, save_format="tf")
    return answered(folder, frame=rng.normal(size=(1, 5, 6, 5, 2)).astype(np.float32))


def keras2(folder: Path, rng: np.random.Generator) -> Samples:
    make = tf_keras.layers
    one, other = tf_keras.Input((None, 3), name="b"), tf_keras.Input((None, 2), name="a")
    joined = make.concatenate([make.LSTM(5)(one), make.GRU(4)(other)])
    tf_keras.Model([one, other], [make.Dense(2, name="z")(joined), make.Dense(1, name="y")(joined)]).save(folder, save_format="tf")
    return answered(folder, **{name: rng.normal(size=(1, 9, n)).astype(np.float32) for name, n in (("b", 3), ("a", 2))})


def keeping(folder: Path, rng: np.random.Generator) -> Samples:
    """A state that stays in variables between calls."""
    tf_keras.Sequential([tf_keras.layers.LSTM(4, stateful=True, batch_input_shape=(1, 6, 3))]).save(folder, save_format="tf")
    return {}


def stepping(folder: Path, rng: np.random.Generator) -> Samples:
    module = stepped(rng)
    tf.saved_model.save(module, str(folder), signatures=module.step)
    h = c = np.zeros((1, 4), np.float32)
    xs, ys = rng.normal(size=(9, 3)).astype(np.float32), []
    for x in xs:
        found = module.step(x[None], h, c)
        h, c = found["h"].numpy(), found["c"].numpy()
        ys.append(found["y"].numpy()[0])
    return {"x:x": xs[None], "y:y": np.array(ys)[None]}


def tensorflow1(folder: Path, rng: np.random.Generator) -> Samples:
    """Variables of references, a table whose rows are gathered, one variable that training alone has."""
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.int32, (None, None), name="x")
        table = v1.get_variable("table", (9, 4), use_resource=True)
        w, u, b = (v1.get_variable(name, size, use_resource=False) for name, size in (("w", (4, 5)), ("u", (5, 5)), ("b", (5,))))
        rows = tf.transpose(tf.gather(table, x), (1, 0, 2))
        begin = tf.zeros((tf.shape(x)[0], 5))
        hidden = v1.scan(lambda h, row: tf.tanh(row @ w + h @ u + b), rows, begin)
        v1.train.AdamOptimizer().minimize(tf.reduce_sum(hidden))
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(folder), {"x": x}, {"h": tf.transpose(hidden, (1, 0, 2))})
    return answered(folder, x=rng.integers(0, 9, (1, 11)))


def main() -> None:
    with tempfile.TemporaryDirectory() as name, tarfile.open(OUT, "w:xz", preset=9) as archive:
        for make in (keras3, frames, keras2, keeping, stepping, tensorflow1):
            keras.utils.set_random_seed(4)
            folder = Path(name) / make.__name__
            samples = make(folder, np.random.default_rng(5))
            files = {str(path.relative_to(name)): path.read_bytes() for path in folder.rglob("*.*") if path.name != "keras_metadata.pb"}
            held = io.BytesIO()
            np.savez(held, **samples)
            for path, data in sorted({**files, f"{make.__name__}.npz": held.getvalue()}.items()):
                entry = tarfile.TarInfo(path)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


if __name__ == "__main__":
    main()
