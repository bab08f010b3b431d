"""`run --metrics` and /metrics: what a running stream counts, as JSON lines in a file and as Prometheus reads it."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .log import say
from .output import OutputFile

if TYPE_CHECKING:
    from ..field.telemetry import Telemetry
    from ..runners import Samples
    from ..web.server import Route


def route(telemetry: "Telemetry") -> "Route":
    """What a server answers at /metrics."""
    from ..field import exposition
    from ..web.server import Reply

    return lambda request: Reply(exposition.CONTENT_TYPE, exposition.text(telemetry.record()).encode())


class MetricsFile:
    """A file of JSON lines. A disk that takes no more ends the lines, and not the stream.

    Parameters
    ----------
    path : str
    every : float
        Seconds between two lines.
    telemetry : Telemetry

    Raises
    ------
    OSError
        If the file cannot be opened.
    """

    def __init__(self, path: str, every: float, telemetry: "Telemetry") -> None:
        self._file = OutputFile(path, append=True, headed=False)
        self._every, self._telemetry = every, telemetry
        self._due = time.monotonic() + every
        self._full = False

    def between(self, samples: "Iterable[Samples]") -> "Iterator[Samples]":
        """Samples as they come; a line is written between them when it is due."""
        for block in samples:
            yield block
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + self._every
                self.write()

    def write(self) -> None:
        """Append a line."""
        if self._full:
            return
        self._telemetry.look()
        line = json.dumps({"time": time.time(), **self._telemetry.record()}, allow_nan=False).encode() + b"\n"
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as problem:
            self._full = True
            say(f"{self._file.name}: no more metrics are written ({problem.strerror}); the stream goes on.", "warning")

    def close(self) -> None:
        """Write the last line, and close."""
        self.write()
        self._file.close()
