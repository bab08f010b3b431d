"""Files of named arrays: opened with care, parsed and laid out by the safetensors library.

What the arrays and the metadata mean is decided by `elstm` and the importers.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import safetensors

from ..errors import ModelFileError, ShapeError, UnsupportedModelError, UsageError, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Larger files are refused before they are read. No LSTM for an edge CPU comes near.
MAX_FILE_BYTES = 1 << 31

#: Longest header that is read: some hundred thousand tensors. The safetensors library accepts ten times as much.
MAX_HEADER_BYTES = 10_000_000

#: bfloat16 has no NumPy dtype; `widened` turns these arrays into float32.
BFLOAT16 = np.dtype([("bfloat16", "<u2")])

#: What the dtype names of a safetensors header mean. Source: the format's README.
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}

Tensors = dict[str, np.ndarray[Any, Any]]


def widened(array: NDArray[Any]) -> NDArray[Any]:
    """`array`, as float32 where it is bfloat16: the upper half of a float32's bits."""
    if array.dtype.names != BFLOAT16.names:
        return array
    return (array["bfloat16"].astype(np.uint32) << np.uint32(16)).view(np.float32)


@contextlib.contextmanager
def about(path: str) -> Iterator[None]:
    """Begin the message of every error with the file's name; what the system refuses becomes a `ModelFileError`."""
    try:
        yield
    except (ModelFileError, UnsupportedModelError, ShapeError, UsageError) as problem:
        raise type(problem)(f"{path}: {problem}") from None
    except OSError as problem:
        raise ModelFileError(
            f"{path}: cannot be read ({problem.strerror or problem}); check the path, its permissions and the disk."
        ) from None
    except MemoryError:
        raise ModelFileError(f"{path}: needs more memory than this machine gives; load a smaller model.") from None


def path_text(path: str | os.PathLike[str]) -> str:
    """`path` as text, fit for the system and for messages."""
    try:
        text = os.fspath(path)
    except TypeError:
        text = ""
    if not isinstance(text, str) or not text or "\0" in text:
        hint = " A state_dict in memory is read by edgelstm.from_torch." if isinstance(path, Mapping) else ""
        if hasattr(path, "state_dict"):
            hint = " A module of PyTorch is read by edgelstm.from_torch(module.state_dict())."
        raise UsageError(f"a model's path must be non-empty text or a pathlib.Path; got {printable(repr(path), 60)}.{hint}")
    return text


def _about_file(path: str) -> os.stat_result:
    """What the system tells of a file; of a link that leads nowhere, and of a shell's abbreviation, what it is."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        if os.path.islink(path):
            target = os.readlink(path)
            fetch = "fetch it with git annex get" if "annex/objects" in target else "copy the file itself"
            raise ModelFileError(f"is a link to {printable(target, 200)}, which is not there; {fetch}.") from None
        if "://" in path:
            raise ModelFileError("is an address; download the file, and give its path.") from None
        if path.startswith("~"):
            raise ModelFileError("begins with ~, which shells alone understand; give os.path.expanduser(path).") from None
        raise


#: The file that a folder is a model by.
_IN_FOLDER = "saved_model.pb"


def open_file(path: str) -> BinaryIO:
    """Open a regular file of acceptable size for reading; of a folder the file that is the model there.

    Raises
    ------
    ModelFileError
        If it is a folder, a device, empty, or larger than `MAX_FILE_BYTES`.
    """
    about_file = _about_file(path)
    if stat.S_ISDIR(about_file.st_mode):
        path = os.path.join(path, _IN_FOLDER)
        if not os.path.isfile(path):
            raise ModelFileError(f"is a folder without a {_IN_FOLDER} (TensorFlow's SavedModel); name the model file in it.")
        about_file = _about_file(path)
    if not stat.S_ISREG(about_file.st_mode):
        raise ModelFileError("is no regular file; copy the model to disk and name that file.")
    if about_file.st_size == 0:
        raise ModelFileError("is empty; copy or export the model again.")
    if about_file.st_size > MAX_FILE_BYTES:
        raise ModelFileError(
            f"has {about_file.st_size} bytes; files beyond {MAX_FILE_BYTES} are not read. Save the weights without the rest."
        )
    return open(path, "rb")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names are unique: the library and Python would each keep another one."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ModelFileError(
            f"names {printable(next(n for n in names if names.count(n) > 1), 60)!r} twice; the file was made or changed by hand."
        )
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def read_json(text: bytes | str, what: str) -> Any:
    """`text` as strict JSON: no name twice, no NaN. `what` tells the user which part of the file is damaged."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise ModelFileError(
            f"{what} is no valid JSON ({printable(problem, 100)}); the file is damaged, copy or convert it again."
        ) from None


def read_header(file: BinaryIO) -> bytes | None:
    """The JSON header of a safetensors file as it stands; None if the file does not begin like one.

    Raises
    ------
    ModelFileError
        If it begins like one and is cut off, or claims a header beyond `MAX_HEADER_BYTES`.
    """
    start = file.read(9)
    file.seek(0)
    if len(start) < 9 or start[8:] != b"{":
        return None
    (length,) = struct.unpack("<Q", start[:8])
    size = os.fstat(file.fileno()).st_size
    if length > min(MAX_HEADER_BYTES, size - 8):
        raise ModelFileError(
            f"claims a header of {length} bytes in a file of {size} (limit {MAX_HEADER_BYTES}); it is cut off or damaged, copy it again."
        )
    file.seek(8)
    header = file.read(length)
    file.seek(0)
    return header


def read_metadata(header: bytes) -> dict[str, str]:
    """The text that a safetensors header carries beside its tensors."""
    document = read_json(header, "the header")
    metadata = document.get("__metadata__") if isinstance(document, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def read_tensors(data: bytes) -> Tensors:
    """All tensors of a safetensors file; the library checks sizes, order and bounds.

    Raises
    ------
    ModelFileError, UnsupportedModelError
    """
    try:
        parts = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as problem:
        raise ModelFileError(f"is no sound safetensors file ({printable(problem, 200)}); copy or convert it again.") from None
    tensors: Tensors = {}
    for name, part in parts:
        if part["dtype"] not in DTYPES:
            raise UnsupportedModelError(
                f"tensor {printable(name, 200)!r} has dtype {printable(part['dtype'], 60)}; known are {', '.join(DTYPES)}. "
                "Save it as float32."
            )
        tensors[name] = np.frombuffer(part["data"], DTYPES[part["dtype"]]).reshape(part["shape"])
    return tensors


def write_tensors(tensors: Tensors, metadata: Mapping[str, str]) -> bytes:
    """A safetensors file's bytes. Equal arguments give equal bytes as long as `metadata` has one entry."""
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, dict(metadata))
