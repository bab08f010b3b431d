"""`run --state FILE`: a stream's state that outlives the process."""

import os
from typing import TYPE_CHECKING

from ..errors import StateError, UsageError

if TYPE_CHECKING:
    from ..stream import Stream


class StateFile:
    """The state that belongs to the answers written so far; taken up at the start, written by `keep`.

    Parameters
    ----------
    path : str

    Raises
    ------
    UsageError
        If no file could be written there.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        folder = os.path.dirname(os.path.realpath(path))
        if not os.path.isdir(folder):
            raise UsageError(f"--state {path}: there is no folder {folder}; create it first.")
        if not os.access(folder, os.W_OK) or (os.path.lexists(path) and not os.path.isfile(path)):
            raise UsageError(f"--state {path}: no file can be written there; name another.")
        self._stream: Stream | None = None
        self._blob = b""

    def take_up(self, stream: "Stream") -> None:
        """Put a stream into the state of the file, if there is one.

        Raises
        ------
        StateError
            If it is damaged or of another model.
        """
        if os.path.exists(self._path):
            with open(self._path, "rb") as file:
                blob = file.read(1 << 30)
            try:
                stream.restore(blob)
            except StateError as problem:
                fact = str(problem).partition("; ")[0].rstrip(".")
                raise StateError(
                    f"--state {self._path}: {fact}. Name another file, or remove this one to start from the initial state."
                ) from None
        self._stream = stream
        self.remember()

    def keep(self) -> None:
        """Write the state, whole or not at all."""
        from ..runtime.writing import write_atomic

        if self._blob:
            write_atomic(self._path, self._blob)

    def remember(self) -> None:
        """Take the stream's state for the one to keep."""
        if self._stream is not None:
            self._blob = self._stream.snapshot()
