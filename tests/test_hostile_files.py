"""Whatever bytes a model file holds: a model, or an `EdgeLSTMError`. No crash, no code, no memory without bounds."""

import contextlib
import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from elstm_files import attempt, index_model, resigned, sensor_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_files import Call, Writer, linear_arrays, lstm_arrays, pickled, torch_legacy, torch_zip, under, zip_of

import edgelstm as el
from edgelstm.importers import import_file

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
STATE_DICT = under("lstm", lstm_arrays(2, 3)) | under("fc", linear_arrays(4, 3))


@st.composite
def mutated(draw, data):
    """`data` with some bytes changed, a piece repeated or removed, or its end cut off."""
    mutable = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(mutable) - 1)))
        kind = draw(st.sampled_from(["byte", "byte", "cut", "remove", "repeat", "number"]))
        if kind == "byte" and mutable:
            mutable[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del mutable[place:]
        elif kind == "remove":
            del mutable[place : place + draw(st.integers(1, 40))]
        elif kind == "repeat":
            mutable[place:place] = mutable[place : place + draw(st.integers(1, 40))]
        elif kind == "number":
            mutable[place : place + 4] = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"]))
    return bytes(mutable)


@pytest.fixture(scope="module")
def elstm_files(tmp_path_factory):
    """Two sound files' bytes: a model that takes measurements, and one that takes indices."""
    folder = tmp_path_factory.mktemp("sound")
    for name, model in (("a", sensor_model()), ("b", index_model())):
        el.save(model, folder / name)
    return [(folder / name).read_bytes() for name in "ab"]


def digested(data):
    """What the digest speaks for: the document and the tensors; not the header's spelling."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    document = json.loads(header.pop("__metadata__")["edgelstm"])
    return document, {name: data[8 + length :][slice(*entry.pop("data_offsets"))] for name, entry in header.items()}, header


@SETTINGS
@given(data=st.data())
def test_mutated_elstm_files(tmp_path, elstm_files, data):
    sound = data.draw(st.sampled_from(elstm_files))
    changed = data.draw(mutated(sound))
    attempt(tmp_path / "m", changed, verify=False)
    assert attempt(tmp_path / "m", changed) is None or digested(changed) == digested(sound)


@SETTINGS
@given(data=st.data())
@pytest.mark.parametrize("sound", [torch_zip(STATE_DICT), torch_legacy(STATE_DICT)], ids=["zip", "legacy"])
def test_mutated_torch_files(tmp_path, sound, data):
    attempt(tmp_path / "m", data.draw(mutated(sound)))


@SETTINGS
@given(data=st.data())
def test_mutated_pickles_in_sound_zips(tmp_path, data):
    """The archive's checksums would catch most changes from outside."""
    writer = Writer()
    pickle = pickled(STATE_DICT, writer)
    storages = {key: array.tobytes() for key, array in writer.storages.items()}
    attempt(tmp_path / "m", zip_of(data.draw(mutated(pickle)), storages))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "function"]), inner, max_size=3),
    max_leaves=6,
)


def places(node, path=()):
    yield path
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*path, key))


@SETTINGS
@given(data=st.data())
def test_signed_elstm_files_with_any_json_in_any_place(tmp_path, elstm_files, data):
    path = tmp_path / "signed"
    path.write_bytes(data.draw(st.sampled_from(elstm_files)))

    def change(document):
        *way, last = data.draw(st.sampled_from([place for place in places(document) if place]))
        node = document
        for key in way:
            node = node[key]
        node[last] = data.draw(JSON)

    resigned(path, change)
    attempt(path, path.read_bytes())


BEGINNINGS = [b"", b"PK\x03\x04", b"\x80\x02", b"\x08\x07\x12", b"{", b"\x10\0\0\0\0\0\0\0{", b"\x89HDF"]


@SETTINGS
@given(start=st.sampled_from(BEGINNINGS), rest=st.binary(max_size=60))
def test_any_bytes_at_all(tmp_path, start, rest):
    assert attempt(tmp_path / "m", start + rest) is None


BIG = 1 << 39


def test_a_zip_that_claims_more_bytes_than_it_has_is_refused_before_they_are_asked_for(tmp_path):
    """The central directory's compressed size is what `zipfile` reads at once."""
    data = bytearray(torch_zip(lstm_arrays(3, 4)))
    place = data.index(b"PK\1\2")
    data[place + 20 : place + 24] = b"\xff\xff\xff\x7f"
    (tmp_path / "m").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(el.ModelFileError, match="larger than"):
        el.load(tmp_path / "m")
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


LONG = "a" * 3000


def tensor_file(header):
    """A safetensors file of 4 bytes of data under any header."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(4)


@pytest.mark.parametrize(
    "data",
    [
        *(torch_zip({f"{name}.weight": np.ones((2, 2), np.float32)}) for name in (LONG, "a\nb", "\x1b[2J", "a\0b")),
        torch_zip(lstm_arrays(3, 4) | {"b" * 900: np.ones(3, np.float32)}),
        torch_zip(lstm_arrays(3, 4) | {f"{i}{'b' * 900}.weight": np.ones((3, 3), np.float32) for i in range(30)}),
        zip_of(pickled(Call(f"{LONG}.b")), {}),
        zip_of(b"\x80\x02S" + LONG.encode() + b"\n.", {}),
        torch_zip({"a": 1}).replace(b"model/data.pkl", b"model\n\n\n\npkl", 1),
        tensor_file({"a\nb": {"dtype": "\n" + LONG, "shape": [1], "data_offsets": [0, 4]}}),
        tensor_file({LONG: {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}),
        tensor_file({LONG: {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}),
    ],
)
@pytest.mark.parametrize("read", [el.load, import_file])
def test_messages_are_short_printable_lines_whatever_a_file_holds(tmp_path, data, read):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(el.EdgeLSTMError) as caught:
        read(tmp_path / "m")
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 2200


def test_zip_archives_that_lie(tmp_path):
    sound = torch_zip(STATE_DICT)
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}

    def packed(compression=zipfile.ZIP_STORED, names=tuple(entries)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive, contextlib.suppress(UserWarning):
            for name in names:
                archive.writestr(name, entries[name])
        return buffer.getvalue()

    assert attempt(tmp_path / "m", packed()) is not None
    assert attempt(tmp_path / "m", packed(zipfile.ZIP_DEFLATED)) is None
    assert attempt(tmp_path / "m", packed(names=[n for n in entries if not n.endswith("/0")])) is None
    entries["other/data.pkl"] = entries["model/data.pkl"]
    assert attempt(tmp_path / "m", packed(names=tuple(entries))) is None
    end = bytearray(sound)
    place = end.index(b"PK\x01\x02")
    end[place + 20 : place + 28] = struct.pack("<II", 0x7FFFFFFF, 0x7FFFFFFF)
    assert attempt(tmp_path / "m", bytes(end)) is None


def test_safetensors_that_name_a_tensor_twice_are_refused(tmp_path):
    entry = json.dumps({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})
    header = f'{{"weight_ih":{entry},"weight_ih":{entry}}}'.encode()
    (tmp_path / "m").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(el.ModelFileError, match="'weight_ih' twice"):
        import_file(tmp_path / "m")


def test_metadata_of_safetensors_may_be_null(tmp_path):
    """The library takes it for none."""
    data = safetensors.numpy.save(STATE_DICT, {"a": "b"}).replace(b'"__metadata__":{"a":"b"}', b'"__metadata__":null     ')
    assert attempt(tmp_path / "m", data) is not None


def test_names_that_would_write_to_the_terminal_are_refused(tmp_path):
    (tmp_path / "m").write_bytes(torch_zip({"\x1b[2J.weight": np.ones((2, 2), np.float32)}))
    with pytest.raises(el.ModelFileError, match="no ordinary text"):
        el.load(tmp_path / "m")


@pytest.mark.parametrize("raw", [True, False])
def test_an_onnx_file_is_large_by_its_weights_alone(raw, monkeypatch):
    """Bytes of an array take up no more once they are parsed; whole numbers of one byte take eight."""
    onnx = pytest.importorskip("onnx")
    from edgelstm.importers.from_onnx import file

    weight = np.ones((5, 400), np.float32)
    held = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, weight.shape, weight.tobytes() if raw else weight.ravel(), raw=raw)
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["t", size]) for name, size in (("x", 5), ("y", 400)))
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [held])
    data = onnx.helper.make_model(graph, ir_version=8).SerializeToString()
    monkeypatch.setattr(file, "MOST_BYTES", 4000)
    if raw:
        assert file.read(io.BytesIO(data)).graph.constants["w"].shape == weight.shape
        monkeypatch.setattr(file, "MOST_OF_FILE", 4000)
    with pytest.raises(el.ModelFileError, match="store its weights as external data" if raw else "beside the bytes of its weights"):
        file.read(io.BytesIO(data))
