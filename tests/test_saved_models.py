"""SavedModels as Keras and TensorFlow write them (tests/golden/saved_models.tar.xz, by tools/saved_model_files.py), and what is refused."""

import contextlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from graphdefs import message, number

import edgelstm as el
from edgelstm.importers import import_file

with tarfile.open(Path(__file__).with_name("golden") / "saved_models.tar.xz") as archive:
    FILES = {member.name: archive.extractfile(member).read() for member in archive}


def folder(name, path, **changed):
    """The files of a model at `path`; `changed` is by what their names end with."""
    for file, data in FILES.items():
        if file.startswith(f"{name}/"):
            place = path / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(next((new for end, new in changed.items() if file.endswith(end)), data))
    return path / name


def held(name):
    """Samples side by side as the model has them, and answers."""
    arrays = np.load(io.BytesIO(FILES[f"{name}.npz"]))
    xs, ys = ([arrays[key][0] for key in sorted(arrays) if key.startswith(side)] for side in ("x:", "y:"))
    return np.concatenate([x.reshape(len(x), -1) for x in xs], 1), np.concatenate([np.atleast_2d(y) for y in ys], 1)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("keras3", ["embedding", "mask", "lstm", "gru", "gru", "last", "dense", "softmax"]),
        ("frames", ["lstm", "lstm", "dense"]),
        ("keras2", ["lstm", "gru", "dense", "dense"]),
        ("stepping", ["lstm", "batch_norm"]),
        ("tensorflow1", ["embedding", "rnn"]),
    ],
)
def test_saved_models_answer_as_tensorflow(name, kinds, tmp_path):
    place = folder(name, tmp_path)
    taken = import_file(place)
    assert taken.format == "TensorFlow SavedModel"
    assert taken.model.source.endswith(f": {name}")
    assert [layer.kind for layer in taken.model.layers if layer.kind not in ("slice", "concat")] == kinds
    x, y = held(name)
    found = el.Stream(taken.model).process(x if x.dtype.kind == "i" else x.astype(np.float32))
    assert np.abs(found[-len(y) :] - y).max() <= 1e-5
    again = import_file(place / "saved_model.pb")
    assert np.array_equal(el.Stream(again.model).process(x), found)


def test_inputs_and_answers_are_called_as_the_signature_calls_them(tmp_path):
    taken = import_file(folder("keras2", tmp_path))
    assert taken.model.input_names == ("a[0]", "a[1]", "b[0]", "b[1]", "b[2]")
    assert any("those of y, z" in note for note in taken.notes)


def test_a_state_in_variables_is_refused(tmp_path):
    with pytest.raises(el.UnsupportedModelError, match=r"a call changes a variable.*stateful=True.*\.keras"):
        el.load(folder("keeping", tmp_path))


def test_a_folder_that_is_no_saved_model_is_told(tmp_path):
    with pytest.raises(el.ModelFileError, match="folder without a saved_model"):
        el.load(tmp_path)
    place = folder("stepping", tmp_path)
    (place / "variables" / "variables.index").unlink()
    with pytest.raises(el.ModelFileError, match="No such file"):
        el.load(place)


@pytest.mark.parametrize("end", ["variables.index", "saved_model.pb", "data-00000-of-00001"])
def test_files_that_are_cut_off_or_changed_are_refused_or_other_numbers(end, tmp_path):
    """No byte more or less ends otherwise than in a model or a refusal."""
    data = FILES[next(name for name in FILES if name.startswith("stepping/") and name.endswith(end))]
    rng = np.random.default_rng(1)
    for cut in (0, 1, 50, *([] if "data" in end else [len(data) // 2, len(data) - 1])):  # behind the data lies what is not read
        with pytest.raises(el.EdgeLSTMError):
            import_file(folder("stepping", tmp_path, **{end: data[:cut]}))
    for _ in range(60):
        changed = bytearray(data)
        changed[rng.integers(len(data))] = rng.integers(256)
        with contextlib.suppress(el.EdgeLSTMError):
            import_file(folder("stepping", tmp_path, **{end: bytes(changed)}))


def attribute(name, data):
    return message(5, message(1, name) + message(2, data))


def node(name, op, *inputs, attributes=b""):
    return message(1, message(1, name) + message(2, op) + b"".join(message(3, one) for one in inputs) + attributes)


def constant(name, value):
    return node(name, "Const", attributes=attribute("value", message(8, value)))


def texts(*values):
    return number(1, 7) + message(2, message(2, number(1, len(values)))) + b"".join(message(8, one) for one in values)


SHAPE = message(2, number(1, 1)) + message(2, number(1, -1)) + message(2, number(1, 3))
PLACEHOLDER = node("x", "Placeholder", attributes=attribute("dtype", number(6, 1)) + attribute("shape", message(7, SHAPE)))


def saved_model(*nodes, signatures=("serving_default",), tags=("serve",)):
    """A SavedModel of one graph, whose answer is ``y``."""
    sides = [message(n, message(1, name) + message(2, message(1, f"{name}:0"))) for n, name in ((1, "x"), (2, "y"))]
    info = message(1, b"".join(message(4, tag) for tag in tags))
    calls = b"".join(message(5, message(1, name) + message(2, b"".join(sides))) for name in signatures)
    return number(1, 1) + message(2, info + message(2, b"".join(nodes)) + calls)


def index(**tensors):
    """A checkpoint's index and data, as one block each."""
    data, entries = b"", [(b"", number(1, 1))]
    for key, array in sorted(tensors.items()):
        sizes = b"".join(message(2, number(1, n)) for n in array.shape)
        entries.append((key.encode(), number(1, 1) + message(2, sizes) + number(4, len(data)) + number(5, array.nbytes)))
        data += array.tobytes()
    blocks, places = b"", []
    for level in range(2):
        pairs = [(b"~", b"".join(number(0, n)[1:] for n in places[0]))] if level else entries
        body = b"".join(bytes([0, len(key), len(value)]) + key + value for key, value in pairs) + bytes(4) + b"\1\0\0\0"
        places.append((len(blocks), len(body)))
        blocks += body + bytes(5)
    footer = b"".join(number(0, n)[1:] for n in (0, 0, *places[1]))
    return blocks + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db"), data


def written(path, graph, **tensors):
    table, data = index(**tensors)
    (path / "variables").mkdir(exist_ok=True)
    (path / "saved_model.pb").write_bytes(graph)
    (path / "variables" / "variables.index").write_bytes(table)
    (path / "variables" / "variables.data-00000-of-00001").write_bytes(data)
    return path


W = np.arange(6, dtype=np.float32).reshape(3, 2)
CALL = node("y", "PartitionedCall", "x", attributes=attribute("f", message(10, message(1, "f"))))
SLICED = constant("slices", texts("", "3 2 0,1:0,2"))
RESTORE = (
    constant("file", texts("variables/variables")),
    constant("keys", texts("other", "w")),
    constant("slices", texts("", "")),
    node("restore", "RestoreV2", "file", "keys", "slices"),
    node("same", "Identity", "restore:1"),
    node("assign", "AssignVariableOp", "w", "same"),
)
NET = (PLACEHOLDER, node("w", "VarHandleOp"), node("read", "ReadVariableOp", "w"), node("y", "BatchMatMulV2", "x", "read"))


def test_a_change_of_what_no_answer_reads_is_let_be(tmp_path):
    """As the seed of dropout; of the same variable under another handle it is refused."""
    wait = node("y", "BatchMatMulV2", "x", "read", "^draw")
    other = (node("seed", "VarHandleOp"), node("draw", "AssignAddVariableOp", "seed", "read"))
    again = (constant("keys2", texts("w")), constant("slices2", texts("")), node("restore2", "RestoreV2", "file", "keys2", "slices2"))
    again += (node("assign2", "AssignVariableOp", "seed", "restore2"),)
    place = written(tmp_path, saved_model(*NET[:3], wait, *other, *RESTORE, *again), w=W, other=W)
    x = np.ones((4, 3), np.float32)
    np.testing.assert_allclose(el.Stream(el.load(place)).process(x), x @ W)
    shared = attribute("shared_name", message(2, "same"))
    handles = (node("w", "VarHandleOp", attributes=shared), node("seed", "VarHandleOp", attributes=shared))
    place = written(tmp_path, saved_model(NET[0], *handles, NET[2], wait, other[1], *RESTORE, *again), w=W, other=W)
    with pytest.raises(el.UnsupportedModelError, match="changes a variable"):
        el.load(place)


def test_a_graph_by_hand(tmp_path):
    """The key that restoring names is taken, whatever the variable is called."""
    place = written(tmp_path, saved_model(*NET, *RESTORE), w=W, other=W + 1)
    x = np.ones((4, 3), np.float32)
    np.testing.assert_allclose(el.Stream(el.load(place)).process(x), x @ W)
    named = saved_model(*NET, *RESTORE, signatures=("predict", "serving_default"))
    np.testing.assert_allclose(el.Stream(el.load(written(tmp_path, named, w=W, other=W))).process(x), x @ W)


@pytest.mark.parametrize(
    ("graph", "tensors", "said"),
    [
        (saved_model(*NET), {"w": W}, "not restored from its checkpoint by a key"),
        (saved_model(*NET, *RESTORE), {"other": W}, "does not hold the variable 'w'"),
        (saved_model(*NET, *RESTORE, signatures=()), {"w": W}, "has 0 signatures"),
        (saved_model(*NET, *RESTORE, signatures=("a", "b")), {"w": W}, r"has 2 signatures to call \(a, b\)"),
        (saved_model(*NET[1:], *RESTORE), {"w": W}, "reads 'x', which is no node|calls 'x:0', which is no node"),
        (saved_model(*NET[:3], *RESTORE, node("y", "AssignAddVariableOp", "w", "x")), {"w": W}, "changes a variable"),
        (saved_model(*NET[:3], *RESTORE, node("y", "BatchMatMulV2", "x", "read", "^assign")), {"w": W}, "changes a variable"),
        (saved_model(*NET[:3], *RESTORE, CALL), {"w": W}, "calls a function that is not in the file"),
        (saved_model(*NET, *RESTORE[:2], SLICED, *RESTORE[3:]), {"w": W}, "not restored from its checkpoint by a key"),
    ],
)
def test_graphs_that_do_not_say_their_numbers_are_refused(graph, tensors, said, tmp_path):
    with pytest.raises(el.EdgeLSTMError, match=said):
        el.load(written(tmp_path, graph, **tensors))


def test_a_variable_of_another_shape_than_the_graph_says_is_refused(tmp_path):
    handle = node("w", "VarHandleOp", attributes=attribute("shape", message(7, message(2, number(1, 3)) + message(2, number(1, 2)))))
    place = written(tmp_path, saved_model(NET[0], handle, *NET[2:], *RESTORE), w=np.ones((2, 2), np.float32))
    with pytest.raises(el.ModelFileError, match=r"of shape \(3, 2\), for which its checkpoint holds shape \(2, 2\)"):
        el.load(place)
