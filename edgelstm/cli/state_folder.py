"""`run --state DIR/`: a state in two generations, written every few seconds, so that a power cut costs those seconds and no more."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError
from ..field.store import StateStore
from ..runners.checkpoint import checked_notes
from .log import say
from .state import SECONDS, StateFile

if TYPE_CHECKING:
    from ..runners import Samples


def is_folder(path: str) -> bool:
    """Whether a state is to be kept in a folder: its name ends so, or it is one."""
    return path.endswith(os.sep) or os.path.isdir(path)


class StateFolder(StateFile):
    """The same as `StateFile`, in a folder that is this process's alone until `close`.

    Parameters
    ----------
    path : str
        Made if it is not there.
    every : float
        Seconds between two states.

    Raises
    ------
    UsageError
        If nothing can be written there, or another process uses the folder.
    """

    kind = "folder"

    def __init__(self, path: str, every: float = SECONDS) -> None:
        self._store = StateStore(path)
        self._failures = self._written = 0
        self._at: float | None = None
        self._due = time.monotonic() + every
        super().__init__(path, every)

    def _check(self) -> None:
        """Nothing more: the store is open."""

    def _load(self) -> tuple[bytes, Mapping[str, Any]] | None:
        kept = self._store.newest()
        for fault in self._store.faults:
            say(f"{fault} The generation before it is taken up.", "warning")
        return None if kept is None else (kept.state, checked_notes(kept.marks))

    def _save(self, blob: bytes, notes: Mapping[str, Any]) -> None:
        try:
            self._store.write(blob, notes)
        except ModelFileError:
            self._failures += 1
            raise
        self._written += 1
        self._at = time.monotonic()

    def kept_between(self, source: "Iterable[Samples]") -> "Iterator[Samples]":
        """As of `StateFile`; what was remembered last is written between them when it is due."""
        for samples in super().kept_between(source):
            yield samples
            if (now := time.monotonic()) >= self._due:
                self._due = now + self.every
                self.keep_or_go_on()

    def counts(self) -> dict[str, Any]:
        """What telemetry tells of it."""
        age = None if self._at is None else time.monotonic() - self._at
        return {"snapshots": self._written, "snapshot_failures": self._failures, "snapshot_age": age}

    def close(self) -> None:
        """Leave the folder to others."""
        self._store.close()
