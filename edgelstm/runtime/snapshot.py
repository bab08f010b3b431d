"""A stream's state as bytes that outlive the process: versioned, bound to one model, and checked before anything is touched.

Layout, little-endian: ``b"ELSTMSNP"``, version u32, size of the state u32, the model's digest (32 bytes), the state, CRC-32 of all
before it. The state is the first part of an arena: steps taken (int64), the last sample, h and c of every layer.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StateError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC = b"ELSTMSNP"
_VERSION = 1
_HEADER = struct.Struct("<8sII32s")
_CRC = struct.Struct("<I")


def crc32(data: bytes | memoryview) -> int:
    """CRC-32, by a library that a start needs only where a snapshot is taken or given."""
    import zlib

    return zlib.crc32(data)


#: No stream has taken as many steps: what is due is computed from their number without overflow.
MOST_STEPS = 1 << 62

#: Bytes of the state that are counters and padding, not floats.
_COUNTERS = 64


def header(state_bytes: int, digest: str) -> bytes:
    """What every snapshot of a model with this digest (64 hexadecimal digits) begins with."""
    return _HEADER.pack(_MAGIC, _VERSION, state_bytes, bytes.fromhex(digest))


def size(state_bytes: int) -> int:
    """Bytes of a snapshot."""
    return _HEADER.size + state_bytes + _CRC.size


def pack(state: NDArray[np.uint8], digest: str) -> bytes:
    """The state of a model with this digest (64 hexadecimal digits) as bytes."""
    body = header(state.nbytes, digest) + state.tobytes()
    return body + _CRC.pack(crc32(body))


def unpack(blob: object, state_bytes: int, digest: str, *, finite: bool = True) -> NDArray[np.uint8]:
    """The state in a snapshot, as `pack` was given it. `finite`: whether NaN and infinity in it are refused.

    Raises
    ------
    StateError
        If the bytes are no snapshot, are damaged, or belong to another model or another version.
    """
    data = bytes_of(blob, "stream.snapshot()")
    if len(data) < size(0) or data[: len(_MAGIC)] != _MAGIC:
        raise StateError(f"these {len(data)} bytes are no snapshot; pass what stream.snapshot() gave, whole.")
    _, version, state_size, owner = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise StateError(f"the snapshot has version {version}, this edgelstm reads {_VERSION}; take it again with this version.")
    if len(data) != size(state_size) or crc32(data[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise StateError("the snapshot is damaged (length or checksum is wrong); take another, or start with reset().")
    check_owner(owner, digest)
    state = np.frombuffer(data, np.uint8, state_size, _HEADER.size)
    if state_size != state_bytes or not possible(state[None], finite=finite):
        raise StateError("the snapshot holds a state that this model cannot have; take another, or start with reset().")
    return state


def owner(blob: bytes) -> str:
    """Digest of the model that a snapshot belongs to: of a stream, of a bank, or of one on a grid of time; empty for other bytes.

    All of them hold a header of this layout; those on a grid have it behind their own.
    """
    places = (blob.find(magic) for magic in (_MAGIC, b"ELSTMBNK"))
    begun = min((place for place in places if place >= 0), default=-1)
    whole = begun >= 0 and len(blob) >= begun + _HEADER.size
    return _HEADER.unpack_from(blob, begun)[3].hex() if whole else ""


def check_owner(owner: bytes, digest: str) -> None:
    """Refuse a snapshot of another model.

    Raises
    ------
    StateError
    """
    if owner.hex() != digest:
        raise StateError(
            f"the snapshot belongs to another model (digest {owner.hex()[:12]}, this one is {digest[:12]}); "
            "load that model, or start with reset()."
        )


def possible(states: NDArray[np.uint8], *, finite: bool) -> bool:
    """Whether streams can have these states, (count, state_bytes). `finite`: whether NaN and infinity are refused."""
    taken = np.ascontiguousarray(states[:, :8]).view("<u8")
    return bool((taken < MOST_STEPS).all() and not (finite and not np.isfinite(states[:, _COUNTERS:].view(np.float32)).all()))


def bytes_of(blob: Any, giver: str) -> memoryview:
    """The bytes of a buffer, where they lie; no number and no list is taken for them. giver: what gives such bytes."""
    try:
        return memoryview(blob).cast("B")
    except Exception:  # noqa: BLE001  objects of others raise what they like
        raise StateError(f"a snapshot is the bytes that {giver} gave, one behind the other; got {type(blob).__name__}.") from None
