"""Samples that hold several indices, or indices beside measurements: in streams, files and libraries, and as frameworks write them."""

import dataclasses

import numpy as np
import pytest

import edgelstm as el
from edgelstm import device, reference
from edgelstm.importers import import_file

pytestmark = pytest.mark.filterwarnings("ignore")

LIMIT = 1e-5
TABLES = (50, 7)


def tables_model(rng, features=2):
    """A GRU over two tables' rows and some measurements."""

    def uniform(*shape):
        return rng.uniform(-0.6, 0.6, shape)

    width = 8 + features
    joined = ("ids", "classes", "x") if features else ("ids", "classes")
    layers = [
        el.Slice(0, 1, name="id", inputs=("input",)),
        el.Embedding(uniform(TABLES[0], 5), name="ids"),
        el.Slice(1, 2, name="class", inputs=("input",)),
        el.Embedding(uniform(TABLES[1], 3), name="classes"),
        *([el.Slice(2, 2 + features, name="x", inputs=("input",))] if features else []),
        el.GRU(uniform(18, width), uniform(18, 6), uniform(18), uniform(18), inputs=joined),
        el.Dense(uniform(3, 6), uniform(3)),
    ]
    return el.Model(layers, input_names=("id", "class", "a", "b")[: 2 + features])


def samples(rng, steps, features=2):
    columns = [rng.integers(rows, size=(steps, 1)) for rows in TABLES]
    return np.hstack([*columns, rng.normal(size=(steps, features))]).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return tables_model(np.random.default_rng(3))


@pytest.fixture(scope="module")
def library(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "tables.so"
    el.build(model, "host").write(path)
    return path


def by_hand(model, xs):
    """The twin's answers, the tables looked up here: the network behind them alone, on measurements."""
    records = {layer.name: layer for layer in model.layers}
    ids, classes = records["ids"].weight[xs[:, 0].astype(int)], records["classes"].weight[xs[:, 1].astype(int)]
    gru, dense = model.layers[-2:]
    rest = el.Model([dataclasses.replace(gru, inputs=("input",)), dense])
    return reference.run(rest, np.hstack([ids, classes, xs[:, 2:]]))


def test_a_stream_the_twin_and_a_lookup_by_hand_agree(model):
    xs = samples(np.random.default_rng(5), 40)
    expected = by_hand(model, xs)
    assert np.abs(reference.run(model, xs) - expected).max() < 1e-12
    assert np.abs(el.Stream(model).process(xs) - expected).max() < LIMIT
    assert model.vocabularies == (50, 7, 0, 0)
    assert model.takes_index
    assert model.vocabulary_size is None
    assert "indices of 50, 7 and 2 values" in repr(model)


@pytest.mark.parametrize(
    ("channel", "value"), [(0, 50), (0, -1), (0, 2.5), (1, 7), (1, np.nan), (1, 6.5), (2, np.nan), (3, np.inf), (2, -1e38)]
)
def test_each_column_has_its_own_range(model, library, channel, value):
    xs = samples(np.random.default_rng(6), 5)
    bad = xs.copy()
    bad[3, channel] = value
    with np.errstate(over="ignore"):
        for stream in (el.Stream(model), el.Stream(library), device.Stream(library)):
            stream.step(xs[0])
            before = stream.snapshot()
            with pytest.raises(el.InputError, match=f"channel {channel}"):
                stream.step(bad[3])
            with pytest.raises(el.InputError, match="sample 3"):
                stream.process(bad if isinstance(stream, el.Stream) else np.ascontiguousarray(bad))
            assert stream.snapshot() == before


def test_held_samples_keep_the_last_index(model):
    xs = samples(np.random.default_rng(7), 6)
    bad, held = xs.copy(), xs.copy()
    bad[0, 1], bad[4, 0], held[0, 1], held[4, 0] = 7, 99, 0, xs[3, 0]
    stream = el.Stream(model, nan_policy="hold")
    assert np.array_equal(stream.process(bad), el.Stream(model).process(held))
    with pytest.raises(el.UsageError, match="propagate"):
        el.Stream(model, nan_policy="propagate")


def test_files_and_libraries_give_the_same(model, library, tmp_path):
    xs = samples(np.random.default_rng(8), 20)
    el.save(model, tmp_path / "tables.elstm")
    read = el.load(tmp_path / "tables.elstm")
    expected = el.Stream(model).process(xs)
    assert np.array_equal(el.Stream(read).process(xs), expected)
    assert (read.probe.inputs[:, :2].max(axis=0) < TABLES).all()
    assert np.array_equal(el.Stream(library).process(xs), expected)
    assert [list(row) for row in device.Stream(library).process(xs)] == expected.tolist()


def test_a_library_whose_tables_are_others_is_refused(library, tmp_path):
    from edgelstm.runtime.library_file import DIGEST_SIZE, RECORDINGS, TRAILER, WIRES, digest_of

    data = bytearray(library.read_bytes())
    at = len(data) - TRAILER.size - WIRES.size - RECORDINGS.size - 4 * 4
    assert data[at : at + 8] == np.array(TABLES, "<u4").tobytes()
    for place, value in ((0, 51), (4, 0), (8, 9)):
        changed = data.copy()
        changed[at + place : at + place + 4] = value.to_bytes(4, "little")
        body = bytes(changed[:-DIGEST_SIZE])
        (tmp_path / "other.so").write_bytes(body + digest_of(body))
        with pytest.raises(el.LibraryError, match="range of inputs"):
            el.Stream(tmp_path / "other.so")


def test_whole_recordings_of_indices(model, tmp_path):
    """A recording read from its end, in process and as a library."""
    whole = el.Model([dataclasses.replace(layer, reverse=True) if layer.kind == "gru" else layer for layer in model.layers])
    xs = samples(np.random.default_rng(11), 15)
    el.build(whole, "host").write(tmp_path / "whole.so")
    expected = by_hand(model, xs[::-1])[::-1]
    bad = xs.copy()
    bad[9, 1] = 7
    for stream in (el.Stream(whole), el.Stream(tmp_path / "whole.so")):
        assert np.abs(stream.process(xs) - expected).max() < LIMIT
        with pytest.raises(el.InputError, match="channel 1 of sample 9"):
            stream.process(bad)


def test_quantised_models_keep_their_tables(model):
    rng = np.random.default_rng(9)
    windows = [samples(rng, 30) for _ in range(8)]
    made = el.quantize(model, windows, scheme="int8-dynamic")
    assert made.vocabularies == model.vocabularies
    answers = reference.run(model, windows[0])
    assert np.abs(reference.run(made, windows[0]) - answers).max() < 0.05 * np.ptp(answers)
    windows[2][4, 1] = 7
    with pytest.raises(el.InputError, match="whole number from 0 to 6"):
        el.quantize(model, windows, scheme="int8-dynamic")
    with pytest.raises(el.UsageError, match="no normaliser can scale"):
        model.with_normalizer(0, 1)


def test_an_index_is_read_as_such_alone():
    table = el.Embedding(np.ones((4, 2)), name="table")
    first, second = el.Slice(0, 1, name="first", inputs=("input",)), el.Slice(1, 2, name="second", inputs=("input",))
    with pytest.raises(el.UnsupportedModelError, match="cannot read it as a measurement"):
        el.Model([first, table, el.Dense(np.ones((2, 4)), inputs=("table", "input"))])
    with pytest.raises(el.UnsupportedModelError, match="one wide"):
        el.Model([el.Slice(0, 2, name="both", inputs=("input",)), table])
    with pytest.raises(el.UnsupportedModelError, match="one wide"):
        el.Model([el.Dense(np.ones((1, 2)), name="computed"), table])
    assert el.Model([first, table, second, el.Concat(inputs=("table", "second"))]).vocabularies == (4, 0)


def network(torch, features):
    nn = torch.nn

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.ids, self.classes = nn.Embedding(50, 5), nn.Embedding(7, 3)
            self.rnn, self.fc = nn.GRU(8 + features, 6, batch_first=True), nn.Linear(6, 4)

        def forward(self, ids, classes, x=None):
            parts = [self.ids(ids), self.classes(classes), *([x] if features else [])]
            return torch.softmax(self.fc(self.rnn(torch.cat(parts, -1))[0]), -1)

    torch.manual_seed(4)
    made = Tagger().eval()
    given = [torch.randint(rows, (1, 6)) for rows in TABLES] + ([torch.randn(1, 6, features)] if features else [])
    with torch.no_grad():
        answers = made(*given)[0].numpy()
    xs = np.hstack([array.numpy()[0].reshape(6, -1) for array in given]).astype(np.float32)
    return made, tuple(given), xs, answers


@pytest.mark.parametrize("features", [0, 1, 3])
def test_onnx_with_several_index_inputs(tmp_path, features):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    made, given, xs, answers = network(torch, features)
    names = ["ids", "classes", "x"][: len(given)]
    axes = {name: {0: "batch", 1: "time"} for name in names}
    torch.onnx.export(made, given, tmp_path / "a.onnx", input_names=names, dynamic_axes=axes, dynamo=False)
    found = el.load(tmp_path / "a.onnx")
    assert found.vocabularies == (50, 7, *[0] * features)
    assert found.input_names == ("ids", "classes", *(["x"] if features == 1 else [f"x[{k}]" for k in range(features)]))
    assert np.abs(reference.run(found, xs) - answers).max() < LIMIT


def test_programs_of_torch_with_several_index_inputs(tmp_path):
    torch = pytest.importorskip("torch")
    made, given, xs, answers = network(torch, 3)
    torch.export.save(torch.export.export(made, given), tmp_path / "a.pt2")
    found = el.load(tmp_path / "a.pt2")
    assert found.input_names[:2] == ("ids", "classes")
    assert np.abs(reference.run(found, xs) - answers).max() < LIMIT


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_keras_with_several_index_inputs(tmp_path, monkeypatch, ending):
    pytest.importorskip("torch")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layers = keras.layers
    ids, classes, x = keras.Input((None,), name="ids"), keras.Input((None,), name="classes"), keras.Input((None, 3), name="x")
    joined = layers.Concatenate()([layers.Embedding(50, 5)(ids), layers.Embedding(7, 3)(classes), x])
    made = keras.Model([ids, classes, x], layers.Dense(4, activation="softmax")(layers.LSTM(6, return_sequences=True)(joined)))
    made.save(tmp_path / f"a.{ending}")
    xs = samples(np.random.default_rng(2), 7, 3)
    answers = made.predict([xs[None, :, 0], xs[None, :, 1], xs[None, :, 2:]], verbose=0)[0]
    found = import_file(tmp_path / f"a.{ending}").model
    assert found.vocabularies == (50, 7, 0, 0, 0)
    assert found.input_names == ("ids", "classes", "x[0]", "x[1]", "x[2]")
    assert np.abs(reference.run(found, xs) - answers).max() < LIMIT


def test_keras_with_the_characters_of_each_word(tmp_path, monkeypatch):
    """A row of indices a timestep, looked up in one table and summed up by a network of its own, beside the word's own index."""
    pytest.importorskip("torch")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layers = keras.layers
    characters, word = keras.Input((8, 5), name="characters"), keras.Input((8,), name="word")
    each = layers.TimeDistributed(layers.Embedding(30, 4))(characters)
    ends = layers.TimeDistributed(layers.Bidirectional(layers.LSTM(3)))(each)
    largest = layers.TimeDistributed(layers.Conv1D(6, 3, padding="same", activation="tanh"))(each)
    largest = layers.TimeDistributed(layers.Flatten())(layers.TimeDistributed(layers.MaxPooling1D(5))(largest))
    joined = layers.Concatenate()([ends, largest, layers.Embedding(50, 5)(word)])
    made = keras.Model([characters, word], layers.Dense(4)(layers.GRU(6, return_sequences=True)(joined)))
    made.save(tmp_path / "a.keras")
    random = np.random.default_rng(2)
    xs = np.concatenate([random.integers(0, 30, (8, 5)), random.integers(0, 50, (8, 1))], 1).astype(np.float32)
    found = el.load(tmp_path / "a.keras")
    assert found.vocabularies == (*[30] * 5, 50)
    assert np.abs(reference.run(found, xs) - made.predict([xs[None, :, :5], xs[None, :, 5]], verbose=0)[0]).max() < LIMIT


def looked_up(onnx, form, wrong=False):
    """A look-up that counts negative indices from the end, as Keras 3 writes it: with a choice, in products, or clipped; or of floats."""
    helper, node = onnx.helper, onnx.helper.make_node
    rows = {"table": np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32), "zero": np.array(0, np.int32)}
    rows |= {"count": np.array(1 if wrong else 9, np.int32), "last": np.array(8, np.int32), "bound": np.array(3 if wrong else 0, np.int32)}
    choice = [node("Less", ["x", "bound"], ["below"]), node("Add", ["x", "count"], ["beyond"])]
    nodes = {
        "choice": [*choice, node("Where", ["below", "beyond", "x"], ["index"])],
        "products": [
            *choice,
            node("Cast", ["below"], ["yes"], to=6),
            node("Not", ["below"], ["not"]),
            node("Cast", ["not"], ["no"], to=6),
            *(node("Mul", ["yes", "beyond"], ["first"]), node("Mul", ["no", "x"], ["second"]), node("Add", ["first", "second"], ["index"])),
        ],
        "cast": [node("Cast", ["x"], ["whole"], to=6), node("Sub", ["whole", "bound"], ["index"])],
        "clipped": [node("Max", ["x", "bound"], ["above"]), node("Min", ["above", "last"], ["index"])],
    }[form]
    nodes += [node("Gather", ["table", "index"], ["rows"]), node("Tanh", ["rows"], ["y"])]
    kind = onnx.TensorProto.FLOAT if form == "cast" else onnx.TensorProto.INT32
    given = [helper.make_tensor_value_info("x", kind, [1, "time"])]
    answers = [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, "time", 5])]
    stored = [onnx.numpy_helper.from_array(array, name) for name, array in rows.items()]
    graph = helper.make_graph(nodes, "lookup", given, answers, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("form", ["choice", "products", "clipped", "cast"])
def test_an_index_that_may_count_from_the_end_is_an_index(form, tmp_path):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    (tmp_path / "m.onnx").write_bytes(looked_up(onnx, form))
    taken = import_file(tmp_path / "m.onnx").model
    assert [layer.kind for layer in taken.layers] == ["embedding", "activation"]
    ids = np.arange(9, dtype=np.float32 if form == "cast" else np.int32)
    (expected,) = runtime.InferenceSession(looked_up(onnx, form)).run(None, {"x": ids[None]})
    np.testing.assert_allclose(reference.run(taken, ids), expected[0], atol=1e-6)
    (tmp_path / "w.onnx").write_bytes(looked_up(onnx, form, wrong=True))
    with pytest.raises(el.UnsupportedModelError):
        el.load(tmp_path / "w.onnx")
