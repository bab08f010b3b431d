"""Which format a model file has, by its content, and what to do with those that are not read.

It reads no weights and believes no suffix.
"""

import contextlib
import io
import json
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from ..errors import ModelFileError, printable
from ..files import container
from .bags import json_file, msgpack_file
from .from_torch.archive import LEGACY_MAGIC

#: Longest JSON model that is looked into.
_MAX_JSON_BYTES = 12 << 20

#: As much of a pickle as tells whose it is.
_MAX_START = 1 << 16

#: Beginnings that say it all.
_MAGIC = (
    (0, b"\x89HDF\r\n\x1a\n", "Keras (HDF5)"),
    (4, b"TFL3", "TensorFlow Lite"),
    (4, b"ORTM", "ONNX Runtime (.ort)"),
    (2, LEGACY_MAGIC, "PyTorch"),
    (11, LEGACY_MAGIC, "PyTorch"),
    (0, b"\x93NUMPY", "NumPy"),
    (0, b"\x08\x01\x12", "TensorFlow SavedModel"),
    (0, b"node {", "TensorFlow graph as text (.pbtxt)"),
    (0, b"GGUF", "GGUF"),
    (0, b"#Parameter#", "DyNet (text)"),
    (0, b"#LookupParameter#", "DyNet (text)"),
)

#: Beginnings of files that hold a model only when something was done with them.
_NOT_YET = (
    (b"version https://git-lfs.github.com/", "is a git-lfs pointer, not the file itself; fetch that with git lfs pull."),
    (b"/annex/objects/", "is a git-annex pointer, not the file itself; fetch that with git annex get."),
    (b"\x1f\x8b", "is compressed by gzip; unpack it (gunzip, or tar xzf) and name the model file."),
    (b"BZh", "is compressed by bzip2; unpack it (bunzip2, or tar xjf) and name the model file."),
    (b"\xfd7zXZ\0", "is compressed by xz; unpack it (unxz, or tar xJf) and name the model file."),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd; unpack it (unzstd) and name the model file."),
    (b"Rar!", "is a RAR archive; unpack it and name the model file."),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive; unpack it and name the model file."),
    (b"<!doctype html", "is a web page, not the file itself; download the raw file."),
    (b"<html", "is a web page, not the file itself; download the raw file."),
)

#: Zip entries, by the end of their name, and what holds them. The first that fits decides.
_ZIP = (
    ("/constants.pkl", "TorchScript"),
    ("/models/model.json", "torch.export"),
    ("/data.pkl", "PyTorch"),
    ("model.weights.h5", "Keras (.keras)"),
    (".npy", "NumPy (npz)"),
)

#: Names at the top of a JSON document, and whose they are.
_JSON = (
    ({"architecture", "weights"}, "Neural Amp Modeler (.nam)"),
    ({"model_data", "state_dict"}, "GuitarML (JSON)"),
    ({"in_shape", "layers"}, "RTNeural (JSON)"),
    ({"mat1", "mat9"}, "ICU word segmentation (JSON)"),
    ({"dic", "embedding"}, "ICU4X word segmentation (JSON)"),
    ({"modelTopology"}, "TensorFlow.js (JSON)"),
    ({"class_name", "config"}, "Keras (JSON, without weights)"),
)

#: Words in the names that a pickle calls, and whose it is. The first that fits decides.
_PICKLES = (
    ("madmom", "madmom (pickle)"),
    ("sklearn", "scikit-learn (pickle)"),
    ("joblib", "scikit-learn (pickle)"),
    ("keras", "Keras (pickle)"),
    ("theano", "Theano (pickle)"),
    ("numpy", "NumPy (pickle)"),
)

_FROM_TORCH = "If the model exists in PyTorch, write it with torch.save(model.state_dict(), path)."
_BY_HAND = "Bring its arrays under the names that PyTorch gives them and call edgelstm.from_torch(arrays, layers)."
_FREEZE = "freeze the graph: tf.compat.v1.graph_util.convert_variables_to_constants(session, graph_def, outputs)"

#: The end of a table of sorted strings, which checkpoints of TensorFlow are.
_TABLE = bytes.fromhex("57fb808b247547db")

#: What to do with a file of a format that no importer reads.
_INSTEAD = {
    "ONNX Runtime (.ort)": "Give the .onnx file that it was made from.",
    "TensorFlow checkpoint": f"It holds numbers without a network: restore it in TensorFlow and {_FREEZE}; or write Keras' .keras file.",
    "TensorFlow MetaGraph (.meta)": f"It holds a network without its numbers: restore its checkpoint in TensorFlow and {_FREEZE}.",
    "TensorFlow graph as text (.pbtxt)": "Write it as binary: tf.io.write_graph(graph, folder, name, as_text=False), frozen.",
}


def instead(name: str) -> str:
    """What to do with a file of the format `name`, which no importer reads."""
    return _INSTEAD.get(name, _BY_HAND)


def sniff(file: BinaryIO) -> str:
    """The format's name as users know it; ``"edgelstm"`` for a `.elstm` file.

    Raises
    ------
    ModelFileError
        If it is none that edgelstm has heard of.
    """
    start = file.read(512)
    for offset, magic, name in _MAGIC:
        if start[offset : offset + len(magic)] == magic:
            return name
    for magic, message in _NOT_YET:
        if start.lstrip(b"\xef\xbb\xbf \t\r\n")[: len(magic)].lower() == magic.lower():
            raise ModelFileError(message)
    if start[257:262] == b"ustar":
        raise ModelFileError("is a tar archive; unpack it (tar xf) and name the model file.")
    file.seek(0)
    if start.startswith(b"PK\x03\x04"):
        return _sniff_zip(file)
    if start.lstrip()[:1] in (b"{", b"["):
        return _sniff_json(file)
    if (header := container.read_header(file)) is not None:
        return "edgelstm" if "edgelstm" in container.read_metadata(header) else "safetensors"
    if len(start) < 3:
        raise ModelFileError("has too few bytes for a model; copy or export it again.")
    return _sniff_binary(start, file)


def _sniff_binary(start: bytes, file: BinaryIO) -> str:
    """Formats without a magic number, by the shape of their first bytes."""
    if start[0] == 8 and start[1] < 32 and start[2:3] in b"\x12\x1a\x22\x28\x32\x3a\x42":
        return "ONNX"
    if _is_graph(start):
        return "TensorFlow (frozen .pb)"
    if _is_meta_graph(start):
        return "TensorFlow MetaGraph (.meta)"
    if file.seek(0, io.SEEK_END) >= 48 and file.seek(-8, io.SEEK_END) and file.read(8) == _TABLE:
        return "TensorFlow checkpoint"
    file.seek(0)
    if _is_pickle(start):
        return _sniff_pickle(file)
    if msgpack_file.begins(start):
        return "Flax (MessagePack)"
    raise ModelFileError(_unknown(start))


def _unknown(start: bytes) -> str:
    """What to say of a file of which only its first bytes are known."""
    if not any(start):
        return f"begins with {len(start)} zeros, as a file does whose download or copy was broken off; copy it again."
    text = start.decode("utf-8", "ignore").strip()
    if len(text.encode()) > len(start) - 16 and all(letter.isprintable() or letter.isspace() for letter in text):
        return f"is text, no model file: it begins with {printable(' '.join(text.split()), 60)!r}."
    return "is no model file that edgelstm knows (PyTorch, Keras, ONNX, TensorFlow Lite, .elstm, …); it may be damaged, or something else."


def _is_graph(start: bytes) -> bool:
    """Whether a protobuf begins with a node that has a name and an operator: ``GraphDef.node[0]``."""
    size, place = _field(start, 0, b"\x0a")
    name, place = _field(start, place, b"\x0a") if size else (0, 0)
    if not name or not start[place : place + name].decode("latin-1").isprintable():
        return False
    operator, place = _field(start, place + name, b"\x12")
    return bool(operator) and re.fullmatch(rb"[A-Z][A-Za-z0-9_>]*", start[place : place + operator]) is not None


def _is_meta_graph(start: bytes) -> bool:
    """Whether a protobuf begins with a list of operators: ``MetaGraphDef.meta_info_def.stripped_op_list.op[0].name``."""
    place = 0
    for tag in (b"\x0a", b"\x12", b"\x0a", b"\x0a"):
        size, place = _field(start, place, tag)
        if not size:
            return False
    return re.fullmatch(rb"[A-Z][A-Za-z0-9_>]*", start[place : place + size]) is not None


def _field(data: bytes, place: int, tag: bytes) -> tuple[int, int]:
    """Length and place of the bytes of one protobuf field; length 0 if it is another one."""
    if data[place : place + 1] != tag:
        return 0, place
    size = shift = 0
    for at in range(place + 1, min(place + 6, len(data))):
        size |= (data[at] & 127) << shift
        shift += 7
        if data[at] < 128:
            return size, at + 1
    return 0, place


def _is_pickle(start: bytes) -> bool:
    """Whether it begins as a pickle does: with a protocol, or, in protocols 0 and 1, with a container or a class."""
    with_protocol = start[0] == 0x80 and start[1] <= 5
    return with_protocol or re.match(rb"\(([dl]p?[0-9]*\n|i?[\w.]+\n)|c[\w.]+\n\w+\n|[}\]]q\0", start) is not None


def _sniff_pickle(file: BinaryIO) -> str:
    file.seek(0)
    called = " ".join(_called(file.read(_MAX_START)))
    for word, name in _PICKLES:
        if re.search(rf"(^|[ .]){word}[. ]", called):
            return name
    raise ModelFileError("is a Python pickle that torch.save did not write; write one with torch.save(model.state_dict(), path).")


def _called(start: bytes) -> Iterator[str]:
    """The classes and functions that a pickle names in its first bytes, with their modules."""
    texts: list[str] = []
    with warnings.catch_warnings(action="ignore"), contextlib.suppress(ValueError, LookupError):  # it is cut off
        for opcode, argument, _ in pickletools.genops(start):
            if opcode.name in ("GLOBAL", "INST"):
                yield str(argument)
            elif opcode.name == "STACK_GLOBAL":
                yield " ".join(texts[-2:])
            elif isinstance(argument, str):
                texts.append(argument)


def _sniff_zip(file: BinaryIO) -> str:
    try:
        names = zipfile.ZipFile(file).namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as problem:
        reason = printable(problem, 200)
        raise ModelFileError(f"begins like a zip archive and is damaged or cut off ({reason}); copy it again.") from None
    for ending, name in _ZIP:
        if any(entry.endswith(ending) for entry in names):
            return name
    raise ModelFileError("is a zip archive without a model that edgelstm knows; unpack it and name the model file.")


def _sniff_json(file: BinaryIO) -> str:
    if file.seek(0, io.SEEK_END) > _MAX_JSON_BYTES:
        raise ModelFileError(f"is JSON of more than {_MAX_JSON_BYTES} bytes; edgelstm reads no such models.")
    file.seek(0)
    try:
        document = json.loads(file.read())
    except (ValueError, RecursionError) as problem:
        raise ModelFileError(f"begins like JSON and is damaged or cut off ({printable(problem, 200)}); copy it again.") from None
    for names, name in _JSON:
        if isinstance(document, dict) and names <= set(document):
            return name
    if json_file.is_bag(document):
        return "JSON (named arrays)"
    raise ModelFileError("is JSON, but of no model format that edgelstm knows (.nam, GuitarML, RTNeural, ICU, an object of arrays).")
