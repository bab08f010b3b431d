"""What `run` reads: one input or several, one after the other, with a progress bar where somebody looks on."""

import os
import stat
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ..errors import InputError
from . import show
from .given import is_array_file
from .log import say

if TYPE_CHECKING:
    from ..runners import Input, Samples
    from ..runners.reading import Reading
    from ..runners.rows import Inputs

Read = Callable[[int], bytes]

#: Seconds after which it is said that nobody has opened the other end of a pipe.
PATIENCE = 2.0


def check(paths: Sequence[str]) -> None:
    """Open every file once, before work begins; pipes, devices and URLs are left for their turn.

    Raises
    ------
    OSError
        For one that cannot be read.
    """
    for path in paths:
        if path != "-" and not is_url(path) and (os.path.isfile(path) or os.path.isdir(path) or not os.path.exists(path)):
            with open(path, "rb"):
                pass


def is_url(path: str) -> bool:
    """Whether an input is no file."""
    from .. import sources

    return ":" in path and sources.is_url(path)


class Live(NamedTuple):
    """What inputs that are no files are told; as in `sources.Wanted`."""

    rate_hz: float | None = None
    full: str = ""
    seen: Sequence[tuple[int, int]] = ()


class Recordings:
    """The samples of all inputs. With more than one, each begins a recording, and errors name it.

    Parameters
    ----------
    paths : sequence of str
        ``-`` is standard input.
    bar : bool
        Whether a progress bar may be drawn on stderr.
    live : Live
        For URLs.

    Attributes
    ----------
    paths : sequence of str
    sources : list of Input
        One for each input begun.
    """

    def __init__(self, paths: Sequence[str], *, bar: bool, live: Live = Live()) -> None:  # noqa: B008
        self.paths, self._bar, self._live = paths, bar, live
        self.sources: list[Input] = []

    def samples(self, model: "Inputs", reading: "Reading") -> "Generator[Samples]":
        """Samples as they come, for a stream or model."""
        many = len(self.paths) > 1
        with self._counted() as counting:
            for path, name, read in self._recordings(model):
                with self._opened(path, model, reading, counting, read) as source:
                    source.file = name if many or read else ""
                    self.sources.append(source)
                    begins = many or read is not None
                    for samples in source:
                        yield samples._replace(begins=begins)
                        begins = False

    def _recordings(self, model: "Inputs") -> Iterator[tuple[str, str, Read | None]]:
        """Every path, how errors call it, and what reads its lines, if it is a recording in a file of arrays."""
        for path in self.paths:
            if is_array_file(path):
                from .array_files import lines_of, recordings

                try:
                    found = recordings(Path(path), model.input_size)
                except InputError as problem:
                    raise InputError(f"{path}: {problem}") from None
                yield from ((path, recording.place.name, lines_of(recording.rows)) for recording in found)
            else:
                yield path, path, None

    @contextmanager
    def _opened(
        self, path: str, model: "Inputs", reading: "Reading", counting: Callable[[Read], Read], rows: Read | None
    ) -> "Iterator[Input]":
        """The source of an input; closed behind. `rows`: what reads the lines of an array."""
        from ..runners.lines import LineSource

        if rows is not None:
            reading = reading._replace(header=False, delimiter="", decimal=".", comment="", skip_lines=0)
            yield LineSource(rows, model, reading, note=say)
        elif is_url(path):
            from .. import sources

            source = sources.open_input(path, sources.Wanted(model, reading, say, *self._live))
            try:
                yield source
            finally:
                source.close()
        else:
            with _file(path) as (read, live):
                yield LineSource(counting(read), model, reading, live=live, note=say)

    @contextmanager
    def _counted(self) -> Iterator[Callable[[Read], Read]]:
        """A function that makes a `read` which moves the progress bar, if there is one."""
        size = sum(os.path.getsize(path) for path in self.paths if os.path.isfile(path))
        if not (size and self._bar and sys.stderr.isatty()):
            yield lambda read: read
            return
        from rich.console import Console
        from rich.progress import Progress

        progress = Progress(console=Console(stderr=True), transient=True)
        task = progress.add_task("run", total=size)

        def counting(read: Read) -> Read:
            def counted(count: int) -> bytes:
                data = read(count)
                progress.advance(task, len(data))
                return data

            return counted

        try:
            progress.start()
            yield counting
        finally:
            show.stop(progress)


@contextmanager
def waiting(path: str, what: str) -> Iterator[None]:
    """Say so if opening a named pipe takes long, since nobody has opened its other end."""
    try:
        pipe = stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        pipe = False
    if not pipe:
        yield
        return
    timer = threading.Timer(PATIENCE, say, [f"{path} is a pipe that nobody {what} yet; waiting. Ctrl-C ends."])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _typed_here() -> bool:
    """Whether stdin is the terminal that this process belongs to, at which somebody sits, and no serial line."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) > 0
    except (OSError, ValueError):
        return False


@contextmanager
def _file(path: str) -> Iterator[tuple[Read, bool]]:
    """A function that waits for some bytes of a file and returns what has arrived; and whether it is a terminal device."""
    if path == "-":
        if _typed_here():
            say("samples are read from this terminal, one a line; Ctrl-D ends them.")
        yield cast(BufferedReader, sys.stdin.buffer).read1, sys.stdin.isatty()
        return
    with waiting(path, "writes to"):
        file = open(path, "rb", buffering=0)  # noqa: SIM115  closed below
    with file:
        yield file.read, file.isatty()
