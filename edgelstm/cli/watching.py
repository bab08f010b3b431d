"""`run --watch DIR`: new models are looked for, proved and compiled beside the stream, and take over while it runs."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..errors import EdgeLSTMError, UsageError
from .log import say

if TYPE_CHECKING:
    from ..field.bank import StreamBank
    from ..field.shelf import Entry, Shelf
    from ..runners import Samples
    from ..runners.bank_succession import BankSuccession, Both
    from ..runners.succession import Succession
    from ..runtime.samples import NanPolicyName
    from ..stream import Stream

#: Seconds between two looks at the folder.
LOOK = 2.0

#: Most samples kept to warm a follower with: of one stream, and of all streams of a bank together.
RECENT, RECENT_OF_ALL = 1024, 1 << 16

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

    def first(self, path: Path, owner: str = "") -> Path:
        """The model to begin with: the one whose state was kept, else that of the highest number which is sound.

        So a run that is started again goes on with the model that answered last, and a newer one follows it as it would have done then.

        Parameters
        ----------
        path : Path
            Where no model on the shelf is to begin.
        owner : str
            Digest of the model whose state was kept; empty where none was.

        Raises
        ------
        UsageError
            If there is no such folder.
        """
        if self.folder is None:
            return path
        from ..field.shelf import Shelf

        shelf = Shelf(self.folder)
        number, newest = shelf.number_of(path), path
        for entry in reversed(shelf.entries()):
            if not owner and entry.number <= number:
                break
            try:
                digest = _opened(entry.path).digest
            except (EdgeLSTMError, OSError) as problem:
                say(f"model {entry.number} is not taken: {problem}", "warning")
                continue
            if not owner or digest == owner:
                return entry.path
            if newest is path and entry.number > number:
                newest = entry.path
        if owner and newest is not path:
            with suppress(EdgeLSTMError, OSError):
                return path if _opened(path).digest == owner else newest
        return newest

    def over(self, stream: "Stream", bank: "StreamBank | None", path: Path, say: Callable[[str], None]) -> "Watching | None":
        """What watches the folder for the followers of a stream, or of the streams of a bank; None where nobody asked."""
        if self.folder is None:
            return None
        from ..field.shelf import Shelf
        from ..runners.bank_succession import BankSuccession, Both
        from ..runners.succession import Succession

        if stream.program.reads_recordings:
            raise UsageError("--watch is for models that step; this one reads whole recordings.")
        shelf = Shelf(self.folder)
        policy: NanPolicyName = stream._arena.policy.value
        asked: dict[str, Any] = {"shadow": self.shadow, "keep_state": self.keep_state, "say": say, "number": shelf.number_of(path)}
        if bank is None:
            return Watching(shelf, Succession(stream, recent=RECENT, **asked), policy, 0, say)
        return Watching(shelf, BankSuccession(Both(stream, bank), recent=RECENT_OF_ALL, **asked), policy, bank.capacity, say)


class Watching:
    """Looks at the shelf between samples, and has what is new made ready in a thread.

    Attributes
    ----------
    succession : Succession
        What is stepped.
    """

    def __init__(
        self,
        shelf: "Shelf",
        succession: "Succession | BankSuccession",
        nan_policy: "NanPolicyName",
        streams: int,
        say: Callable[[str], None],
    ) -> None:
        self.succession, self._shelf, self._policy, self._streams, self._say = succession, shelf, nan_policy, streams, say
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
            self._making = _Making(entry, self._policy, self._streams)

    def _take(self, made: "_Making") -> None:
        if made.one is None:
            self._shelf.refuse(made.entry)
            self._say(f"model {made.entry.number} is not taken: {made.fault} Model {self.succession.number} goes on.")
        else:
            self.succession.offer(made.entry.number, made.one)

    def counts(self) -> dict[str, Any]:
        """What telemetry tells of it."""
        return {"swaps": self.succession.swaps, "swaps_refused": len(self.succession.refused)}


class _Making:
    """A model made ready in a thread: compiled by a process of its own, then loaded from the cache and proved here.

    `one` is a stream; where there are to be streams by key, a bank with room for so many beside it.
    """

    def __init__(self, entry: "Entry", nan_policy: "NanPolicyName", streams: int) -> None:
        self.entry, self._policy, self._streams = entry, nan_policy, streams
        self.one: Any = None
        self.fault = ""
        self.done = False
        threading.Thread(target=self._make, name="edgelstm-watch", daemon=True).start()

    def _make(self) -> None:
        try:
            if self.entry.path.suffix == ".elstm":
                command = [sys.executable, "-m", __name__, str(self.entry.path), *(["streams"] if self._streams else [])]
                subprocess.run(command, capture_output=True, check=False, timeout=600)
            stream = _opened(self.entry.path, self._policy)
            self.one = _beside(stream, self.entry.path, self._policy, self._streams) if self._streams else stream
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


def _beside(stream: "Stream", path: Path, nan_policy: "NanPolicyName", streams: int) -> "Both":
    """A stream, and a bank of the same model."""
    from ..field.bank import StreamBank
    from ..runners.bank_succession import Both
    from ..runtime.library_file import is_library

    return Both(stream, StreamBank(str(path) if is_library(path) else stream.model, streams, nan_policy=nan_policy))


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
    opened = _opened(Path(sys.argv[1]))
    if sys.argv[2:]:
        _beside(opened, Path(sys.argv[1]), "raise", 1)
