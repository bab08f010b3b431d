"""Keras files of Keras 3, made and answered by Keras itself; of Keras 2, from tests/golden/keras2.zip; what is refused."""

import io
import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

h5py = pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")

KERAS2 = zipfile.ZipFile(Path(__file__).with_name("golden") / "keras2.zip")
IDS = np.array([0, 0, 3, 4, 1, 0, 2], np.float32)


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def answers(model, xs):
    """(rows, output_size) by the float64 twin; xs: one example, maps or indices or vectors."""
    return reference.run(model, np.asarray(xs).reshape(len(xs), -1))


def close(found, expected, limit=1e-6):
    """The rows of a network that answers every step, or the last of them where Keras gives one."""
    expected = np.asarray(expected)
    wanted = expected.reshape(1, -1) if expected.ndim == 1 else expected.reshape(len(expected), -1)
    found = found[-len(wanted) :] if len(wanted) == 1 else found
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < limit


def of_shape(shape, *layers):
    return lambda k: k.Sequential([k.Input(shape), *(layer(k.layers) for layer in layers)])


def drawn(model, rng):
    """Weights large enough that a mistake shows."""
    for weight in model.weights:
        values = rng.uniform(-0.5, 0.5, weight.shape)
        weight.assign((abs(values) + 0.1 if "variance" in weight.path else values).astype(np.float32))
    return model


def stacked(*layers):
    return of_shape((6, 3), *layers)


def on_indices(*layers):
    return of_shape((7,), *layers)


def each(layer):
    """A layer on each timestep."""
    return lambda L: L.TimeDistributed(layer(L))


def lstm(sequences=True, **options):
    return lambda L: L.LSTM(4, return_sequences=sequences, **options)


def branches(k):
    """A skip connection, a product and a shared layer."""
    L = k.layers
    x = k.Input((6, 3))
    shared = L.Dense(3, activation="sigmoid", name="shared")
    y = L.LSTM(3, return_sequences=True)(x)
    z = L.Multiply()([shared(x), shared(y)])
    return k.Model(x, L.Dense(2)(L.Concatenate()([L.Subtract()([y, x]), L.Average()([z, x])])))


def models_in_models(k):
    L = k.layers
    inner = k.Sequential([k.Input((6, 3)), L.Dense(4), L.Dropout(0.3), L.BatchNormalization()])
    inner.layers[0].trainable = False
    functional = k.Model(y := k.Input((6, 4)), L.GRU(3, return_sequences=True)(y))
    x = k.Input((6, 3))
    return k.Model(x, L.LSTM(2)(functional(inner(x))))


def operators(k):
    """Parts of a vector, the last timestep, sums and products, written as Python writes them."""
    x = k.Input((6, 4))
    y = k.layers.LSTM(3, return_sequences=True)(x) * x[:, :, 1:4] - 0.5
    return k.Model(x, k.layers.Dense(2)(y[:, -1]) + y[:, -1, :2] * 3.0)


def last_states(k):
    """h of layers that return their states, beside their answers and in place of them."""
    L = k.layers
    x = k.Input((6, 3))
    y, h, _ = L.LSTM(4, return_sequences=True, return_state=True)(x)
    _, forward, _, backward, _ = L.Bidirectional(L.LSTM(3, return_sequences=True, return_state=True))(y)
    z, end = L.GRU(3, return_sequences=True, return_state=True, go_backwards=True)(y)
    last, same = L.SimpleRNN(2, return_state=True)(z)
    return k.Model(x, L.Dense(2)(L.Concatenate()([h, forward, backward, end, last, same])))


def extremes(k):
    L = k.layers
    x = k.Input((6, 3))
    y = L.LSTM(4, return_sequences=True)(x)
    three = [L.Dense(3)(y) for _ in range(3)]
    return k.Model(x, L.Concatenate()([L.Maximum()(three), L.Minimum()([*three, x])]))


def all_beside_the_last(k):
    """Heads of several rates, some laid side by side, and what recurrent layers end with."""
    L = k.layers
    x = k.Input((12, 3))
    heads = [L.MaxPooling1D(2)(L.Conv1D(2, size, activation="relu")(x)) for size in (2, 4)]
    ends = [L.LSTM(3)(x), L.GRU(2)(heads[0]), L.GlobalMaxPooling1D()(heads[1])]
    return k.Model(x, L.Dense(2)(L.Concatenate()([*(L.Flatten()(head) for head in heads), *ends])) + L.Dense(2)(L.Flatten()(x)))


def heads_of_two_rates(k):
    L = k.layers
    x = k.Input((12, 3))
    heads = [L.GRU(3)(L.MaxPooling1D(size)(L.Conv1D(2, 2)(x))) for size in (2, 3)]
    return k.Model(x, L.Dense(2)(L.Concatenate()(heads)))


def shuffled(k):
    """The one timestep of LSTM-FCN: an LSTM reads it as a vector, convolutions along its numbers."""
    L = k.layers
    x = k.Input((1, 9))
    y = L.GlobalAveragePooling1D()(L.Conv1D(4, 3, padding="same", activation="relu")(L.Permute((2, 1))(x)))
    return k.Model(x, L.Dense(2)(L.Concatenate()([L.LSTM(3)(x), y])))


def turned_maps(k):
    L = k.layers
    x = k.Input((1, 6, 3))
    y = L.LSTM(3)(L.Reshape((3, 6))(L.Permute((3, 2, 1))(x)))
    return k.Model(x, L.Dense(2)(y))


def gates(k):
    """Every activation that has a word, in cells and behind layers."""
    L = k.layers
    words = (
        "hard_sigmoid",
        "softsign",
        "softplus",
        "elu",
        "selu",
        "gelu",
        "silu",
        "exponential",
        "relu6",
        "leaky_relu",
        "mish",
        "hard_silu",
    )
    dense = [L.Dense(3, activation=word) for word in words]
    layers = [L.ReLU(max_value=1.5), L.ReLU(negative_slope=0.2), L.LeakyReLU(0.1), L.ELU(0.7), L.Activation("hard_sigmoid"), L.Softmax()]
    return k.Sequential([k.Input((6, 3)), *dense, L.LSTM(3, return_sequences=True), *layers])


CASES = {
    "lstm": stacked(lstm(False), lambda L: L.Dense(2)),
    "stack": stacked(lstm(), lambda L: L.Dropout(0.3), lstm(use_bias=False), lambda L: L.Dense(2, activation="softmax")),
    "gru": stacked(lambda L: L.GRU(4, return_sequences=True), lambda L: L.GRU(5, reset_after=False), lambda L: L.Dense(1, use_bias=False)),
    "simple": stacked(lambda L: L.SimpleRNN(4, return_sequences=True), lambda L: L.SimpleRNN(2, activation="relu")),
    "cells": stacked(
        lambda L: L.RNN(L.StackedRNNCells([L.LSTMCell(2), L.GRUCell(3), L.LSTMCell(2)]), return_sequences=True),
        lambda L: L.RNN(L.SimpleRNNCell(3)),
    ),
    "backwards": stacked(lstm(go_backwards=True), lstm(), lstm(False, go_backwards=True)),
    "distributed": stacked(lambda L: L.TimeDistributed(L.Dense(4, activation="tanh")), lstm(False)),
    "normalised": stacked(
        lambda L: L.Rescaling(0.5, offset=[0.1, 0.2, 0.3]),
        lambda L: L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0]),
        lambda L: L.BatchNormalization(),
        lambda L: L.LayerNormalization(),
        lambda L: L.UnitNormalization(),
        lambda L: L.PReLU(shared_axes=[1]),
        lstm(False),
    ),
    "embedded": on_indices(lambda L: L.Embedding(9, 4, mask_zero=True), lstm(), lstm(False), lambda L: L.Dense(3)),
    "masked": stacked(lambda L: L.Masking(), lstm(), lambda L: L.Bidirectional(L.GRU(2, return_sequences=True))),
    "mean of unmasked": on_indices(
        lambda L: L.Embedding(9, 4, mask_zero=True),
        lambda L: L.Bidirectional(L.LSTM(3, return_sequences=True)),
        lambda L: L.GlobalAveragePooling1D(),
        lambda L: L.Dense(2),
    ),
    "largest, masked or not": on_indices(
        lambda L: L.Embedding(9, 4, mask_zero=True),
        lambda L: L.LSTM(3, return_sequences=True),
        lambda L: L.GlobalMaxPooling1D(),
    ),
    "merged": stacked(
        *(lambda L, m=m: L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode=m) for m in ("sum", "mul", "ave", "concat"))
    ),
    "merged ends": stacked(lambda L: L.Bidirectional(L.GRU(4), merge_mode="mul"), lambda L: L.Dense(2)),
    "ends": stacked(lambda L: L.Bidirectional(L.SimpleRNN(4), backward_layer=L.SimpleRNN(4, go_backwards=True)), lambda L: L.Dense(2)),
    "both sides": stacked(
        lambda L: L.Conv1D(4, 4, padding="same", dilation_rate=2, activation="relu"),
        lambda L: L.Conv1D(5, 3, padding="same", strides=2),
        lambda L: L.ZeroPadding1D((1, 2)),
        lambda L: L.Conv1D(3, 4),
        lstm(False),
    ),
    "filters": stacked(
        lambda L: L.SeparableConv1D(4, 3, padding="same", depth_multiplier=2, activation="tanh"),
        lambda L: L.DepthwiseConv1D(2, depth_multiplier=2, use_bias=False),
        lambda L: L.Conv1D(6, 2, groups=2, padding="causal"),
        lambda L: L.ZeroPadding1D((1, 0)),
        lambda L: L.AveragePooling1D(2, strides=1),
        lstm(),
        lambda L: L.GlobalAveragePooling1D(),
    ),
    "branches": branches,
    "all beside the last": all_beside_the_last,
    "heads of two rates": heads_of_two_rates,
    "shuffled": shuffled,
    "turned maps": turned_maps,
    "rows of a vector": of_shape((12,), lambda L: L.Reshape((4, 3)), lambda L: L.Bidirectional(L.GRU(3)), lambda L: L.Dense(2)),
    "last states": last_states,
    "extremes": extremes,
    "models in models": models_in_models,
    "operators": operators,
    "activations": gates,
    "maps": of_shape(
        (6, 5, 4, 2),
        lambda L: L.ConvLSTM2D(3, 3, padding="same", return_sequences=True),
        lambda L: L.MaxPooling3D((1, 2, 1)),
        lambda L: L.ConvLSTM2D(2, 2),
        lambda L: L.Flatten(),
    ),
    "rows": of_shape((6, 9, 2), lambda L: L.ConvLSTM1D(3, 3, strides=2, return_sequences=True), each(lambda L: L.Flatten()), lstm()),
    "frames": of_shape(
        (6, 8, 7, 2),
        each(lambda L: L.Conv2D(4, 3, padding="same", strides=(1, 2), activation="relu")),
        each(lambda L: L.BatchNormalization()),
        each(lambda L: L.MaxPooling2D()),
        each(lambda L: L.Conv2D(4, (2, 1), groups=2)),
        each(lambda L: L.GlobalAveragePooling2D()),
        lstm(),
    ),
    "features": of_shape(
        (6, 9, 2),
        each(lambda L: L.Conv1D(4, 3, activation="tanh")),
        each(lambda L: L.AveragePooling1D(2)),
        each(lambda L: L.GlobalMaxPooling1D()),
        lstm(False),
    ),
    "spectrogram": of_shape(
        (8, 9, 1),
        lambda L: L.Conv2D(3, (3, 4), padding="same", strides=(1, 2), activation="relu"),
        lambda L: L.BatchNormalization(),
        lambda L: L.MaxPooling2D((2, 2)),
        lambda L: L.Conv2D(2, (2, 2), dilation_rate=(2, 1)),
        lambda L: L.Reshape((-1, 2)),
        lstm(),
    ),
}


@pytest.mark.parametrize("form", ["keras", "h5"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:Layer 'global_max:UserWarning")
def test_a_file_answers_as_keras(keras, tmp_path, rng, case, form):
    model = drawn(CASES[case](keras), rng)
    model.compile("adam", "mse")  # the optimizer's numbers are not the network's
    model.save(tmp_path / f"model.{form}")
    shape = model.input_shape[1:]
    one = case == "rows of a vector"
    xs = IDS if len(shape) == 1 and not one else rng.uniform(-1, 1, shape).astype(np.float32)
    if case == "masked":
        xs[[0, 4]] = 0
    found = answers(el.load(tmp_path / f"model.{form}"), xs[None] if one else xs)
    close(found, keras.ops.convert_to_numpy(model(xs[None]))[0])


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


def edited(tmp_path, change, form="h5", model="both_directions"):
    """A file of Keras 2 with its configuration changed, and the message of its refusal."""
    path = tmp_path / f"model.{form}"
    path.write_bytes(KERAS2.read(f"{model}.{form}"))
    if form == "h5":
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config["config"]["layers"], file)
            file.attrs["model_config"] = json.dumps(config)
    else:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(parts["config.json"])
        change(config["config"]["layers"], parts)
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**parts, "config.json": json.dumps(config)}.items():
                archive.writestr(name, data)
    with pytest.raises(el.EdgeLSTMError) as caught:
        el.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def setting(index, **settings):
    """Change settings of a layer, of the one it holds where it holds one."""

    def change(layers, _):
        config = layers[index]["config"]
        (config["layer"]["config"] if "layer" in config else config).update(settings)

    return change


def replaced(index, **entries):
    return lambda layers, _: layers[index].update(entries)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replaced(1, class_name="Lambda", config={"name": "shift", "function": ["4wEAAAA=", None, None]}), ["'shift' (Lambda)", "not run"]),
        (replaced(1, class_name="AttentionWeightedAverage"), ["AttentionWeightedAverage", "not imported", "LSTM"]),
        (replaced(1, class_name="LSTM", module="mylayers.cells"), ["mylayers.cells", "would not be run"]),
        (replaced(1, class_name="Custom>LSTM", registered_name="Custom>LSTM"), ["Custom>LSTM"]),
        (setting(1, units=4), ["kernel", "(3, 16)", "(3, 12)"]),
        (setting(1, units="3"), ["units", "whole numbers"]),
        (setting(1, recurrent_activation="swoosh"), ["recurrent_activation", "swoosh", "hard_sigmoid"]),
        (setting(1, activation={"class_name": "function", "config": "mine"}), ["'mine'"]),
        (setting(1, layer_norm=True), ["layer_norm"]),
        (setting(1, use_bias=False), ["should have 4 arrays", "holds 6"]),
        (setting(1, go_backwards=True), ["forward half"]),
        (replaced(1, class_name="TimeDistributed"), ["should have 3 arrays"]),
        (setting(2, axis=[1]), ["axis", "[1]"]),
        (replaced(0, config={"batch_input_shape": [None, None, "3"]}), ["shape"]),
        (replaced(0, config={}), ["shape"]),
        (replaced(6, class_name="RepeatVector", config={"n": 5000}), ["repeats its input 5000 times"]),
        (lambda layers, file: layers.pop(), ["belong to no layer", "dense_2"]),
        (lambda layers, file: layers.clear(), ["lists no layers"]),
        (lambda layers, file: file["model_weights"].pop("layer_normalization"), ["layer_normalization", "holds 0"]),
    ],
)
def test_what_is_not_honoured_is_refused_with_its_layer(tmp_path, change, words):
    message = edited(tmp_path, change)
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda layers, parts: parts.pop("metadata.json"), ["lacks metadata.json"]),
        (lambda layers, parts: parts.update({"model.weights.h5": b"nothing"}), ["damaged HDF5"]),
        (lambda layers, parts: layers.pop(), ["belong to no layer", "layers/dense/vars/0"]),
        (setting(1, use_bias=False), ["forward_layer/cell/vars/2"]),
    ],
)
def test_damaged_archives_are_refused(tmp_path, change, words):
    message = edited(tmp_path, change, "keras")
    for word in words:
        assert word in message, message


def test_states_from_elsewhere_and_tensors_beside_the_answers_are_refused(keras, tmp_path):
    L = keras.layers
    x = keras.Input((6, 3))
    y, h, c = L.LSTM(4, return_sequences=True, return_state=True)(x)
    keras.Model(x, y).save(tmp_path / "kept.keras")
    assert el.load(tmp_path / "kept.keras").output_size == 4
    keras.Model(x, [y, c]).save(tmp_path / "given.keras")
    with pytest.raises(el.UnsupportedModelError, match="its tensor 2 is used, a state"):
        el.load(tmp_path / "given.keras")
    keras.Model(x, L.LSTM(4)(x, initial_state=[h, c])).save(tmp_path / "taken.keras")
    with pytest.raises(el.UnsupportedModelError, match="initial_state"):
        el.load(tmp_path / "taken.keras")


def test_several_inputs_are_one_sample_in_the_files_order(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(KERAS2.read("nested.h5"))
    taken = import_file(path)
    assert taken.model.input_size == 5
    assert any("a (2), b (3)" in note for note in taken.notes)
    assert any("2 outputs stand side by side" in note for note in taken.notes)


def test_without_h5py_the_way_to_it_is_told(tmp_path, monkeypatch):
    path = tmp_path / "model.h5"
    path.write_bytes(KERAS2.read("stateful.h5"))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(el.UnsupportedModelError, match=r'pip install "edgelstm\[convert\]"'):
        el.load(path)


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
