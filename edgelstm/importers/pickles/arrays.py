"""Pickles that hold NumPy arrays: what their names make, and a reader of dicts and lists of them.

Sources: ``numpy/_core/src/multiarray/methods.c`` (``array_setstate``) and ``descriptor.c`` (``arraydescr_setstate``).
"""

import io
import math
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError
from .reader import Reader

#: Longest pickle that is read.
MAX_BYTES = 1 << 28

ADVICE = 'edgelstm reads dicts of arrays and runs no code. Write one with np.savez("model.npz", **arrays).'

_KINDS = "fiub"


class ArrayType:
    """A dtype of numbers; the pickle sets its byte order afterwards."""

    def __init__(self, name: object, *_: object) -> None:
        self.dtype = np.dtype(_text(name))
        if self.dtype.kind not in _KINDS or self.dtype.names or self.dtype.subdtype:
            raise ValueError(f"it holds an array of {self.dtype}, which is no number")

    def build(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise ValueError("a dtype has no byte order")
        self.dtype = self.dtype.newbyteorder("<" if order in "|=" else order)


class PickledArray:
    """An array, filled by the state that the pickle sets: version, shape, dtype, whether Fortran's order, and bytes."""

    def __init__(self, *_: object) -> None:
        self.array: NDArray[Any] = np.zeros(0, np.float32)

    def build(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        self.array = _filled(shape, kind, "F" if fortran else "C", data)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> "np.dtype[Any]":
        return self.array.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.array.astype(dtype or self.array.dtype)


def _filled(shape: Any, kind: Any, order: Any, data: Any) -> NDArray[Any]:
    data = data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(kind, ArrayType) or not isinstance(data, bytes | bytearray) or order not in ("C", "F"):
        raise ValueError("an array is described wrongly")
    if not (isinstance(shape, tuple) and len(shape) <= 16 and all(type(n) is int and 0 <= n < 1 << 40 for n in shape)):
        raise ValueError("an array's shape is impossible")
    if math.prod(shape) * kind.dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} has {len(data)} bytes")
    flat = np.frombuffer(data, kind.dtype)
    return flat.reshape(shape, order=order).astype(kind.dtype.newbyteorder("="))


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any, *_: object) -> PickledArray:
    """``numpy._core.numeric._frombuffer``, as protocol 5 has it."""
    made = PickledArray()
    made.array = _filled(shape, kind, order, data)
    return made


def _scalar(kind: Any, data: Any) -> object:
    return _filled((), kind, "C", data).item()


def _encoded(text: Any, encoding: Any) -> bytes:
    """``_codecs.encode(text, "latin1")``: bytes in protocol 2."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise ValueError("bytes are described wrongly")
    return text.encode("latin-1")


def _text(name: object) -> str:
    if not isinstance(name, str) or len(name) > 8:
        raise ValueError("a dtype has no name")
    return name


def _ordered_dict(*items: Any) -> dict[object, object]:
    if any(item for item in items):
        raise ValueError("an OrderedDict is made from arguments")
    return {}


#: What is done where a pickle names these.
BUILDERS: dict[str, Callable[..., object]] = {
    "numpy.dtype": ArrayType,
    "_codecs.encode": _encoded,
    "collections.OrderedDict": _ordered_dict,
    **{f"numpy.{core}.multiarray._reconstruct": PickledArray for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
}

#: What may be named and not called.
CONSTANTS = frozenset(("numpy.ndarray",))


def read(file: BinaryIO) -> object:
    """The dict or list of arrays that ``pickle.dump`` was given.

    Raises
    ------
    ModelFileError
        If the pickle is damaged, or names what is no array.
    """
    return Reader(BUILDERS, CONSTANTS, advice=ADVICE).read(limited(file))


def limited(file: BinaryIO) -> BinaryIO:
    """The file's content at its beginning, unless it is too long to be read.

    Raises
    ------
    ModelFileError
    """
    file.seek(0)
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ModelFileError(f"is a pickle of more than {MAX_BYTES} bytes; edgelstm reads no such models.")
    return io.BytesIO(data)
