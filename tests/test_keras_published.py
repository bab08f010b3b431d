"""Layers of published packages in files of Keras 2: what they compute is made here of Keras' own layers."""

import json
import os

import numpy as np
import pytest
from keras_nets import answers, close

import edgelstm as el
from edgelstm.importers import import_file

h5py = pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

#: Settings of keras-contrib's layer.
CRF = {
    "units": 4,
    "learn_mode": "join",
    "test_mode": "viterbi",
    "use_boundary": True,
    "use_bias": True,
    "sparse_target": False,
    "activation": "tanh",
    "chain_initializer": "orthogonal",
    "input_dim": None,
}


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def written(path, kind, config, arrays, shape=(7, 3)):
    """A file of Keras 2 with one layer."""
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, *shape]}, "name": "x", "inbound_nodes": []},
        {"class_name": kind, "config": {"name": "own", **config}, "name": "own", "inbound_nodes": [[["x", 0, 0, {}]]]},
    ]
    model = {"name": "model", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["own", 0, 0]]}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.2.4"
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": model})
        group = file.create_group("model_weights/own")
        group.attrs["weight_names"] = [f"own/{name}:0".encode() for name in arrays]
        file["model_weights"].attrs["layer_names"] = [b"x", b"own"]
        file["model_weights"].create_group("x").attrs["weight_names"] = np.zeros(0, "S1")
        for name, values in arrays.items():
            group[f"own/{name}:0"] = np.asarray(values, np.float32)
    return path


def test_scores_of_labels_stand_before_the_path_that_a_crf_decodes(keras, tmp_path, rng):
    xs, kernel, bias = rng.uniform(-1, 1, (7, 3)), rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, 4)
    arrays = {"kernel": kernel, "chain_kernel": np.eye(4), "bias": bias, "left_boundary": np.ones(4), "right_boundary": np.ones(4)}
    found = import_file(written(tmp_path / "model.h5", "CRF", CRF, arrays))
    close(answers(found.model, xs), keras.ops.convert_to_numpy(keras.ops.tanh(keras.ops.convert_to_tensor(xs @ kernel + bias))))
    assert any("CRF" in note for note in found.notes)


@pytest.mark.parametrize(("kind", "bias"), [("AttentionWeightedAverage", None), ("SeqWeightedAttention", 0.3)])
def test_timesteps_are_weighted_by_a_softmax_of_one_score_each(keras, tmp_path, rng, kind, bias):
    ops, xs, weight = keras.ops, rng.uniform(-1, 1, (7, 3)), rng.uniform(-2, 2, (3, 1))
    arrays = {"own_W": weight} | ({} if bias is None else {"own_b": [bias]})
    config = {"return_attention": False} | ({} if bias is None else {"use_bias": True})
    scores = ops.softmax(ops.convert_to_tensor(xs @ weight), axis=0)
    expected = ops.sum(scores * ops.convert_to_tensor(xs), axis=0)
    close(answers(el.load(written(tmp_path / "model.h5", kind, config, arrays)), xs), ops.convert_to_numpy(expected))


@pytest.mark.parametrize("axis", [2, -1])
def test_an_axis_of_length_one_is_taken_from_a_map(keras, tmp_path, rng, axis):
    xs = rng.uniform(-1, 1, (7, 1, 3) if axis == 2 else (7, 3, 1))
    squeezed = keras.ops.squeeze(keras.ops.convert_to_tensor(xs[None]), axis)
    model = el.load(written(tmp_path / "model.h5", "SqueezeLayer", {"axis": axis}, {}, xs.shape))
    close(answers(model, xs.reshape(7, 3)), keras.ops.convert_to_numpy(squeezed)[0])
    with pytest.raises(el.EdgeLSTMError, match="takes the axis"):
        el.load(written(tmp_path / "long.h5", "SqueezeLayer", {"axis": axis}, {}, (7, 3, 3)))


@pytest.mark.parametrize(
    ("kind", "config", "arrays", "words"),
    [
        ("AttentionWeightedAverage", {"return_attention": True}, {"W": np.ones((3, 1))}, "does not return its shares"),
        (
            "CRF",
            {"units": 4, "use_boundary": False, "use_bias": False},
            {"kernel": np.ones((3, 4)), "chain_kernel": np.eye(4)},
            "keras-contrib",
        ),
        ("SeqWeightedAttention", {"scaled": True}, {"W": np.ones((3, 1)), "b": [0]}, "scaled"),
    ],
)
def test_what_a_class_of_that_name_does_otherwise_is_refused(tmp_path, kind, config, arrays, words):
    with pytest.raises(el.EdgeLSTMError, match=words):
        el.load(written(tmp_path / "model.h5", kind, config, arrays))
