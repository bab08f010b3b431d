"""Adds to tests/golden/keras2.zip a `.keras` file in the layout that Keras had from TensorFlow 2.12 to 2.14, with what Keras answers.

Run in an environment of its own, after tools/keras2_files.py: pip install tensorflow==2.13.1, then python tools/keras2_layout.py.
"""

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow import keras

OUT = Path(__file__).parents[1] / "tests" / "golden" / "keras2.zip"
L = keras.layers


def network() -> Any:
    """Two layers of most classes, with and without weights, a model in the model, and attention."""
    x = L.Input((6, 3))
    inner = keras.Sequential([L.Dense(4), L.LSTM(3, return_sequences=True), L.Dense(4, activation="tanh")])
    y = L.TimeDistributed(L.Dropout(0.1))(L.LSTM(4, return_sequences=True)(inner(x)))
    y = L.Add()([y, L.MultiHeadAttention(2, 2)(y, y)])
    y = L.Bidirectional(L.GRU(2, return_sequences=True))(L.TimeDistributed(L.Dense(4))(y))
    y = L.RNN([L.LSTMCell(3), L.LSTMCell(2)], return_sequences=True)(L.Bidirectional(L.GRU(2, return_sequences=True))(y))
    return keras.Model(x, L.Dense(2)(L.Dense(3)(L.LSTM(3)(y))))


def main() -> None:
    rng, model = np.random.default_rng(3), network()
    model.set_weights([rng.uniform(-0.7, 0.7, weight.shape) for weight in model.weights])
    x = rng.uniform(-1, 1, (6, 3)).astype(np.float32)
    answers = io.BytesIO()
    np.savez(answers, allow_pickle=False, x0=x, y0=model.predict(x[None], verbose=0)[0])
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(OUT, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        path = Path(folder) / "layout.keras"
        model.save(path)
        archive.write(path, path.name)
        archive.writestr("layout.npz", answers.getvalue())


if __name__ == "__main__":
    main()
