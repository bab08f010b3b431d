"""`run --state FILE`: a state that outlives the process."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import StateError, UsageError

if TYPE_CHECKING:
    from ..runners import Samples

#: Seconds between two times that the state of an endless input is written.
SECONDS = 10.0


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

    Attributes
    ----------
    notes : mapping
        What the file held beside the state.

    Raises
    ------
    UsageError
        If no file could be written there.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        folder = os.path.dirname(os.path.realpath(path))
        if not os.path.isdir(folder):
            raise UsageError(f"--state {path}: there is no folder {folder}; create it first.")
        if not os.access(folder, os.W_OK) or (os.path.lexists(path) and not os.path.isfile(path)):
            raise UsageError(f"--state {path}: no file can be written there; name another.")
        self._streams: Stateful | None = None
        self._blob = b""
        self._whole = False
        self._tell: Callable[[], Mapping[str, Any]] = dict
        self.notes: Mapping[str, Any] = {}

    def take_up(self, streams: Stateful) -> None:
        """Put a stream, or many, into the state of the file, if there is one.

        Raises
        ------
        StateError
            If it is damaged or of another model.
        """
        from ..runners import checkpoint

        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                data = file.read(1 << 30)
            try:
                blob, self.notes = checkpoint.unpack(data)
                streams.restore(blob)
            except StateError as problem:
                fact = str(problem).partition("; ")[0].rstrip(".")
                raise StateError(
                    f"--state {self.path}: {fact}. Name another file, or remove this one to start from the initial state."
                ) from None
        self._streams = streams
        self.remember()

    def note(self, tell: Callable[[], Mapping[str, Any]]) -> None:
        """Let `tell` say what stands beside the state from now on."""
        self._tell = tell

    def keep(self) -> None:
        """Write the state, whole or not at all."""
        from ..runtime.writing import write_atomic

        if self._blob:
            write_atomic(self.path, self._blob)

    def remember(self) -> None:
        """Take the state now for the one to keep."""
        from ..runners import checkpoint

        if self._streams is not None:
            self._blob = checkpoint.pack(self._streams.snapshot(), self._tell())

    def finish(self) -> None:
        """Keep the last state that belongs to whole bursts of samples, however the run ended."""
        if self._whole:
            self.remember()
        self.keep()

    def kept_after_each(self, source: "Iterable[Samples]", settle: Callable[[], None], seconds: float) -> "Iterator[Samples]":
        """Samples, the state being written after those before were answered: before any more are asked for, every `seconds` at most.

        Parameters
        ----------
        settle : callable
            Waits until the answers are where they shall go.
        """
        last = time.monotonic()
        for samples in source:
            self._whole = False
            yield samples
            self._whole = True
            if (now := time.monotonic()) - last >= seconds:
                last = now
                settle()
                self.remember()
                self.keep()
