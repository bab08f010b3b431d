"""The numbers of TensorFlow's checkpoints, by the keys under which they were saved. Nothing but their two kinds of files is needed.

Format: ``tensorflow/core/protobuf/tensor_bundle.proto``; its index is a table of sorted strings (``tensorflow/core/lib/io/format.cc``).
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...files import container
from ..messages import fields, signed
from .file import MOST_NUMBERS, Dtype, raw_numbers, shape_of

#: The end of a table, and how long its end is: two places of blocks, padded, and these bytes.
MAGIC, _FOOTER = bytes.fromhex("57fb808b247547db"), 48

#: Largest index; most entries of one; what follows each block: how it is compressed, and a checksum.
_MOST_INDEX, _MOST_ENTRIES, _TRAILER = 1 << 26, 1 << 17, 5

_DAMAGED = "its checkpoint's index (variables.index) is damaged or cut off; copy or save it again."


@dataclass(frozen=True, eq=False)
class Entry:
    """Where a tensor's numbers are."""

    dtype: Dtype
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    in_slices: bool


class Bundle:
    """A checkpoint: `prefix` is the path of its files without their endings. Its files are opened as its tensors are asked for.

    Raises
    ------
    ModelFileError
        If its index is not there, or damaged.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix, self._shards, self._count = prefix, 1, 0
        self._entries: dict[str, Entry] = {}
        for key, value in _table(_bytes_of(f"{prefix}.index", _MOST_INDEX)):
            if not key:
                self._shards = next((signed(part) for number, part in fields(value) if number == 1), 0)
            else:
                self._entries[key.decode(errors="replace")] = _entry(value)

    def tensor(self, key: str) -> NDArray[Any]:
        """The numbers of one key.

        Raises
        ------
        ModelFileError, UnsupportedModelError
        """
        entry = self._entries.get(key)
        called = f"the variable {printable(key, 120)!r}"
        if entry is None:
            raise ModelFileError(f"its checkpoint does not hold {called}; it was saved with another network, save both again.")
        dtype = entry.dtype.numpy
        if entry.in_slices or dtype is None:
            raise UnsupportedModelError(
                f"{called} is saved in slices, or as no numbers, which is not imported; save the model unpartitioned."
            )
        if min((*entry.shape, 0)) < 0 or math.prod(entry.shape) > MOST_NUMBERS:
            raise ModelFileError(f"{called} has shape {printable(entry.shape, 80)}; at most {MOST_NUMBERS} numbers are read.")
        self._count += math.prod(entry.shape)
        if self._count > 2 * MOST_NUMBERS:
            raise ModelFileError(f"its checkpoint holds more than {2 * MOST_NUMBERS} numbers.")
        values = raw_numbers(memoryview(self._read(entry, called)), entry.dtype, called)
        if values.size != math.prod(entry.shape):
            raise ModelFileError(f"{called} of shape {entry.shape} has {values.size} numbers; its checkpoint is damaged, save it again.")
        return values.reshape(entry.shape)

    def _read(self, entry: Entry, called: str) -> bytes:
        if not 0 <= entry.shard < self._shards < 1 << 16 or entry.offset < 0 or entry.size < 0:
            raise ModelFileError(_DAMAGED)
        with container.open_file(f"{self._prefix}.data-{entry.shard:05d}-of-{self._shards:05d}") as file:
            if entry.offset + entry.size > os.fstat(file.fileno()).st_size:
                raise ModelFileError(f"the file that holds {called} is cut off; copy or save it again.")
            file.seek(entry.offset)
            return file.read(entry.size)


def _bytes_of(path: str, most: int) -> bytes:
    with container.open_file(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ModelFileError(f"its checkpoint's index has more than {most} bytes; edgelstm reads no such checkpoints.")
    return data


def _entry(value: memoryview) -> Entry:
    """A BundleEntryProto."""
    found = {1: 0, 3: 0, 4: 0, 5: 0}
    shape: tuple[int, ...] | None = ()
    sliced = False
    for number, part in fields(value):
        if number == 2:
            shape = shape_of(part)
        elif number == 7:
            sliced = True
        elif number in found:
            found[number] = signed(part)
    if shape is None:
        raise ModelFileError(_DAMAGED)
    return Entry(Dtype(found[1]), shape, found[3], found[4], found[5], sliced)


def _table(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values of a table: its last block lists the others."""
    if len(data) < _FOOTER or not data.endswith(MAGIC):
        raise ModelFileError(_DAMAGED)
    places, at = [], len(data) - _FOOTER
    for _ in range(4):
        number, at = _varint(data, at)
        places.append(number)
    count = 0
    for _, place in _block(memoryview(data), places[2], places[3]):
        offset, at = _varint(bytes(place), 0)
        size, _ = _varint(bytes(place), at)
        for key, value in _block(memoryview(data), offset, size):
            count += 1
            if count > _MOST_ENTRIES:
                raise ModelFileError(f"its checkpoint holds more than {_MOST_ENTRIES} variables; edgelstm reads no such checkpoints.")
            yield key, value


def _block(data: memoryview, offset: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """The entries of a block; each key goes on from as much of the one before as it says."""
    if offset + size + _TRAILER > len(data) or size < 4:
        raise ModelFileError(_DAMAGED)
    if data[offset + size]:
        raise UnsupportedModelError("its checkpoint's index is compressed, as TensorFlow does not write it; save the model again.")
    block = data[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    end, at, key = size - 4 - 4 * restarts, 0, b""
    if end < 0:
        raise ModelFileError(_DAMAGED)
    body = bytes(block[:end])
    while at < end:
        shared, at = _varint(body, at)
        own, at = _varint(body, at)
        length, at = _varint(body, at)
        if shared > len(key) or own + length > end - at:
            raise ModelFileError(_DAMAGED)
        key = key[:shared] + body[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise ModelFileError(_DAMAGED)
