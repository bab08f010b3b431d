"""A state with notes beside it, as bytes: which samples it holds, and how far the answers were written.

Layout, little-endian: ``b"ELSTMRUN"``, version u32, length of the notes u32, the notes in JSON, the state, CRC-32 of all before it.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from ..errors import StateError

_MAGIC = b"ELSTMRUN"
_VERSION = 1
_HEADER = struct.Struct("<8sII")
_CRC = struct.Struct("<I")


def pack(state: bytes, notes: Mapping[str, Any]) -> bytes:
    """A state and notes that JSON can hold; without notes the state as it is."""
    if not any(notes.values()):
        return state
    text = json.dumps(notes, separators=(",", ":")).encode()
    body = _HEADER.pack(_MAGIC, _VERSION, len(text)) + text + state
    return body + _CRC.pack(crc32(body))


def unpack(data: bytes) -> tuple[bytes, dict[str, Any]]:
    """The state and the notes that `pack` was given; a state alone has none.

    Raises
    ------
    StateError
        If the bytes are damaged or of another version.
    """
    if data[: len(_MAGIC)] != _MAGIC:
        return data, {}
    if len(data) < _HEADER.size + _CRC.size or crc32(data[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise StateError("it is damaged (its checksum is wrong); remove it to start anew.")
    _, version, length = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise StateError(f"it has version {version}, this edgelstm reads {_VERSION}; remove it to start anew.")
    try:
        found = json.loads(data[_HEADER.size : _HEADER.size + length])
    except (ValueError, RecursionError):
        found = None
    return data[_HEADER.size + length : -_CRC.size], checked_notes(found)


def checked_notes(found: object) -> dict[str, Any]:
    """Notes as a run writes them: ``sequence``, the last number of each stream; ``begun``, four of each; ``seen``, pairs of numbers;
    ``written``, none or three; ``read``, any.

    Raises
    ------
    StateError
        If they are others.
    """
    if isinstance(found, dict):
        last, seen, written = found.get("sequence", {}), found.get("seen", []), found.get("written", [])
        begun = found.get("begun", {})
        pairs = isinstance(seen, list) and all(_are_numbers(pair, 2) for pair in seen)
        marks = isinstance(begun, dict) and all(_are_numbers(of_one, 4) for of_one in begun.values())
        counts = isinstance(last, dict) and _are_numbers(list(last.values())) and _are_numbers(found.get("read", []))
        if counts and pairs and marks and (written == [] or _are_numbers(written, 3)):
            return found
    raise StateError("it is damaged (what stands beside the state is no count of samples); remove it to start anew.")


def _are_numbers(values: object, count: int | None = None) -> bool:
    """Whether it is a list of whole numbers from 0 on, of so many."""
    whole = isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)
    return whole and isinstance(values, list) and count in (None, len(values))
