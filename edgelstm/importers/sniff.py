"""Which format a model file has, by its content. It reads no weights and believes no suffix."""

import io
import json
import zipfile
from typing import BinaryIO

from .. import container
from ..errors import ModelFileError
from .torch_archive import LEGACY_MAGIC

#: Longest JSON model that is looked into.
_MAX_JSON_BYTES = 1 << 26

#: Beginnings that say it all.
_MAGIC = (
    (0, b"\x89HDF\r\n\x1a\n", "Keras (HDF5)"),
    (4, b"TFL3", "TensorFlow Lite"),
    (2, LEGACY_MAGIC, "PyTorch"),
    (11, LEGACY_MAGIC, "PyTorch"),
    (0, b"\x93NUMPY", "NumPy"),
    (0, b"\x08\x01\x12", "TensorFlow SavedModel"),
    (0, b"GGUF", "GGUF"),
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
)


def sniff(file: BinaryIO) -> str:
    """The format's name as users know it; ``"edgelstm"`` for a `.elstm` file.

    Raises
    ------
    ModelFileError
        If it is none that edgelstm has heard of.
    """
    start = file.read(64)
    for offset, magic, name in _MAGIC:
        if start[offset : offset + len(magic)] == magic:
            return name
    file.seek(0)
    if start.startswith(b"PK\x03\x04"):
        return _sniff_zip(file)
    if start.lstrip()[:1] == b"{":
        return _sniff_json(file)
    if (header := container.read_header(file)) is not None:
        return "edgelstm" if "edgelstm" in container.read_metadata(header) else "safetensors"
    if len(start) < 3:
        raise ModelFileError("has too few bytes for a model; copy or export it again.")
    if start[0] == 8 and start[1] < 32 and start[2:3] in b"\x12\x1a\x22\x28\x32\x3a\x42":
        return "ONNX"
    if start[0] == 0x80 and start[1] <= 5:
        raise ModelFileError("is a Python pickle that torch.save did not write; write one with torch.save(model.state_dict(), path).")
    raise ModelFileError(
        "is no model file that edgelstm knows (PyTorch state_dict, safetensors, .elstm); it may be damaged, or something else."
    )


def _sniff_zip(file: BinaryIO) -> str:
    try:
        names = zipfile.ZipFile(file).namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as problem:
        raise ModelFileError(f"begins like a zip archive and is damaged or cut off ({problem}); copy it again.") from None
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
        raise ModelFileError(f"begins like JSON and is damaged or cut off ({problem}); copy it again.") from None
    for names, name in _JSON:
        if names <= set(document):
            return name
    raise ModelFileError("is JSON, but of no model format that edgelstm knows (.nam, GuitarML, RTNeural).")
