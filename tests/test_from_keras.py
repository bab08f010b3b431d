"""Files of Keras 2, from tests/golden/keras2.zip, and files of weights alone, of Keras 2 and 3."""

import io
import json
import os

import numpy as np
import pytest
from keras_nets import KERAS2, answers, close, drawn

import edgelstm as el
from edgelstm.importers import import_file
from edgelstm.importers.hdf5 import opened

h5py = pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


@pytest.mark.parametrize("name", [name for name in KERAS2.namelist() if not name.endswith(".npz")])
def test_files_of_keras_2(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(KERAS2.read(name))
    with np.load(io.BytesIO(KERAS2.read(f"{name.partition('.')[0]}.npz"))) as file:
        xs, ys = ([file[key] for key in file.files if key[0] == letter] for letter in "xy")
    taken = import_file(path)
    inputs = np.concatenate([x.reshape(len(x), -1) for x in xs], axis=1)
    close(answers(taken.model, inputs), ys[0] if len(ys) == 1 else np.concatenate(ys, axis=-1))
    assert (taken.model.stateful is True) == (name.partition(".")[0] == "stateful")


def test_several_inputs_are_one_sample_in_the_files_order(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(KERAS2.read("nested.h5"))
    taken = import_file(path)
    assert taken.model.input_size == 5
    assert any("a (2), b (3)" in note for note in taken.notes)
    assert any("2 outputs stand side by side" in note for note in taken.notes)


def weights_alone(tmp_path, name):
    """A file of Keras 2 without its configuration, as ``save_weights`` writes it."""
    (tmp_path / "whole.h5").write_bytes(KERAS2.read(f"{name}.h5"))
    path = tmp_path / "weights.h5"
    with h5py.File(tmp_path / "whole.h5") as whole, h5py.File(path, "w") as file:
        for group in whole["model_weights"].values():
            whole.copy(group, file)
        for key, value in whole["model_weights"].attrs.items():
            file.attrs[key] = value
    return path


def test_files_of_weights_alone_ask_for_what_they_do_not_say(tmp_path):
    path = weights_alone(tmp_path, "hard_sigmoid")
    with pytest.raises(el.UnsupportedModelError, match=r'weights alone.*embeddings \(9, 4\).*layers="embedding, lstm, gru, dense:\?"'):
        el.load(path)
    layers = "embedding, lstm, gru:linear, dense:softmax"
    with pytest.raises(el.UnsupportedModelError, match=r'recurrent_activation="sigmoid".*recurrent_activation="hard_sigmoid"'):
        el.load(path, layers=layers)
    with pytest.raises(el.UsageError, match="leave out gru"):
        el.load(path, layers="embedding, lstm, dense:softmax", recurrent_activation="sigmoid")
    with pytest.raises(el.UsageError, match="does not hold"):
        el.load(path, layers=f"{layers}, dense_7", recurrent_activation="sigmoid")
    assert el.load(path, layers=layers, recurrent_activation="hard_sigmoid").layers[1].gate_activation == "hard_sigmoid(0.2, 0.5)"
    whole = tmp_path / "whole.h5"
    with pytest.raises(el.UsageError, match="leave out"):
        el.load(whole, layers=layers)


def test_weights_of_keras_3_answer_as_keras_once_their_order_is_said(keras, tmp_path, rng):
    L = keras.layers
    layers = [L.LSTM(4, return_sequences=True), L.LSTM(3, return_sequences=True), L.Bidirectional(L.GRU(3)), L.Dense(2, "tanh"), L.Dense(1)]
    model = drawn(keras.Sequential([keras.Input((6, 3)), *layers]), rng)
    model.save_weights(tmp_path / "model.weights.h5")
    order = "lstm, lstm_1, bidirectional, final, dense:tanh, dense_1"
    xs = rng.uniform(-1, 1, (6, 3)).astype(np.float32)
    found = answers(el.load(tmp_path / "model.weights.h5", layers=order, recurrent_activation="sigmoid"), xs)
    close(found, keras.ops.convert_to_numpy(model(xs[None]))[0])


def test_one_compiled_stream(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(KERAS2.read("stateful.keras"))
    with np.load(io.BytesIO(KERAS2.read("stateful.npz"))) as file:
        xs, ys = file["x0"], file["y0"]
    assert np.abs(el.Stream(el.load(path)).process(xs) - ys).max() < 1e-6


@pytest.mark.parametrize(
    ("layer", "setting"),
    [
        (lambda L, x: L.DepthwiseConv1D(3)(x), {"groups": 1}),
        (lambda L, x: L.MultiHeadAttention(2, 4)(x, x), {"softmax_robust_masking": None}),
    ],
)
def test_settings_that_keras_2_alone_writes(keras, tmp_path, rng, layer, setting):
    x = keras.Input((6, 3))
    model = drawn(keras.Model(x, keras.layers.LSTM(4)(layer(keras.layers, x))), rng)
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"].update(setting)
        file.attrs["model_config"] = json.dumps(config)
    xs = rng.uniform(-1, 1, (6, 3)).astype(np.float32)
    close(answers(el.load(tmp_path / "model.h5"), xs), keras.ops.convert_to_numpy(model(xs[None]))[0])


def test_a_thousand_layers_are_no_damage(tmp_path):
    with h5py.File(tmp_path / "deep.h5", "w") as file:
        for layer in range(1000):
            for name in ("kernel", "recurrent_kernel", "bias"):
                file[f"lstm_{layer}/lstm_{layer}/{name}"] = np.zeros(1)
    with open(tmp_path / "deep.h5", "rb") as file:
        assert len([path for path in opened(file).walk() if path.endswith("/kernel")]) == 1000
