"""Networks of Keras as people write them: states that the caller carries, models within models, the layouts of older archives."""

import io
import os
import zipfile

import numpy as np
import pytest
from keras_nets import KERAS2, answers, close, drawn

import edgelstm as el

h5py = pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def archive_with(weights):
    """The golden archive of TensorFlow 2.13 with other weights."""
    with zipfile.ZipFile(io.BytesIO(KERAS2.read("layout.keras"))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        for name, part in {**parts, "model.weights.h5": weights(parts["model.weights.h5"])}.items():
            archive.writestr(name, part)
    return found.getvalue()


def rewritten(name):
    """The arrays of a file of weights, and groups that have none, under other names of the groups of layers."""

    def change(weights):
        found = io.BytesIO()
        with h5py.File(io.BytesIO(weights)) as old, h5py.File(found, "w") as new:
            places: list[str] = []
            old.visit(places.append)
            for layer in (path.removesuffix("/vars") for path in places if path.endswith("/vars")):
                group = new.require_group(f"{name(layer)}/vars")
                for number, array in old[layer]["vars"].items():
                    group[number] = array[()]
        return found.getvalue()

    return change


def test_archives_that_windows_wrote(tmp_path):
    (tmp_path / "model.keras").write_bytes(archive_with(rewritten(lambda layer: layer.replace("/", "\\"))))
    with np.load(io.BytesIO(KERAS2.read("layout.npz"))) as file:
        close(answers(el.load(tmp_path / "model.keras"), file["x0"]), file["y0"])


def test_two_arrays_at_one_place_are_refused(tmp_path):
    def change(weights):
        with h5py.File(buffer := io.BytesIO(weights), "r+") as file:
            attention = file["_layer_checkpoint_dependencies/multi_head_attention"]
            attention.copy("_query_dense", "query_dense")
        return buffer.getvalue()

    (tmp_path / "model.keras").write_bytes(archive_with(change))
    with pytest.raises(el.ModelFileError, match="two arrays at one place"):
        el.load(tmp_path / "model.keras")


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_states_that_the_caller_carries_are_the_streams(keras, tmp_path, rng, cell):
    L = keras.layers
    x, token = keras.Input((1, 3), name="x"), keras.Input((2,), name="beside")
    states = [keras.Input((4,), name=f"state{number}") for number in range(2 if cell == "LSTM" else 1)]
    y, *ended = getattr(L, cell)(4, return_state=True)(x, initial_state=states)
    model = drawn(keras.Model([x, *states, token], [L.Dense(2)(L.Concatenate()([y, token])), *ended]), rng)
    model.save(tmp_path / "model.keras")
    xs, beside = rng.uniform(-1, 1, (7, 3)).astype(np.float32), rng.uniform(-1, 1, (7, 2)).astype(np.float32)
    expected, carried = [], [np.zeros((1, 4), np.float32)] * len(states)
    for row, other in zip(xs, beside, strict=True):
        found, *carried = (keras.ops.convert_to_numpy(v) for v in model([row[None, None], *carried, other[None]]))
        expected.append(found[0])
    taken = el.load(tmp_path / "model.keras")
    assert taken.stateful is True
    close(answers(taken, np.concatenate([xs, beside], axis=1)), expected)


def test_a_state_that_is_not_handed_back_is_refused(keras, tmp_path):
    x, state = keras.Input((5, 3)), keras.Input((4,))
    y, h = keras.layers.GRU(4, return_state=True, return_sequences=True)(x, initial_state=state)
    keras.Model([x, state], [keras.layers.Dense(2)(y), keras.layers.Dense(2)(h)]).save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match=r"gru.*tensor 1 is used"):
        el.load(tmp_path / "model.keras")


def test_tables_and_pools_that_begin_a_model(keras, tmp_path, rng):
    """Two sequences of indices through one model, whose table is within it; and windows of a sequence before any array."""
    L = keras.layers
    one = keras.Sequential([keras.Input((5,)), L.Embedding(9, 3, mask_zero=True), L.LSTM(4)])
    a, b = keras.Input((5,)), keras.Input((5,))
    model = drawn(keras.Model([a, b], L.Dense(1)(L.Subtract()([one(a), one(b)]))), rng)
    model.save(tmp_path / "both.keras")
    ids = np.array([[1, 2, 8, 0, 0], [7, 3, 3, 1, 0]], np.float32)
    found = answers(el.load(tmp_path / "both.keras"), ids.T)
    close(found, keras.ops.convert_to_numpy(model([ids[:1], ids[1:]]))[0])
    model = drawn(keras.Sequential([keras.Input((8, 3)), L.AveragePooling1D(2), L.MaxPooling1D(2), L.LSTM(4), L.Dense(2)]), rng)
    model.save(tmp_path / "pooled.keras")
    xs = rng.uniform(-1, 1, (8, 3)).astype(np.float32)
    close(answers(el.load(tmp_path / "pooled.keras"), xs), keras.ops.convert_to_numpy(model(xs[None]))[0])


def test_functions_beside_layers(keras, tmp_path, rng):
    """Those of Keras 3; the golden files have TensorFlow's."""
    L, ops = keras.layers, keras.ops
    x = keras.Input((6, 4))
    y = L.LSTM(4, return_sequences=True)(x)
    left, right = ops.split(ops.concatenate([y, ops.flip(x, 1)], -1), [5], -1)
    heads = ops.reshape(ops.stack([right, ops.cast(ops.square(right), "float32")], -1), [-1, 6, 6])
    z = ops.concatenate([ops.clip(left, -0.2, 0.3), heads / (ops.abs(heads) + 1.0), ops.sqrt(left**2 + 0.1)], -1)
    z = ops.concatenate([ops.normalize(z), ops.maximum(z, 0.1), ops.minimum(0.2, 1.0 / (1.0 + z**2)), ops.log(ops.abs(left) + 0.5)], 2)
    model = drawn(keras.Model(x, L.Dense(3)(ops.flip(z[..., 1:], 2))), rng)
    model.save(tmp_path / "model.keras")
    xs = rng.uniform(-1, 1, (6, 4)).astype(np.float32)
    close(answers(el.load(tmp_path / "model.keras"), xs), keras.ops.convert_to_numpy(model(xs[None]))[0])


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda ops, y: ops.cast(y, "float16"), "numbers of float16"),
        (lambda ops, y: y**3, "to the power 3"),
        (lambda ops, y: ops.normalize(y, order=1), "norm of order 1"),
    ],
)
def test_functions_that_are_refused(keras, tmp_path, call, named):
    x = keras.Input((6, 3))
    keras.Model(x, call(keras.ops, keras.layers.LSTM(4, return_sequences=True)(x))).save(tmp_path / "model.keras")
    with pytest.raises(el.UnsupportedModelError, match=named):
        el.load(tmp_path / "model.keras")


def test_directions_and_axes(keras, tmp_path, rng):
    """What a layer from the recording's end gives, of all steps and of its last; means and extremes along each axis, by both counts."""
    L, ops = keras.layers, keras.ops
    x = keras.Input((5, 4))
    y = L.Reshape((5, 2, 2))(L.LSTM(4, go_backwards=True, return_sequences=True)(x))
    z = L.Reshape((5, 2, 3))(L.RNN([L.GRUCell(3), L.LSTMCell(6)], go_backwards=True, return_sequences=True)(x))
    means = [ops.mean(z, 2), ops.mean(z, -2), ops.max(z, 3), ops.sum(z, [-1]), ops.mean(y, -1), ops.max(y, axis=2)]
    ends = [layer(5, go_backwards=True)(x) for layer in (L.GRU, L.SimpleRNN)]
    flat = L.Concatenate()([*means, ops.mean(L.Concatenate()(means), -1, keepdims=True)])
    heads = [*ends, L.LSTM(2)(flat), flat[:, 0], ops.mean(flat, 1), ops.max(flat, -2), ops.sum(flat, [1]), L.GlobalMaxPooling1D()(flat)]
    model = drawn(keras.Model(x, L.Dense(3)(L.Concatenate()(heads))), rng)
    model.save(tmp_path / "model.keras")
    xs = rng.uniform(-1, 1, (5, 4)).astype(np.float32)
    close(answers(el.load(tmp_path / "model.keras"), xs), keras.ops.convert_to_numpy(model(xs[None]))[0])


@pytest.mark.parametrize("form", ["begun", "beside"])
def test_captions_of_a_picture(keras, tmp_path, rng, form):
    """A vector for the whole sentence: the state that a decoder of words begins in, or beside each of its words."""
    L = keras.layers
    picture, words = keras.Input((5,), name="picture"), keras.Input((6,), name="words")
    y, h = L.Embedding(9, 4)(words), L.Dense(3, activation="tanh")(picture)
    if form == "begun":
        y = L.LSTM(3, return_sequences=True)(y, initial_state=[h, L.Dense(3)(picture)])
    else:
        y = L.GRU(3)(L.Concatenate()([L.RepeatVector(6)(h), y]))
    model = drawn(keras.Model([picture, words], L.Dense(2)(y)), rng)
    model.save(tmp_path / "model.keras")
    x, ids = rng.uniform(-1, 1, (1, 5)).astype(np.float32), rng.integers(0, 9, (1, 6)).astype(np.float32)
    found = answers(el.load(tmp_path / "model.keras"), np.concatenate([np.repeat(x, 6, 0), ids.T], 1))
    expected = keras.ops.convert_to_numpy(model([x, ids]))[0]
    close(found.reshape(expected.shape) if form == "begun" else found, expected)


@pytest.mark.parametrize("steps", [4, None])
def test_a_map_beside_a_sequence(keras, tmp_path, rng, steps):
    L = keras.layers
    picture, x = keras.Input((6, 5, 1), name="picture"), keras.Input((steps, 3), name="x")
    y = L.Concatenate()([L.Flatten()(L.Conv2D(2, 3, activation="relu")(picture)), L.LSTM(4)(x)])
    model = drawn(keras.Model([picture, x], L.Dense(2)(y)), rng)
    model.save(tmp_path / "model.keras")
    one, rows = rng.uniform(-1, 1, (1, 6, 5, 1)).astype(np.float32), rng.uniform(-1, 1, (4, 3)).astype(np.float32)
    found = answers(el.load(tmp_path / "model.keras"), np.concatenate([np.repeat(one.reshape(1, -1), 4, 0), rows], 1))
    close(found[-1:], keras.ops.convert_to_numpy(model([one, rows[None]])))


def test_inputs_and_outputs_by_name_stand_in_the_order_of_their_names(keras, tmp_path, rng):
    L = keras.layers
    b, a = keras.Input((4, 2), name="b"), keras.Input((4, 3), name="a")
    y = L.LSTM(3, return_sequences=True)(L.Concatenate()([b, a]))
    model = drawn(keras.Model({"b": b, "a": a}, {"z": L.Dense(2, name="z")(y), "c": L.Dense(1, name="c")(y)}), rng)
    model.save(tmp_path / "model.keras")
    one, two = (rng.uniform(-1, 1, (4, n)).astype(np.float32) for n in (3, 2))
    expected = {name: keras.ops.convert_to_numpy(v)[0] for name, v in model({"a": one[None], "b": two[None]}).items()}
    taken = el.load(tmp_path / "model.keras")
    assert taken.input_names == ("a[0]", "a[1]", "a[2]", "b[0]", "b[1]")
    close(answers(taken, np.concatenate([one, two], 1)), np.concatenate([expected["c"], expected["z"]], 1))
