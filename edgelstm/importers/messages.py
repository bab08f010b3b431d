"""Protocol buffers by the wire alone: numbers and bytes by the number of their field. Every length is checked before it is believed.

Format: https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError

#: What a field holds: a number, or bytes that the field's type gives a meaning. Of 32 and 64 bits: the bytes.
Field: TypeAlias = "int | memoryview"

#: Wire types.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

#: How deep messages may lie in messages, as in the protobuf package.
DEEPEST = 100

_DAMAGED = "is cut off or damaged inside a message; copy or export it again."


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & ((1 << 64) - 1), at
        shift += 7
    raise ModelFileError(_DAMAGED)


def fields(data: memoryview) -> Iterator[tuple[int, Field]]:
    """The fields of a message, in order: number and content.

    Raises
    ------
    ModelFileError
        If one reaches beyond the message's end, or is of a form that no message has.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, form = key >> 3, key & 7
        if form == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(form)
        if form == _BYTES:
            size, at = _varint(data, at)
        if size is None or size > len(data) - at:
            raise ModelFileError(_DAMAGED)
        yield number, data[at : at + size]
        at += size


def check_count(data: memoryview, kind: Any, most: int) -> None:
    """Refuse a message that has too many fields, with those of the messages in it. `kind`: its descriptor in the protobuf package.

    Raises
    ------
    ModelFileError
        If they are more than `most`, nested too deeply, or damaged.
    """
    _counted(data, kind, most, 0, 0)


def _counted(data: memoryview, kind: Any, most: int, before: int, depth: int) -> int:
    """`before`, and how many fields a message has."""
    if depth > DEEPEST:
        raise ModelFileError(f"nests messages deeper than {DEEPEST}; the file is damaged.")
    within = {number: field.message_type for number, field in kind.fields_by_number.items() if field.message_type is not None}
    count = before
    for number, value in fields(data):
        count += 1
        if count > most:
            raise ModelFileError(f"holds more than {most} operators, attributes and names; edgelstm reads no such graphs.")
        if number in within and isinstance(value, memoryview):
            count = _counted(value, within[number], most, count, depth + 1)
    return count


def signed(value: Field) -> int:
    """A whole number of 64 bits with its sign."""
    if not isinstance(value, int):
        raise ModelFileError(_DAMAGED)
    return value - (1 << 64) if value >= 1 << 63 else value


def inside(value: Field) -> memoryview:
    """The bytes of a field that is a message or text."""
    if isinstance(value, int):
        raise ModelFileError(_DAMAGED)
    return value


def text(value: Field) -> str:
    return bytes(inside(value)).decode(errors="replace")


def fixed(value: Field, dtype: str) -> NDArray[np.generic]:
    """Numbers of fixed length, one or several behind one another."""
    data = inside(value)
    if len(data) % np.dtype(dtype).itemsize:
        raise ModelFileError(_DAMAGED)
    return np.frombuffer(data, dtype)


def varints(value: Field) -> list[int]:
    """Whole numbers, one or several behind one another."""
    if isinstance(value, int):
        return [signed(value)]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(signed(number))
    return found
