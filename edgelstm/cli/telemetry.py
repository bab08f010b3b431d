"""`run --metrics` and /metrics: what a running stream counts, as JSON lines in a file and as Prometheus reads it."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import __version__
from .log import say
from .output import OutputFile

if TYPE_CHECKING:
    from ..field.telemetry import Telemetry
    from ..runners import Samples
    from ..stream import Stream
    from ..web.server import Route


def telemetry_of(stream: "Stream", rate_hz: float | None, asked: Sequence[Callable[[], Mapping[str, Any]]]) -> "Telemetry":
    """Telemetry of a stream whose answers are due within a period, with what else is asked for: see `Telemetry.asked`."""
    from ..field.telemetry import Telemetry

    telemetry = Telemetry(_about(stream), deadline=1 / rate_hz if rate_hz else None, sensors=_sensors(stream))
    telemetry.asked += asked
    return telemetry


def follow(telemetry: "Telemetry", stream: "Stream") -> None:
    """Tell of another model from now on."""
    telemetry.look()
    telemetry.about, telemetry.sensors = _about(stream), _sensors(stream)


def _about(stream: "Stream") -> Any:
    from ..field.telemetry import About

    return About(stream.digest, __version__, stream.input_names)


def _sensors(stream: "Stream") -> Any:
    from ..field.sensors import SensorChecks

    return None if stream.statistics is None else SensorChecks(stream.statistics)


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
