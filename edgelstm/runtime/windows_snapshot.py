"""The open windows of a stream as bytes that outlive the process: versioned, bound to one model, and checked before anything is touched.

Layout, little-endian: ``b"ELSTMWIN"``, version u32, size of a state u32, the model's digest (32 bytes), samples of a window u64, from the
beginning of one to that of the next u64, samples so far u64; the states of the windows that are open, the oldest first (as `snapshot` has
one); CRC-32 of all before it.
"""

import struct
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..errors import StateError
from . import snapshot

_MAGIC, _VERSION = b"ELSTMWIN", 1
_HEADER = struct.Struct("<8sII32sQQQ")
_CRC = struct.Struct("<I")


class Windows(NamedTuple):
    """Which windows there are.

    Parameters
    ----------
    length, hop : int
        Samples of a window, and from the beginning of one to that of the next.
    """

    length: int
    hop: int

    def ended(self, taken: int) -> int:
        """Windows that have ended with so many samples."""
        return 0 if taken < self.length else (taken - self.length) // self.hop + 1

    def begun(self, taken: int) -> int:
        """Windows that have taken a sample by then."""
        return -(-taken // self.hop)


def pack(windows: Windows, taken: int, states: NDArray[np.uint8], digest: str) -> bytes:
    """A stream of so many samples as bytes. states: (open windows, state_bytes)."""
    body = _HEADER.pack(_MAGIC, _VERSION, states.shape[1], bytes.fromhex(digest), *windows, taken) + states.tobytes()
    return body + _CRC.pack(crc32(body))


def unpack(blob: object, windows: Windows, state_bytes: int, digest: str, *, finite: bool = True) -> tuple[int, NDArray[np.uint8]]:
    """Samples so far and states, as `pack` was given them. `finite`: whether NaN and infinity in a state are refused.

    Raises
    ------
    StateError
        If the bytes are no such snapshot, are damaged, or belong to other windows, another model or another version.
    """
    data = snapshot.bytes_of(blob, "windowed.snapshot()")
    if len(data) < _HEADER.size + _CRC.size or data[: len(_MAGIC)] != _MAGIC:
        raise StateError(f"these {len(data)} bytes are no snapshot of windows; pass what windowed.snapshot() gave, whole.")
    _, version, size, owner, length, hop, taken = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise StateError(f"the snapshot has version {version}, this edgelstm reads {_VERSION}; take it again with this version.")
    if crc32(data[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise StateError("the snapshot is damaged (its checksum is wrong); take another, or begin anew.")
    snapshot.check_owner(owner, digest)
    if windows != Windows(length, hop):
        raise StateError(
            f"the snapshot is of windows of {length} samples every {hop}, and these are of {windows.length} every {windows.hop}; make the "
            "same windows, or begin anew."
        )
    count = windows.begun(taken) - windows.ended(taken)
    if taken >= snapshot.MOST_STEPS or size != state_bytes or len(data) != _HEADER.size + count * size + _CRC.size:
        raise _refusal()
    states = np.frombuffer(data, np.uint8, count * size, _HEADER.size).reshape(count, size)
    most = taken - windows.hop * np.arange(windows.ended(taken), windows.begun(taken))  # fewer where a policy has reset one
    if not snapshot.possible(states, finite=finite) or (states[:, :8].copy().view("<i8").ravel() > most).any():
        raise _refusal()
    return taken, states


def _refusal() -> StateError:
    return StateError("the snapshot holds windows that this model cannot have; take another, or begin anew.")
