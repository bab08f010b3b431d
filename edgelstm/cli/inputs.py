"""What `run` reads: one input or several, one after the other, with a progress bar where somebody looks on."""

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from typing import TYPE_CHECKING, cast

import click

from . import show

if TYPE_CHECKING:
    from ..runners import Samples
    from ..runners.lines import LineSource
    from ..runners.reading import Reading
    from ..runners.rows import Inputs

Read = Callable[[int], bytes]


def say(sentence: str) -> None:
    """One line on stderr."""
    with suppress(OSError):  # nobody may listen any more
        click.echo("edgelstm: " + show.printable(sentence), err=True)


def check(paths: Sequence[str]) -> None:
    """Open every file once, before work begins; pipes and devices are left for their turn.

    Raises
    ------
    OSError
        For one that cannot be read.
    """
    for path in paths:
        if path != "-" and (os.path.isfile(path) or os.path.isdir(path) or not os.path.exists(path)):
            with open(path, "rb"):
                pass


class Recordings:
    """The samples of all inputs. With more than one, each begins a recording, and errors name it.

    Parameters
    ----------
    paths : sequence of str
        ``-`` is standard input.
    bar : bool
        Whether a progress bar may be drawn on stderr.

    Attributes
    ----------
    sources : list of LineSource
        One for each input begun.
    """

    def __init__(self, paths: Sequence[str], *, bar: bool) -> None:
        self._paths, self._bar = paths, bar
        self.sources: list[LineSource] = []

    def samples(self, model: "Inputs", reading: "Reading") -> "Generator[Samples]":
        """Samples as they come, for a stream or model."""
        from ..runners.lines import LineSource

        many = len(self._paths) > 1
        with self._counted() as counting:
            for path in self._paths:
                with _opened(path) as (read, live):
                    source = LineSource(counting(read), model, reading, live=live, note=say, file=path if many else "")
                    self.sources.append(source)
                    begins = many
                    for samples in source:
                        yield samples._replace(begins=begins)
                        begins = False

    @contextmanager
    def _counted(self) -> Iterator[Callable[[Read], Read]]:
        """A function that makes a `read` which moves the progress bar, if there is one."""
        size = sum(os.path.getsize(path) for path in self._paths if os.path.isfile(path))
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
def _opened(path: str) -> Iterator[tuple[Read, bool]]:
    """A function that waits for some bytes of an input and returns what has arrived; and whether it is a terminal device."""
    if path == "-":
        yield cast(BufferedReader, sys.stdin.buffer).read1, sys.stdin.isatty()
        return
    with open(path, "rb", buffering=0) as file:
        yield file.read, file.isatty()
