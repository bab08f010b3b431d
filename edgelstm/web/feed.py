"""What the live page shows, gathered where samples are stepped and read where pages are served."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .server import Reply, Request

#: Samples of a stream that a page can draw.
KEPT = 600

#: Streams whose samples are kept for drawing: those that pages asked for last.
MOST_DRAWN = 64

#: Times a second that a page is told what is new.
PER_SECOND = 4

#: Streams that a page lists, once a second: those that were stepped last.
LISTED = 1000

#: Upper ends of the histogram's bars, in nanoseconds a step; beyond the last lies one more.
BOUNDS = [250 << k for k in range(16)]

#: Inputs and outputs beyond these are not drawn.
MOST_LINES = 12


class Feed:
    """The latest samples and answers of the streams that somebody looks at; how many there were of all; how long steps took.

    Parameters
    ----------
    title : str
    inputs, outputs : sequence of str
        What the lines are called.
    labels : bool
        Whether the outputs are decisions, whose largest names a stream's state.
    thresholds : sequence of float
        What each output must reach to do so.

    Attributes
    ----------
    count : callable
        Gives further counters by name, whenever a page is told what is new.
    """

    def __init__(
        self, title: str, inputs: Sequence[str], outputs: Sequence[str], *, labels: bool, thresholds: Sequence[float] = ()
    ) -> None:
        self._about = {"title": title, "inputs": list(inputs)[:MOST_LINES], "outputs": list(outputs)[:MOST_LINES], "bounds": BOUNDS}
        self._names = list(outputs) if labels else []
        self._thresholds = np.asarray(thresholds, np.float32)
        self._lock = threading.Lock()
        self._rows: dict[str, deque[tuple[int, float, list[float]]]] = {"": deque(maxlen=KEPT)}
        self._streams: dict[str, tuple[int, int]] = {}
        self._counts = np.zeros(len(BOUNDS) + 1, np.int64)
        self._number = 0
        self.count: Callable[[], Mapping[str, int]] = dict

    def saw(self, keys: Sequence[str], xs: NDArray[np.float32], answers: NDArray[np.float32], nanoseconds: int) -> None:
        """Take samples (count, input_size) and, where each was answered, their answers (count, output_size), which took this long.

        `keys` has one name a sample, or none where there is one stream.
        """
        many, now = len(xs), time.time()
        with self._lock:
            place = int(np.searchsorted(BOUNDS, nanoseconds / max(many, 1)))
            self._counts[place] += many
            for i in range(many):
                key = keys[i] if keys else ""
                answered = i < len(answers)
                steps, best = self._streams.pop(key, (0, -1))
                if answered and self._names:
                    best = self._decided(answers[i])
                self._streams[key] = steps + 1, best
                self._number += 1
                if key in self._rows:
                    drawn = [*xs[i, :MOST_LINES].tolist(), *(answers[i, :MOST_LINES].tolist() if answered else [])]
                    self._rows[key].append((self._number, now, drawn))

    def _decided(self, answer: NDArray[np.float32]) -> int:
        """The output that names the state; -1 where none reaches its threshold."""
        if not len(self._thresholds):
            return int(answer.argmax())
        reached = np.where(answer >= self._thresholds, answer, -np.inf)
        return int(reached.argmax()) if np.isfinite(reached).any() else -1

    def about(self, request: Request) -> Reply:
        """What stays the same: names and bounds, as JSON."""
        return Reply("application/json", json.dumps(self._about).encode())

    def events(self, request: Request) -> Reply:
        """What is new of the stream ``?key=``, some times a second, as server-sent events."""
        return Reply("text/event-stream", self._told(request))

    def _told(self, request: Request) -> Iterator[bytes]:
        key = request.query.get("key", "")
        with self._lock:
            if key not in self._rows and len(self._rows) >= MOST_DRAWN:
                del self._rows[next(iter(self._rows))]
            self._rows.setdefault(key, deque(maxlen=KEPT))
        last = 0
        for turn in count():
            if request.ending.is_set():
                return
            told, last = self._since(key, last, listing=turn % PER_SECOND == 0)
            yield b"data: " + json.dumps(told, separators=(",", ":")).encode() + b"\n\n"
            request.ending.wait(1 / PER_SECOND)

    def _since(self, key: str, last: int, *, listing: bool) -> tuple[dict[str, Any], int]:
        with self._lock:
            rows = [row for row in self._rows.get(key, ()) if row[0] > last]
            streams = list(self._streams.items())[-LISTED:] if listing else []
            counts, many = self._counts.tolist(), len(self._streams)
        further = {name.replace("_", " "): number for name, number in self.count().items()}
        told = {
            "now": time.time(),
            "rows": [[when, *map(_finite, drawn)] for _, when, drawn in rows],
            "histogram": counts,
            "counters": {"samples": self._number, "streams": many, **further},
        }
        if listing:
            told["streams"] = [[name, steps, self._names[best] if best >= 0 else ""] for name, (steps, best) in reversed(streams)]
        return told, rows[-1][0] if rows else last


def _finite(value: float) -> float | None:
    """A number as JSON has them; None for those that it has not."""
    return round(value, 6) if abs(value) < 1e30 else None


def routes(feed: Feed, files: Mapping[str, tuple[str, bytes]]) -> dict[str, Any]:
    """The routes of the page: its files by path, and what it reads."""
    made: dict[str, Any] = {path: (lambda request, kind=kind, body=body: Reply(kind, body)) for path, (kind, body) in files.items()}
    return {**made, "/about": feed.about, "/events": feed.events}
