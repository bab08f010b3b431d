"""`run --watch DIR`: new models are looked for, proved and compiled beside the stream, and take over while it runs."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..errors import EdgeLSTMError, UsageError
from .log import say

if TYPE_CHECKING:
    from ..field.shelf import Entry, Shelf
    from ..runners import Samples
    from ..runners.succession import Succession
    from ..runtime.samples import NanPolicyName
    from ..stream import Stream

#: Seconds between two looks at the folder.
LOOK = 2.0

#: Most samples kept to warm a follower with.
RECENT = 1024

_OPTIONS = (
    click.option("--watch", metavar="DIR", help="Take up models that are put into DIR under higher numbers: 7.elstm, 8/gesture.elstm."),
    click.option(
        "--shadow",
        type=click.IntRange(min=1),
        default=100,
        show_default=True,
        metavar="N",
        help="Steps a new model takes beside the old one.",
    ),
    click.option("--keep-state", is_flag=True, help="Let a new model of the same architecture take over the state of the old one."),
)


class Asked(NamedTuple):
    """What was asked for.

    Parameters
    ----------
    folder : str or None
    shadow : int
    keep_state : bool
    """

    folder: str | None
    shadow: int
    keep_state: bool

    def first(self, path: Path) -> Path:
        """The model to begin with: that of the highest number which is sound, so that a run that is started again goes on with it.

        Raises
        ------
        UsageError
            If there is no such folder.
        """
        if self.folder is None:
            return path
        from ..field.shelf import Shelf

        shelf = Shelf(self.folder)
        number = shelf.number_of(path)
        for entry in reversed([entry for entry in shelf.entries() if entry.number > number]):
            try:
                _opened(entry.path)
            except (EdgeLSTMError, OSError) as problem:
                say(f"model {entry.number} is not taken: {problem}", "warning")
            else:
                return entry.path
        return path

    def over(self, stream: "Stream", path: Path, nan_policy: "NanPolicyName", say: Callable[[str], None]) -> "Watching | None":
        """What watches the folder for the followers of a stream; None where nobody asked."""
        if self.folder is None:
            return None
        from ..field.shelf import Shelf
        from ..runners.succession import Succession

        if stream.program.reads_recordings:
            raise UsageError("--watch is for models that step; this one reads whole recordings.")
        shelf = Shelf(self.folder)
        number = shelf.number_of(path)
        succession = Succession(stream, shadow=self.shadow, keep_state=self.keep_state, recent=RECENT, say=say, number=number)
        return Watching(shelf, succession, nan_policy, say)


class Watching:
    """Looks at the shelf between samples, and has what is new made ready in a thread.

    Attributes
    ----------
    succession : Succession
        What is stepped.
    """

    def __init__(self, shelf: "Shelf", succession: "Succession", nan_policy: "NanPolicyName", say: Callable[[str], None]) -> None:
        self.succession, self._shelf, self._policy, self._say = succession, shelf, nan_policy, say
        self._entries: dict[int, Entry] = {}
        self._making: _Making | None = None
        self._due = 0.0

    def between(self, samples: "Iterable[Samples]") -> "Iterator[Samples]":
        """Samples as they come; the folder is looked at between them."""
        for block in samples:
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + LOOK
                self.look()
            yield block

    def look(self) -> None:
        """See what is new, what is ready, and what was taken away."""
        succession = self.succession
        for number in succession.refused & self._entries.keys():
            self._shelf.refuse(self._entries.pop(number))
        if succession.number in self._entries and not self._shelf.holds(succession.number):
            succession.roll_back(f"it was taken out of {self._shelf.folder}")
        if self._making is not None and self._making.done:
            self._take(self._making)
            self._making = None
        if self._making is None and not succession.busy and (entry := self._shelf.next(succession.number)) is not None:
            self._entries[entry.number] = entry
            self._making = _Making(entry, self._policy)

    def _take(self, made: "_Making") -> None:
        if made.stream is None:
            self._shelf.refuse(made.entry)
            self._say(f"model {made.entry.number} is not taken: {made.fault} Model {self.succession.number} goes on.")
        else:
            self.succession.offer(made.entry.number, made.stream)

    def counts(self) -> dict[str, Any]:
        """What telemetry tells of it."""
        return {"swaps": self.succession.swaps, "swaps_refused": len(self.succession.refused)}


class _Making:
    """A model made ready in a thread: compiled by a process of its own, then loaded from the cache and proved here."""

    def __init__(self, entry: "Entry", nan_policy: "NanPolicyName") -> None:
        self.entry, self._policy = entry, nan_policy
        self.stream: Stream | None = None
        self.fault = ""
        self.done = False
        threading.Thread(target=self._make, name="edgelstm-watch", daemon=True).start()

    def _make(self) -> None:
        try:
            if self.entry.path.suffix == ".elstm":
                subprocess.run([sys.executable, "-m", __name__, str(self.entry.path)], capture_output=True, check=False, timeout=600)
            self.stream = _opened(self.entry.path, self._policy)
        except (EdgeLSTMError, OSError, subprocess.SubprocessError) as problem:
            self.fault = f"{str(problem).rstrip('.')}."
        finally:
            self.done = True


def _opened(path: Path, nan_policy: "NanPolicyName" = "raise") -> "Stream":
    """A stream of a model or library, its digest and probe checked, and its code and weights in the caches."""
    from ..loading import load
    from ..runtime.library_file import is_library
    from ..stream import Stream

    stream = Stream(str(path) if is_library(path) else load(path), nan_policy=nan_policy)
    stream.warmup()
    return stream


def watch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as one keyword argument, ``followers``: an `Asked`."""

    @wraps(command)
    def with_followers(*, watch: str | None, shadow: int, keep_state: bool, **others: Any) -> Any:
        return command(followers=Asked(watch, shadow, keep_state), **others)

    for option in reversed(_OPTIONS):
        with_followers = option(with_followers)
    return with_followers


if __name__ == "__main__":  # compiles into the cache, so that loading is quick where a stream must not wait
    os.nice(10)
    _opened(Path(sys.argv[1]))
