"""Files of ``flax.serialization.to_bytes``: MessagePack, whose arrays are extensions, as nested dicts of arrays.

Sources: the MessagePack specification, and ``flax/serialization.py`` (extension 1 is an array: shape, name of its dtype, bytes).
"""

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...files.container import BFLOAT16, widened

#: Deepest nesting, and most values, that are read.
_MAX_DEPTH, _MAX_VALUES = 40, 1 << 18

#: Fixed-size values by their first byte: how `struct` reads them.
_NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}

#: What has a length in front, by its first byte: which kind, and how `struct` reads the length.
_SIZED = {
    **dict(zip((0xC4, 0xC5, 0xC6), (("bytes", ">B"), ("bytes", ">H"), ("bytes", ">I")), strict=True)),
    **dict(zip((0xC7, 0xC8, 0xC9), (("extension", ">B"), ("extension", ">H"), ("extension", ">I")), strict=True)),
    **dict(zip((0xD9, 0xDA, 0xDB), (("text", ">B"), ("text", ">H"), ("text", ">I")), strict=True)),
    **dict(zip((0xDC, 0xDD), (("list", ">H"), ("list", ">I")), strict=True)),
    **dict(zip((0xDE, 0xDF), (("map", ">H"), ("map", ">I")), strict=True)),
}


def read(data: bytes) -> dict[str, Any]:
    """The nested dict of arrays.

    Raises
    ------
    ModelFileError
        If the file is damaged, or holds no dict.
    UnsupportedModelError
        If an array is kept in pieces, or is of no numbers.
    """
    try:
        reader = _Reader(data)
        value = reader.value(0)
        if reader.place != len(data):
            raise ValueError("something follows its end")
    except (ValueError, LookupError, TypeError, struct.error, OverflowError, RecursionError) as problem:
        raise ModelFileError(f"is damaged MessagePack ({printable(problem, 200)}); copy or save the file again.") from None
    if not isinstance(value, dict):
        raise ModelFileError("is MessagePack that holds no dict of arrays; write one with flax.serialization.to_bytes(params).")
    return value


def begins(start: bytes) -> bool:
    """Whether a file may be a MessagePack map whose first name is text."""
    first, rest = start[:1], start[1:]
    if first in (b"\xde", b"\xdf"):
        rest = start[3:] if first == b"\xde" else start[5:]
    elif not first or not 0x81 <= first[0] <= 0x8F:
        return False
    if not rest or not (0xA1 <= rest[0] <= 0xBF or rest[0] == 0xD9):
        return False
    name = rest[2 : 2 + rest[1]] if rest[0] == 0xD9 and len(rest) > 1 else rest[1 : 1 + (rest[0] & 31)]
    return bool(name) and name.isascii() and name.decode().isprintable()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.place, self._count = data, 0, 0

    def _take(self, size: int) -> bytes:
        taken = self._data[self.place : self.place + size]
        if len(taken) != size:
            raise ValueError("it ends early")
        self.place += size
        return taken

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def value(self, depth: int) -> Any:
        self._count += 1
        if depth > _MAX_DEPTH or self._count > _MAX_VALUES:
            raise ValueError("it holds too many values, one in another")
        first = self._take(1)[0]
        if first < 0x80 or first >= 0xE0:
            return first if first < 0x80 else first - 256
        if first < 0xC0:
            kind, size = ("map", first & 15) if first < 0x90 else ("list", first & 15) if first < 0xA0 else ("text", first & 31)
            return self._sized(kind, size, depth)
        if first in _NUMBERS:
            return self._number(_NUMBERS[first])
        if first in _SIZED:
            kind, form = _SIZED[first]
            return self._sized(kind, self._number(form), depth)
        if 0xD4 <= first <= 0xD8:
            return self._sized("extension", 1 << (first - 0xD4), depth)
        return {0xC0: None, 0xC2: False, 0xC3: True}[first]

    def _sized(self, kind: str, size: int, depth: int) -> Any:
        if kind == "bytes":
            return self._take(size)
        if kind == "text":
            return self._take(size).decode()
        if kind == "extension":
            return _extension(self._number(">b"), self._take(size))
        if kind == "list":
            return [self.value(depth + 1) for _ in range(size)]
        pairs = [(self.value(depth + 1), self.value(depth + 1)) for _ in range(size)]
        if any(not isinstance(name, str) for name, _ in pairs) or len(dict(pairs)) != size:
            raise ValueError("the names of a map are no texts, or two are the same")
        return dict(pairs)


def _extension(code: int, data: bytes) -> Any:
    if code not in (1, 3):
        raise UnsupportedModelError(f"holds MessagePack's extension {code}, which is neither an array nor a number; save arrays alone.")
    if code == 3:
        kind, raw = _Reader(data).value(0)
        return _filled((), kind, raw)
    return _filled(*_Reader(data).value(0))


def _filled(shape: Any, kind: Any, raw: Any) -> NDArray[Any]:
    if not isinstance(kind, str) or not isinstance(raw, bytes) or len(kind) > 20:
        raise ValueError("an array is described wrongly")
    dtype = BFLOAT16 if kind == "bfloat16" else np.dtype(kind).newbyteorder("<")
    if dtype.kind not in "fiubV" or (dtype.kind == "V" and dtype != BFLOAT16):
        raise UnsupportedModelError(f"holds an array of {printable(kind)}, which is no number; save float arrays.")
    if any(type(n) is not int or n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError(f"an array of shape {tuple(shape)} has {len(raw)} bytes")
    return widened(np.frombuffer(raw, dtype).reshape(shape))
