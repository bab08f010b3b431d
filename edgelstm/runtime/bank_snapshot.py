"""All streams of a bank as bytes that outlive the process: versioned, bound to one model, and checked before anything is touched.

Layout, little-endian: ``b"ELSTMBNK"``, version u32, size of a state u32, the model's digest (32 bytes), number of streams u64, bytes of all
keys u64; for each stream, the one stepped longest ago first, the steps that the bank has taken since u64, the kind of its key u32 (0 text,
1 a whole number, 2 bytes) and the bytes of its key u32; all keys, one behind the other (UTF-8, int64, bytes); all states (as `snapshot` has
one); CRC-32 of all before it.
"""

import struct
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..errors import StateError
from . import snapshot
from .keyed import LONGEST, Key

_MAGIC, _VERSION = b"ELSTMBNK", 1
_HEADER = struct.Struct("<8sII32sQQ")
_CRC = struct.Struct("<I")
_ENTRY = np.dtype([("idle", "<u8"), ("kind", "<u4"), ("size", "<u4")])
_WHOLE_NUMBER = struct.Struct("<q")

_KINDS: tuple[type, ...] = (str, int, bytes)


def _key_bytes(key: Key) -> bytes:
    if isinstance(key, str):
        return key.encode("utf-8", "surrogatepass")
    return key if isinstance(key, bytes) else _WHOLE_NUMBER.pack(key)


def _key_of(kind: int, data: bytes) -> Key:
    """The key of these bytes.

    Raises
    ------
    ValueError, struct.error
        If they are none.
    """
    if kind == 0:
        return data.decode("utf-8", "surrogatepass")
    return data if kind == 2 else int(_WHOLE_NUMBER.unpack(data)[0])


def pack(idle: dict[Key, int], states: NDArray[np.uint8], digest: str) -> bytes:
    """Streams as bytes. idle: by key, the steps that the bank has taken since its last one; states: (count, state_bytes), as many."""
    kinds = list(map(type, idle))
    texts: Any = idle
    keys = [key.encode("utf-8", "surrogatepass") for key in texts] if {*kinds} <= {str} else [_key_bytes(key) for key in idle]
    entries = np.zeros(len(keys), _ENTRY)
    entries["idle"], entries["size"] = list(idle.values()), list(map(len, keys))
    entries["kind"] = list(map(_KINDS.index, kinds))
    text = b"".join(keys)
    header = _HEADER.pack(_MAGIC, _VERSION, states.shape[1], bytes.fromhex(digest), len(keys), len(text))
    body = b"".join((header, entries.tobytes(), text, states.tobytes()))
    return body + _CRC.pack(crc32(body))


def _refuse() -> StateError:
    return StateError("the snapshot holds streams that this bank cannot have had; take another, or begin anew.")


def unpack(blob: object, state_bytes: int, digest: str, *, finite: bool = True) -> tuple[dict[Key, int], NDArray[np.uint8]]:
    """What `pack` was given. `finite`: whether NaN and infinity in a state are refused.

    Raises
    ------
    StateError
        If the bytes are no snapshot of a bank, are damaged, or belong to another model or another version.
    """
    data = snapshot.bytes_of(blob, "bank.snapshot_all()")
    if len(data) < _HEADER.size + _CRC.size or data[: len(_MAGIC)] != _MAGIC:
        raise StateError(f"these {len(data)} bytes are no snapshot of a bank; pass what bank.snapshot_all() gave, whole.")
    _, version, size, owner, count, text_bytes = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise StateError(f"the snapshot has version {version}, this edgelstm reads {_VERSION}; take it again with this version.")
    text = _HEADER.size + count * _ENTRY.itemsize
    parts = text + text_bytes + count * size + _CRC.size
    if len(data) != parts or crc32(data[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise StateError("the snapshot is damaged (length or checksum is wrong); take another, or begin anew.")
    snapshot.check_owner(owner, digest)
    if size != state_bytes:
        raise _refuse()
    entries = np.frombuffer(data, _ENTRY, count, _HEADER.size)
    keys = _keys(entries, bytes(data[text : text + text_bytes]))
    states = np.frombuffer(data, np.uint8, count * size, text + text_bytes).reshape(count, size)
    idle = entries["idle"]
    if len(keys) != count or not snapshot.possible(states, finite=finite) or (idle >= snapshot.MOST_STEPS).any():
        raise _refuse()
    return dict(zip(keys, idle.tolist(), strict=True)), states


def count(data: bytes) -> int:
    """How many streams a snapshot holds, if it is one."""
    return int(_HEADER.unpack_from(data)[4]) if len(data) >= _HEADER.size else 0


def _keys(entries: NDArray[np.void], text: bytes) -> dict[Key, None]:
    """The keys of these entries, each once.

    Raises
    ------
    StateError
    """
    sizes = entries["size"].astype(np.int64)
    if (entries["kind"] >= len(_KINDS)).any() or (sizes > LONGEST).any() or int(sizes.sum()) != len(text):
        raise _refuse()
    ends = np.cumsum(sizes).tolist()
    if text.isascii() and not entries["kind"].any():
        words = text.decode()
        return dict.fromkeys(words[end - size : end] for size, end in zip(sizes.tolist(), ends, strict=True))
    try:
        found = [
            _key_of(kind, text[end - size : end]) for kind, size, end in zip(entries["kind"].tolist(), sizes.tolist(), ends, strict=True)
        ]
    except (ValueError, struct.error):
        raise _refuse() from None
    return dict.fromkeys(found)
