"""What of Keras' files is not honoured is refused with its layer."""

import io
import json
import os
import sys
import zipfile

import pytest
from keras_nets import KERAS2

import edgelstm as el
from edgelstm.importers.from_keras import store

h5py = pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


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
        (replaced(1, class_name="HierarchicalAttention"), ["HierarchicalAttention", "not imported", "LSTM"]),
        (replaced(1, class_name="LSTM", module="mylayers.cells"), ["mylayers.cells", "would not be run"]),
        (replaced(1, class_name="Custom>LSTM", registered_name="Custom>LSTM"), ["Custom>LSTM"]),
        (setting(1, units=4), ["kernel", "(3, 16)", "(3, 12)"]),
        (setting(1, units="3"), ["units", "whole numbers"]),
        (setting(1, recurrent_activation="swoosh"), ["recurrent_activation", "swoosh", "hard_sigmoid"]),
        (setting(1, activation={"class_name": "function", "config": "mine"}), ["'mine'"]),
        (setting(1, layer_norm=True), ["layer_norm"]),
        (replaced(1, class_name="MaxPooling2D", config={"name": "p", "pool_size": [0, 1], "strides": [1, 0]}), ["'p' (MaxPooling2D)"]),
        (setting(1, use_bias=False), ["should have 4 arrays", "holds 6"]),
        (setting(1, go_backwards=True), ["forward half"]),
        (replaced(1, class_name="TimeDistributed"), ["should have 3 arrays"]),
        (
            replaced(3, class_name="GroupNormalization", config={"name": "g", "groups": 0, "scale": False, "center": False}),
            ["GroupNormalization", "one vector a timestep"],
        ),
        (setting(2, axis=[1]), ["axis 1", "none of one timestep"]),
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
    y, _, _ = L.LSTM(4, return_sequences=True, return_state=True)(x)
    keras.Model(x, y).save(tmp_path / "kept.keras")
    assert el.load(tmp_path / "kept.keras").output_size == 4
    _, _, memory = L.LSTM(4, return_state=True)(L.Masking()(x))
    keras.Model(x, memory).save(tmp_path / "given.keras")
    with pytest.raises(el.UnsupportedModelError, match="its tensor 2 is used, a state"):
        el.load(tmp_path / "given.keras")
    z = keras.Input((None, 3))
    _, h, c = L.LSTM(4, return_state=True)(z)
    keras.Model(z, L.LSTM(4)(z, initial_state=[h, c])).save(tmp_path / "taken.keras")
    with pytest.raises(el.UnsupportedModelError, match="begins with a state"):
        el.load(tmp_path / "taken.keras")


def test_without_h5py_the_way_to_it_is_told(tmp_path, monkeypatch):
    path = tmp_path / "model.h5"
    path.write_bytes(KERAS2.read("stateful.h5"))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(el.UnsupportedModelError, match=r'pip install "edgelstm\[convert\]"'):
        el.load(path)


@pytest.mark.parametrize(
    ("compression", "size", "refused"),
    [(zipfile.ZIP_STORED, 9 << 20, False), (zipfile.ZIP_DEFLATED, 9 << 20, True), (zipfile.ZIP_DEFLATED, 1 << 20, False)],
)
def test_weights_may_be_as_large_as_their_bytes_in_the_archive_tell(compression, size, refused):
    """A network of hundreds of megabytes is stored as it is; what is large and hardly in the archive at all is a bomb."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        archive.writestr("model.weights.h5", bytes(size))
    with zipfile.ZipFile(data) as archive:
        if refused:
            with pytest.raises(el.ModelFileError, match=r"model\.weights\.h5 has 9437184 bytes; at most 8388608 make sense"):
                store._part(archive, "model.weights.h5")
        else:
            assert len(store._part(archive, "model.weights.h5")) == size
