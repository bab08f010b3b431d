"""States on disk that outlive the process, the power and a full disk: two generations of one file, each whole and checked, or not there.

A state is written to a new file, flushed to the disk, and renamed over the older of the two; so whatever ends the process at whatever
moment, the newer one is there. With the state stand marks: how far each source had been read when the state was taken, so that what
comes again is known.

Layout of a file, little-endian: ``b"ELSTMSTO"``, version u32, generation u64, bytes of the marks u32, bytes of the state u64, the marks
as a JSON object, the state, SHA-256 of all before it.
"""

import fcntl
import json
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import StateError, UsageError
from ..runtime.digests import sha256
from ..runtime.writing import remove_unfinished, write_atomic

_MAGIC, _VERSION = b"ELSTMSTO", 1
_HEADER = struct.Struct("<8sIQIQ")
_DIGEST_SIZE = 32

#: No bank of streams is larger, in bytes.
MOST_BYTES = 1 << 34


class Kept(NamedTuple):
    """A state that was on the disk.

    Parameters
    ----------
    generation : int
        1 for the first that was ever written there.
    state : bytes
        As it was given to `StateStore.write`.
    marks : dict
        How far each source had been read, as plain JSON values.
    """

    generation: int
    state: bytes
    marks: dict[str, Any]


class StateStore:
    """Two generations of a state in a folder, which is this process's alone until `close`.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    name : str
        Of the files in it: ``NAME.0.state`` and ``NAME.1.state``.

    Attributes
    ----------
    generation : int
        Of the newest state on the disk; 0 where there is none.
    faults : list of str
        What was wrong with a generation that was passed over for the other one.

    Raises
    ------
    UsageError
        If no file can be written there, or another process uses the folder.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str = "state") -> None:
        self.folder = Path(folder)
        self.generation = 0
        self.faults: list[str] = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as problem:
            raise UsageError(f"{folder}: no state can be kept there ({problem.strerror}); name a folder that can be written to.") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise UsageError(f"{folder}: another process keeps its state there; end it, or name another folder.") from None
        except OSError:
            pass  # a file system without locks
        self._files = tuple(self.folder / f"{name}.{slot}.state" for slot in (0, 1))
        for file in self._files:
            remove_unfinished(str(file))

    def newest(self) -> Kept | None:
        """The newest state that is whole; None where none was ever written.

        Raises
        ------
        StateError
            If files are there, and none of them is whole.
        """
        found: list[Kept] = []
        self.faults = []
        for file in self._files:
            with suppress(FileNotFoundError):
                try:
                    found.append(_read(file))
                except StateError as fault:
                    self.faults.append(f"{file}: {fault}")
        if not found:
            if self.faults:
                raise StateError(f"{self.faults[0]} Move it away to start from the initial state.")
            return None
        newest = max(found, key=lambda kept: kept.generation)
        self.generation = newest.generation
        return newest

    def write(self, state: bytes, marks: Mapping[str, Any]) -> None:
        """Put a state on the disk as the next generation; it is there when this returns.

        Raises
        ------
        ModelFileError
            If the disk is full or fails. The newest state on it is then what it was.
        """
        generation = self.generation + 1
        text = json.dumps(marks, sort_keys=True, allow_nan=False).encode()
        body = _HEADER.pack(_MAGIC, _VERSION, generation, len(text), len(state)) + text + state
        write_atomic(str(self._files[generation % 2]), body + sha256(body).digest())
        self.generation = generation

    def close(self) -> None:
        """Leave the folder to others."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _read(path: Path) -> Kept:
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES)
    if len(data) < _HEADER.size + _DIGEST_SIZE or data[: len(_MAGIC)] != _MAGIC:
        raise StateError("is no state that edgelstm kept, or was cut short.")
    _, version, generation, marks, state = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise StateError(f"has version {version}, and this edgelstm reads {_VERSION}.")
    whole = _HEADER.size + marks + state + _DIGEST_SIZE
    if len(data) != whole or sha256(data[:-_DIGEST_SIZE]).digest() != data[-_DIGEST_SIZE:]:
        raise StateError("is damaged (length or checksum is wrong).")
    begun = _HEADER.size + marks
    try:
        found = json.loads(data[_HEADER.size : begun])
    except (ValueError, RecursionError):
        raise StateError("is damaged (its marks are no JSON).") from None
    return Kept(generation, data[begun : begun + state], found)
