"""Small files that would become large ones: each is refused before it is unpacked, parsed or made into arrays.

Tried: a protobuf of nothing but empty messages, headers of nothing but empty lists, tensors that overlap in one storage, compressed
arrays of zeros, names of half a million parts, rows that are taken again and again, marks of a kept state that are no numbers.
"""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from elstm_files import attempt
from test_bags import npz
from test_recipes import OWN_NAMES
from torch_files import Raw, lstm_arrays, pickled, zip_of

import edgelstm as el
from edgelstm.errors import EdgeLSTMError, StateError
from edgelstm.importers import import_file
from edgelstm.importers.bags import npz as npz_file
from edgelstm.importers.from_onnx import file as onnx_file
from edgelstm.importers.from_tensorflow import file as tensorflow_file
from edgelstm.runners import checkpoint


def field(number, data):
    """A field of bytes of a protobuf message."""
    size, found = len(data), bytearray([number << 3 | 2])
    while size > 127:
        found.append(size & 127 | 128)
        size >>= 7
    return bytes([*found, size]) + data


def overlapping():
    """A stack of LSTM layers, each of whose matrices begins one number after the one before."""
    size = 4 * 100 * 100
    arrays = {}
    for layer in range(300):
        for name, offset, shape in (("ih", layer, (400, 100)), ("hh", layer + 400, (400, 100))):
            arrays[f"rnn.weight_{name}_l{layer}"] = Raw("0", size + 800, offset, shape, (100, 1))
            arrays[f"rnn.bias_{name}_l{layer}"] = Raw("0", size + 800, offset, (400,), (1,))
    return zip_of(pickled(arrays), {"0": np.ones(size + 800, np.float32).tobytes()})


def header(document):
    text = document + b" " * (10_000_001 - len(document))
    return len(text).to_bytes(8, "little") + text


def zeros():
    return npz({"lstm.weight_ih_l0": np.zeros((40, 20_000), np.float32)}, compressed=True)


#: A part of a matrix of 2 rows and 4 columns.
AGAIN = f"{{tensor = 'fc_w', rows = '{'0:2,' * 29_999}0:2', columns = '{'0:4,' * 15_999}0:4'}}"

EMPTY = b"\x0a\0" * 3000


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (overlapping, "over storages of"),
        (lambda: header(b'{"a":[]}'), "a header of 10000001 bytes"),
        (zeros, "of a file of this size"),
        (lambda: b"\x08\x08" + field(7, field(1, EMPTY)), "holds more than 1000 operators"),
        (lambda: b"\x08\x08" + field(7, EMPTY), "holds more than 1000 operators"),
        (lambda: field(1, field(1, b"a") + field(2, b"Const") + b"\x2a\0" * 3000), "more than 1000 inputs and attributes"),
    ],
    ids=["views", "header", "zeros", "names", "nodes", "attributes"],
)
def test_what_would_take_many_times_its_size_is_refused(tmp_path, monkeypatch, data, match):
    if data()[:2] == b"\x08\x08":
        pytest.importorskip("onnx")
    monkeypatch.setattr(npz_file, "FREE_BYTES", 1 << 16)
    monkeypatch.setattr(onnx_file, "MOST_FIELDS", 1000)
    monkeypatch.setattr(tensorflow_file, "MOST_PARTS", 1000)
    (tmp_path / "m").write_bytes(data())
    with pytest.raises(el.ModelFileError, match=match):
        import_file(tmp_path / "m")


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ("x" + ".a" * 400_000 + " = 1", "more than 60 parts"),
        ("[" + "a." * 400_000 + "a]", "more than 60 parts"),
        (f"[[layers]]\nkind = 'dense'\nweight = {AGAIN}", "columns of a tensor of shape"),
    ],
)
def test_recipes_of_names_and_rows_without_end(tmp_path, said, match):
    (tmp_path / "m").write_bytes(npz(OWN_NAMES))
    (tmp_path / "r.toml").write_text(said)
    with pytest.raises(EdgeLSTMError, match=match):
        import_file(tmp_path / "m", recipe=tmp_path / "r.toml")


def test_compressed_arrays_of_hdf5_that_are_little_stored(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    from edgelstm.importers import hdf5_library

    monkeypatch.setattr(hdf5_library, "_limit", lambda size: None)
    monkeypatch.setattr(hdf5_library, "_UNPACKED", 1 << 16)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name in "ab":
            file.create_dataset(name, data=np.zeros(12_000, np.float32), compression="gzip")
    told = hdf5_library.described(buffer.getvalue())
    length = int.from_bytes(told[:8], "little")
    entries = json.loads(told[8 : 8 + length])["entries"]
    assert "bytes" in entries["a"]
    assert "stored" in entries["b"]["unreadable"][1]


@pytest.mark.parametrize("notes", [b"[", b"[1]", b'{"sequence":1}', b'{"sequence":{"a":"b"}}', b'{"seen":[1]}', b'{"written":[0,0,-1]}'])
def test_marks_beside_a_state_that_are_no_numbers(notes):
    body = struct.pack("<8sII", b"ELSTMRUN", 1, len(notes)) + notes + b"state"
    with pytest.raises(StateError, match="no count of samples"):
        checkpoint.unpack(body + struct.pack("<I", zlib.crc32(body)))


def test_a_network_of_pytorch_whose_tensors_share_a_storage_is_read(tmp_path):
    """The sound case: one flat storage for all weights of an LSTM."""
    arrays = lstm_arrays(3, 4)
    flat, views, at = np.concatenate([array.ravel() for array in arrays.values()]), {}, 0
    for name, array in arrays.items():
        stride = (array.shape[-1], 1) if array.ndim == 2 else (1,)
        views[f"lstm.{name}"] = Raw("0", flat.size, at, array.shape, stride)
        at += array.size
    assert attempt(tmp_path / "m", zip_of(pickled(views), {"0": flat.tobytes()})) is not None
