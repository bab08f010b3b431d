"""`run --state FILE`: a state that outlives the process. In a folder: `state_folder`."""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ModelFileError, StateError, UsageError
from .log import say

if TYPE_CHECKING:
    from ..runners import Samples

#: Seconds between two times that the state of an endless input is written.
SECONDS = 10.0

#: Times that a lock file is opened which others remove, since they just end.
_PATIENCE = 100

#: What the states of runs begin with, and of what they are.
_KINDS = {
    b"ELSTMSNP": "a lone stream, without --key and --time",
    b"ELSTMTIM": "a lone stream with --time",
    b"ELSTMBNK": "streams by key, without --time",
    b"ELSTMTBK": "streams by key with --time",
}


def _of_others(blob: bytes, problem: StateError) -> str:
    """What is wrong with a state that was kept by a run of other options; empty where something else is."""
    kind = _KINDS.get(blob[:8])
    return f"it is the state of {kind}; say the same here" if kind and "no snapshot" in str(problem) else ""


def _opened(path: str) -> int:
    """A lock file, made where there is none; -1 where none can be made, as on a disk that is full."""
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):  # another user may have left one that can be read alone
        with suppress(OSError):
            return os.open(path, flags, 0o666)
    return -1


def _locked(file: int) -> bool:
    """Make an open file this process's own until it is closed; whether no other has it. A file system without locks says yes."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (OSError, ValueError):
        pass
    return True


def _named(file: int, path: str) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except OSError:
        return False


class Stateful(Protocol):
    """A stream, or many."""

    def snapshot(self) -> bytes:
        """The state as bytes."""

    def restore(self, blob: bytes) -> None:
        """Take up a state."""


class StateFile:
    """The state that belongs to the answers written so far; taken up at the start, written by `keep`.

    Parameters
    ----------
    path : str
    every : float
        Seconds between two times that the state is written.

    Attributes
    ----------
    notes : mapping
        What the file held beside the state.

    Raises
    ------
    UsageError
        If no file could be written there, or another process keeps its state in it.
    """

    kind = "file"

    def __init__(self, path: str, every: float = SECONDS) -> None:
        self.path, self.every = path, every
        self._held, self._lock = -1, ""
        self._check()
        self._streams: Stateful | None = None
        self._blob = b""
        self._noted: Mapping[str, Any] = {}
        self._whole = self._warned = False
        self._tell: Callable[[], Mapping[str, Any]] = dict
        self.notes: Mapping[str, Any] = {}

    def _check(self) -> None:
        folder = os.path.dirname(os.path.realpath(self.path))
        if not os.path.isdir(folder):
            raise UsageError(f"--state {self.path}: there is no folder {folder}; create it first.")
        if not os.access(folder, os.W_OK) or (os.path.lexists(self.path) and not os.path.isfile(self.path)):
            raise UsageError(f"--state {self.path}: no file can be written there; name another.")
        self._claim()

    def _claim(self) -> None:
        """Make the state this process's own until `close`: by a file beside it, since each state that is written is another file.

        Raises
        ------
        UsageError
            If another process has it.
        """
        from ..runtime.writing import beside, remove_unfinished

        self._lock = beside(self.path, "lock")
        for _ in range(_PATIENCE):
            file = _opened(self._lock)
            if not _locked(file):
                os.close(file)
                raise UsageError(f"--state {self.path}: another process keeps its state there; end it, or name another file.")
            if file < 0 or _named(file, self._lock):
                self._held = file
                remove_unfinished(self.path)
                return
            os.close(file)  # who had it has removed it between the two calls

    def _let_go(self) -> None:
        if self._held >= 0:
            if _named(self._held, self._lock):
                with suppress(OSError):
                    os.unlink(self._lock)
            os.close(self._held)
            self._held = -1

    def _load(self) -> tuple[bytes, Mapping[str, Any]] | None:
        """The state that is there, and its notes."""
        from ..runners import checkpoint

        if not os.path.exists(self.path):
            return None
        with open(self.path, "rb") as file:
            return checkpoint.unpack(file.read(1 << 30))

    def _save(self, blob: bytes, notes: Mapping[str, Any]) -> None:
        """Put a state there, whole or not at all."""
        from ..runners import checkpoint
        from ..runtime.writing import write_atomic

        write_atomic(self.path, checkpoint.pack(blob, notes))

    @cached_property
    def _there(self) -> tuple[bytes, Mapping[str, Any]] | None:
        """What `_load` gave at the start."""
        return self._load()

    @property
    def owner(self) -> str:
        """Digest of the model whose state is there; empty where none is, or it is damaged."""
        from ..runtime.snapshot import owner

        try:
            return "" if self._there is None else owner(self._there[0])
        except StateError:
            return ""

    def take_up(self, streams: Stateful) -> None:
        """Put a stream, or many, into the state of the file, if there is one.

        Raises
        ------
        StateError
            If it is damaged or of another model.
        """
        kept = None
        try:
            kept = self._there
            if kept is not None:
                streams.restore(kept[0])
                self.notes = kept[1]
        except StateError as problem:
            fact = _of_others(kept[0] if kept else b"", problem) or str(problem).partition("; ")[0].rstrip(".")
            raise StateError(
                f"--state {self.path}: {fact}. Name another {self.kind}, or remove this one to start from the initial state."
            ) from None
        self.__dict__.pop("_there", None)
        self._streams = streams
        self.remember()
        self._noted = self.notes

    def note(self, tell: Callable[[], Mapping[str, Any]]) -> None:
        """Let `tell` say what stands beside the state from now on: each time a mapping of its own, which nobody changes."""
        self._tell = tell

    def keep(self) -> None:
        """Write the state, whole or not at all."""
        if self._blob:
            self._save(self._blob, self._noted)

    def keep_or_go_on(self) -> None:
        """The same; a disk that is full, or fails, is told once, and the stream goes on."""
        try:
            self.keep()
        except ModelFileError as problem:
            if not self._warned:
                say(f"{problem} The stream goes on; the state on the disk is the last that could be written.", "warning")
            self._warned = True

    def remember(self) -> None:
        """Take the state now for the one to keep."""
        if self._streams is not None:
            self._blob, self._noted = self._streams.snapshot(), self._tell()

    def finish(self, *, settled: bool) -> None:
        """Keep the last state that belongs to whole bursts of samples, however the run ended.

        Parameters
        ----------
        settled : bool
            Whether the answers to those arrived, and nothing was counted behind them.
        """
        if self._whole and settled:
            self.remember()
        self.keep()

    def kept_between(self, source: "Iterable[Samples]") -> "Iterator[Samples]":
        """Samples as they come, the state being remembered when all that came together were stepped, answered or not."""
        for samples in source:
            yield samples
            self.remember()

    def kept_after_each(self, source: "Iterable[Samples]", settle: Callable[[], object], *, told: bool) -> "Iterator[Samples]":
        """Samples, the state being written after those before were answered, before any more are asked for.

        Parameters
        ----------
        settle : callable
            Waits until the answers are where they shall go.
        told : bool
            Whether a sender is told that the state holds its samples: then it is written each time, and where it cannot be the run ends.
        """
        last = time.monotonic()
        if (told and not self.notes) or self._writes_elsewhere():
            self.remember()  # what the first samples leave behind is cut back to here, if the run ends before their state is kept
            self.keep()
        for samples in source:
            self._whole = False
            yield samples
            self._whole = not told  # its state is remembered here, and what a sender sent meanwhile is none of it
            if told or time.monotonic() - last >= self.every:
                last = time.monotonic()
                settle()
                self.remember()
                self.keep() if told else self.keep_or_go_on()

    def _writes_elsewhere(self) -> bool:
        """Whether answers go on in another place than where those ended that belong to the state."""
        return list(self._tell().get("written", ())) != list(self.notes.get("written", ()))

    def counts(self) -> dict[str, Any]:
        """What telemetry tells of it: nothing, of a file."""
        return {}

    def close(self) -> None:
        """Leave the file to others."""
        self._let_go()
