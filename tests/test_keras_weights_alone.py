"""Weights of Keras without a description: what sizes and names settle, a description beside them, a recipe, and what is asked."""

import json

import numpy as np
import pytest
from keras_nets import answers, close, drawn
from test_from_keras import keras  # noqa: F401

import edgelstm as el
from edgelstm.importers import draft_recipe, import_file

h5py = pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def written(path, groups, layer_names=True):
    """A file as Keras 2 writes it: by layer the names of its arrays, which stand below its group."""
    with h5py.File(path, "w") as file:
        if layer_names:
            file.attrs["layer_names"] = [name.encode() for name in groups]
        for layer, arrays in groups.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                group[name] = array
    return path


def lstm(rng, name, inputs, units):
    shapes = {"kernel": (inputs, 4 * units), "recurrent_kernel": (units, 4 * units), "bias": (4 * units,)}
    return {f"{name}/{part}:0": rng.uniform(-0.5, 0.5, shape).astype(np.float32) for part, shape in shapes.items()}


def test_layers_of_a_model_within_a_model_and_what_is_left_out(tmp_path, rng):
    inside = lstm(rng, "lstm_1", 5, 4) | lstm(rng, "lstm_2", 4, 4)
    dense = {"dense_1/kernel:0": np.ones((1, 1), np.float32), "dense_1/bias:0": np.zeros(1, np.float32)}
    path = written(tmp_path / "w.h5", {"model_1": inside, "dense_1": dense})
    with pytest.raises(el.UnsupportedModelError, match=r'recipe="…".*layers="lstm_1, lstm_2, dense_1:\?"'):
        el.load(path)
    with pytest.raises(el.UnsupportedModelError, match="does not say what its gates"):
        el.load(path, without="dense_1")
    taken = import_file(path, without="dense_1", recurrent_activation="sigmoid")
    assert taken.chain == "lstm_1, lstm_2"
    np.testing.assert_array_equal(taken.model.layers[1].weight_hh, inside["lstm_2/recurrent_kernel:0"].T)
    with pytest.raises(
        el.UnsupportedModelError, match=r'layers="lstm_1, lstm_2, dense_1:\?".* Say beside it recurrent_activation="sigmoid"'
    ):
        el.load(path)
    with pytest.raises(el.UnsupportedModelError, match=r"Replace each \? by the activation there, or by embedding\.$"):
        el.load(path, recurrent_activation="sigmoid")
    with pytest.raises(el.UsageError, match="without aux, which it does not hold; it holds lstm_1, lstm_2, dense_1"):
        el.load(path, without="aux")
    with pytest.raises(el.UsageError, match=r'leave out dense_1, .*without="dense_1"'):
        el.load(path, layers="lstm_1, lstm_2", recurrent_activation="sigmoid")


@pytest.mark.parametrize(("kind", "gates"), [("lstm", 4), ("gru", 3)])
def test_weights_of_cudnn_are_told_by_their_bias(kind, gates, tmp_path, rng):
    shapes = {"kernel": (3, 4 * gates), "recurrent_kernel": (4, 4 * gates), "bias": (8 * gates,)}
    arrays = {f"rnn/{part}:0": rng.uniform(-1, 1, shape).astype(np.float32) for part, shape in shapes.items()}
    path = written(tmp_path / "w.h5", {"rnn": arrays})
    (tmp_path / "r.toml").write_text(f'layout = "keras"\n[[layers]]\nkind = "{kind}"\nprefix = "rnn/rnn"')
    xs = rng.normal(size=(9, 3)).astype(np.float32)
    np.testing.assert_array_equal(answers(el.load(path, recipe=tmp_path / "r.toml"), xs), answers(el.load(path), xs))


def test_a_chain_without_settings_is_taken(keras, tmp_path, rng):  # noqa: F811
    """Keras 3 has one default for gates; groups stand in the file by their names, not in the order of the network."""
    L = keras.layers
    stack = [L.Embedding(7, 5), L.LSTM(4, return_sequences=True), L.GRU(4, return_sequences=True), L.Bidirectional(L.GRU(3))]
    ids = rng.integers(0, 7, 6)
    model = drawn(keras.Sequential([keras.Input((6,)), *stack[:2]]), rng)
    model.save_weights(tmp_path / "chain.weights.h5")
    taken = import_file(tmp_path / "chain.weights.h5")
    assert taken.chain == "embedding, lstm"
    assert any("sigmoid, as Keras has it by default" in note for note in taken.notes)
    assert any("give sequences without padding" in note for note in taken.notes)
    close(answers(taken.model, ids), keras.ops.convert_to_numpy(model(ids[None]))[0])
    model = drawn(keras.Sequential([keras.Input((6,)), *stack, L.Dense(2, "tanh")]), rng)
    model.save_weights(tmp_path / "head.weights.h5")
    with pytest.raises(el.UnsupportedModelError, match=r'layers="embedding, lstm, gru, bidirectional, dense:\?"') as caught:
        el.load(tmp_path / "head.weights.h5")
    said = (
        str(caught.value).partition('layers="')[2].partition('"')[0].replace("?", "tanh").replace("bidirectional", "bidirectional, final")
    )
    close(answers(el.load(tmp_path / "head.weights.h5", layers=said), ids), keras.ops.convert_to_numpy(model(ids[None]))[0])
    draft = draft_recipe(tmp_path / "head.weights.h5")
    for before, after in (('# activation = "relu"', 'activation = "tanh"'), ("# final = true", "final = true"), ("# reset", "reset")):
        draft = draft.replace(before, after)
    parts = {part.partition('prefix = "layers/')[2].split('"')[0].split("/")[0]: part for part in draft.split("\n\n") if "kind" in part}
    order = ["embedding", "lstm", "gru", "bidirectional", "dense"]
    assert sorted(parts) == sorted(order)
    (tmp_path / "r.toml").write_text('layout = "keras"\n' + "\n\n".join(parts[name] for name in order))
    close(answers(el.load(tmp_path / "head.weights.h5", recipe=tmp_path / "r.toml"), ids), keras.ops.convert_to_numpy(model(ids[None]))[0])


def test_the_attributes_of_a_class_are_groups_too(keras, tmp_path, rng):  # noqa: F811
    class Encoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.table, self.rnn = keras.layers.Embedding(7, 5), keras.layers.LSTM(4, return_sequences=True)

        def call(self, ids):
            return self.rnn(self.table(ids))

    ids, model = rng.integers(0, 7, 6), Encoder()
    model(ids[None])
    drawn(model, rng).save_weights(tmp_path / "encoder.weights.h5")
    expected = keras.ops.convert_to_numpy(model(ids[None]))[0]
    close(answers(el.load(tmp_path / "encoder.weights.h5"), ids), expected)
    with h5py.File(tmp_path / "encoder.weights.h5", "r+") as file:
        file.move("layers/embedding", "table")
    with pytest.raises(el.UnsupportedModelError, match=r'layers="table:\?, lstm".*or by embedding'):
        el.load(tmp_path / "encoder.weights.h5")
    close(answers(el.load(tmp_path / "encoder.weights.h5", layers="table:embedding, lstm"), ids), expected)


def test_a_description_beside_the_weights_says_everything(keras, tmp_path, rng):  # noqa: F811
    L = keras.layers
    x = keras.Input((6, 3))
    y = L.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid")(x)
    model = drawn(keras.Model(x, L.Dense(2, "softmax")(L.Concatenate()([x, y]))), rng)
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    xs = rng.uniform(-1, 1, (6, 3)).astype(np.float32)
    close(
        answers(el.load(tmp_path / "model.weights.h5", recipe=tmp_path / "model.json"), xs), keras.ops.convert_to_numpy(model(xs[None]))[0]
    )
    model.save(tmp_path / "whole.keras")
    with pytest.raises(el.UsageError, match="says itself what its layers are; leave out recipe"):
        el.load(tmp_path / "whole.keras", recipe=tmp_path / "model.json")
    np.savez(tmp_path / "a.npz", w=np.ones((2, 2)))
    with pytest.raises(el.UsageError, match="is for Keras' files of weights alone"):
        el.load(tmp_path / "a.npz", recipe=tmp_path / "model.json")
    description = json.loads(model.to_json())
    description["config"]["layers"][1]["config"]["units"] = 5
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(el.EdgeLSTMError):
        el.load(tmp_path / "model.weights.h5", recipe=tmp_path / "model.json")
    for text in ('{"class_name": "Model"}', "{", '{"layers": 3}'):
        (tmp_path / "model.json").write_text(text)
        with pytest.raises(el.ModelFileError):
            el.load(tmp_path / "model.weights.h5", recipe=tmp_path / "model.json")


def test_a_description_of_keras_2_tells_its_version(tmp_path, rng):
    arrays = lstm(rng, "lstm_1", 3, 4)
    path = written(tmp_path / "w.h5", {"lstm_1": arrays})
    config = {"name": "lstm_1", "units": 4, "return_sequences": True, "activation": "tanh", "recurrent_activation": "hard_sigmoid"}
    layers = [{"class_name": "LSTM", "config": {**config, "batch_input_shape": [None, None, 3]}}]
    document = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}, "keras_version": "2.2.4", "backend": "tensorflow"}
    (tmp_path / "m.json").write_text(json.dumps(document))
    model = el.load(path, recipe=tmp_path / "m.json")
    assert model.layers[0].gate_activation == "hard_sigmoid(0.2, 0.5)"
    np.testing.assert_array_equal(model.layers[0].weight_ih, arrays["lstm_1/kernel:0"].T)
