"""The layer of the package keras-tcn, whose blocks Keras' own layers make here; and descriptions beside files of weights."""

import json
import os

import numpy as np
import pytest
from keras_nets import answers, close, drawn

import edgelstm as el
from edgelstm.importers import import_file

h5py = pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving:UserWarning")


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def blocks(k, x, config):
    """The network that ``tcn.TCN.call`` of keras-tcn is, of Keras' layers, in the order of the layer's arrays."""
    L, sums, newer = k.layers, [], "use_weight_norm" in config
    word = config["activation"]
    made = []
    for dilation, filters in zip(config["dilations"], config["nb_filters"], strict=True):
        y = x
        for _ in range(2):
            made.append(L.Conv1D(filters, config["kernel_size"], dilation_rate=dilation, padding=config["padding"]))
            y = made[-1](y)
            if config["use_layer_norm"]:
                made.append(L.LayerNormalization())
                y = made[-1](y)
            y = L.Activation(word if newer else "relu")(y)
        y = L.Activation(word)(y) if newer else y
        if x.shape[-1] != filters:
            made.append(L.Conv1D(filters, 1))
            x = made[-1](x)
        x = L.Activation(word)(L.Add()([x, y]))
        sums.append(y)
    return (L.Add()(sums) if config["use_skip_connections"] else x), made


def written(path, config, made, shape):
    """A file of Keras 2 that holds the layer with the arrays of these."""
    arrays = [(f"tcn/{layer.name}/{weight.name}:0", np.asarray(weight)) for layer in made for weight in layer.weights]
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, *shape]}, "name": "x", "inbound_nodes": []},
        {"class_name": "TCN", "config": {"name": "tcn", **config}, "name": "tcn", "inbound_nodes": [[["x", 0, 0, {}]]]},
    ]
    model = {"name": "model", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["tcn", 0, 0]]}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.4.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": model})
        group = file.create_group("model_weights/tcn")
        group.attrs["weight_names"] = [name.encode() for name, _ in arrays]
        file["model_weights"].attrs["layer_names"] = [b"x", b"tcn"]
        file["model_weights"].create_group("x").attrs["weight_names"] = np.zeros(0, "S1")
        for name, values in arrays:
            group[name] = values


PLAIN = {
    "nb_filters": [4, 4, 5],
    "kernel_size": 2,
    "nb_stacks": 1,
    "dilations": [1, 2, 4],
    "padding": "causal",
    "use_skip_connections": False,
    "dropout_rate": 0.2,
    "return_sequences": True,
    "activation": "tanh",
    "use_batch_norm": False,
    "use_layer_norm": False,
}


@pytest.mark.parametrize(
    "more",
    [
        {"activation": "sigmoid", "use_weight_norm": False},
        {"nb_filters": [4, 4, 4], "use_skip_connections": True, "use_layer_norm": True},
        {"nb_filters": [3, 3, 4], "padding": "same", "use_weight_norm": False},
    ],
)
def test_blocks_answer_as_keras(keras, tmp_path, rng, more):
    config = {**PLAIN, **more}
    x = keras.Input((12, 3))
    y, made = blocks(keras, x, config)
    model = drawn(keras.Model(x, y), rng)
    written(tmp_path / "model.h5", config, made, (12, 3))
    xs = rng.uniform(-1, 1, (12, 3)).astype(np.float32)
    close(answers(el.load(tmp_path / "model.h5"), xs), keras.ops.convert_to_numpy(model(xs[None]))[0])


def test_what_the_file_of_blocks_leaves_open_is_refused(keras, tmp_path):
    config = {**PLAIN, "return_sequences": False, "padding": "same"}
    x = keras.Input((12, 3))
    made = blocks(keras, x, config)[1]
    written(tmp_path / "model.h5", config, made, (12, 3))
    with pytest.raises(el.UnsupportedModelError, match=r"padding 'same', and it gives sequences: False"):
        el.load(tmp_path / "model.h5")
    written(tmp_path / "model.h5", PLAIN, made[2:], (12, 3))
    with pytest.raises(el.ModelFileError, match="should have"):
        el.load(tmp_path / "model.h5")


@pytest.mark.parametrize(
    ("weights", "description"), [("net.weights.h5", "net.json"), ("net.weights.h5", "net_config.json"), ("other.weights.h5", "model.json")]
)
def test_a_description_beside_weights_says_what_they_are(keras, tmp_path, rng, weights, description):
    L = keras.layers
    x = keras.Input((6, 3))
    y = L.LSTM(3, return_sequences=True, recurrent_activation="hard_sigmoid")(x)
    model = drawn(keras.Model(x, L.Dense(2)(L.Bidirectional(L.GRU(2))(y))), rng)
    model.save_weights(tmp_path / weights)
    (tmp_path / description).write_text(model.to_json())
    taken = import_file(tmp_path / weights)
    assert any(description in note for note in taken.notes)
    xs = rng.uniform(-1, 1, (6, 3)).astype(np.float32)
    close(answers(taken.model, xs), keras.ops.convert_to_numpy(model(xs[None]))[0])


def test_a_description_that_weights_do_not_fit_is_named(keras, tmp_path):
    L = keras.layers
    keras.Sequential([keras.Input((6, 3)), L.LSTM(3)]).save_weights(tmp_path / "net.weights.h5")
    (tmp_path / "net.json").write_text(keras.Sequential([keras.Input((6, 3)), L.GRU(3)]).to_json())
    with pytest.raises(el.ModelFileError, match=r"net\.json beside it describes.*'gru"):
        el.load(tmp_path / "net.weights.h5")
    (tmp_path / "net.json").write_text('{"tokens": ["a"]}')
    assert not any("net.json" in note for note in import_file(tmp_path / "net.weights.h5").notes)
