"""The state of a shard as bytes.

Layout, little-endian: ``b"ELSTMKEY"``, version u32, CRC-32 u32, number of streams u64, rows that were no steps u64; for each
stream, in the order of their keys, the number of its last sample int64; for each, its time int64; the snapshot of the bank, which has a CRC
of its own. The CRC-32 is that of what stands between it and the bank; of version 1, that of all behind it.
"""

from __future__ import annotations

import struct
from zlib import crc32

import numpy as np

from ..errors import StateError
from ..runtime.keyed import Integers
from ..runtime.snapshot import bytes_of

_MAGIC, _VERSION = b"ELSTMKEY", 2
_HEADER = struct.Struct("<8sIIQQ")
_COUNTS = struct.Struct("<QQ")
_CHECKED = _HEADER.size - _COUNTS.size  # bytes before those that the CRC covers

_NUMBERS = np.dtype("<i8")


def pack(numbers: Integers, times: Integers, repeats: int, bank: bytes) -> bytes:
    """A state as bytes.

    Parameters
    ----------
    numbers, times : (streams,) int64
        Of each stream's last sample, in the order of their keys.
    repeats : int
        Rows that were no steps.
    bank : bytes
        The snapshot of the bank.
    """
    marks = numbers.astype(_NUMBERS).tobytes() + times.astype(_NUMBERS).tobytes()
    checked = crc32(marks, crc32(_COUNTS.pack(len(numbers), repeats)))
    return b"".join((_HEADER.pack(_MAGIC, _VERSION, checked, len(numbers), repeats), marks, bank))


def refusal() -> StateError:
    """The error for bytes that are no whole state."""
    return StateError("the state of a shard is damaged (length or checksum is wrong); take an older one, or begin anew.")


def unpack(blob: object) -> tuple[Integers, Integers, int, memoryview]:
    """Numbers, times, rows that were no steps, and the bank's snapshot, as `pack` was given them.

    Raises
    ------
    StateError
        If the bytes are no state of a shard, are damaged, or of another version.
    """
    data = bytes_of(blob, "step_many()")
    if len(data) < _HEADER.size or data[: len(_MAGIC)] != _MAGIC:
        raise StateError(f"these {len(data)} bytes are no state of a shard; pass what step_many() gave, whole.")
    _, version, crc, count, repeats = _HEADER.unpack_from(data)
    if version not in (1, _VERSION):
        raise StateError(f"the state of a shard has version {version}, this edgelstm reads {_VERSION} and older; begin anew.")
    marks = 2 * count * _NUMBERS.itemsize
    checked = data[_CHECKED : None if version == 1 else _HEADER.size + marks]
    if crc32(checked) != crc or len(data) < _HEADER.size + marks:
        raise refusal()
    held = np.frombuffer(data, _NUMBERS, 2 * count, _HEADER.size).astype(np.int64)
    return held[:count], held[count:], repeats, data[_HEADER.size + marks :]
