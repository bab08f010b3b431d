"""What a running stream counts of itself: how long answers took, what was refused, lost or made up, and how its inputs look.

Samples are counted as they pass, a block at a time, by compiled code and the CPU's own counter; where there is none, by two looks at
Python's clock and a note of them. All else is done for many blocks at once, or when somebody asks.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .native_clock import counting
from .sensors import SensorChecks

if TYPE_CHECKING:
    from ..runtime.block_clock import BlockClock
    from ..runtime.step_clock import Clock

#: The smallest latency that is told apart, in nanoseconds, and how often it is doubled: the last bucket ends at 4.2 s.
FINEST, DOUBLINGS = 250, 24

#: The upper ends of the buckets in nanoseconds.
_EDGES = FINEST << np.arange(DOUBLINGS + 1)

#: So many blocks are taken down before they are sorted into buckets.
SETTLED_AT = 1024

#: So many samples are collected before the sensors are looked at, or so many nanoseconds.
LOOKED_AT, LOOKED_AFTER = 2048, 2_000_000_000


class Block(Protocol):
    """Samples that arrived together: `runners.Samples`."""

    @property
    def values(self) -> NDArray[np.float32]:
        """(count, input_size)."""

    @property
    def begins(self) -> bool:
        """Whether the stream is reset before them."""


class About(NamedTuple):
    """What is told of the model.

    Parameters
    ----------
    digest : str
    version : str
        Of edgelstm.
    input_names : tuple of str
        Of the channels; empty where they have none.
    """

    digest: str
    version: str
    input_names: tuple[str, ...] = ()


class Telemetry:
    """Counters of one stream, or of one bank.

    Parameters
    ----------
    about : About
    deadline : float, optional
        Seconds within which a sample is to be answered: the period of a stream.
    sensors : SensorChecks, optional
        Look at what passes.
    clock : callable
        Nanoseconds that never go back.

    Attributes
    ----------
    latency : list of int
        How many samples were answered within 250 ns, 500 ns, … 4.2 s; the last one counts those that took longer.
    latency_ns : int
        The sum of what they took.
    resets, deadline_misses, refused : int
    asked : list of callable
        Each gives further numbers by name when a `record` is made; the names are those of `exposition`.

    A sample's latency is the time from its arrival until its answer, and those of all that arrived with it, have been written.
    """

    def __init__(
        self,
        about: About,
        *,
        deadline: float | None = None,
        sensors: SensorChecks | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.about, self.deadline, self.sensors, self._clock = about, deadline, sensors, clock
        self._deadline_ns = float("inf") if deadline is None else deadline * 1e9
        self.latency = [0] * (DOUBLINGS + 2)
        self.latency_ns = self.resets = self.deadline_misses = self.refused = 0
        self.asked: list[Callable[[], Mapping[str, Any]]] = []
        self._taken: list[tuple[int, int]] = []
        self._settling = threading.Lock()
        self._passed: list[NDArray[np.float32]] = []
        self._collected = self._due = 0
        self._clocks: list[Clock] = []
        self._blocks: BlockClock | None = None

    @property
    def steps(self) -> int:
        """Samples answered."""
        self.settle()
        return sum(self.latency)

    def observe(self, blocks: Iterable[Any]) -> Iterator[Any]:
        """Blocks as they come, each counted when the next one is asked for: whoever iterates has answered it then."""
        handle = counting() if self._clock is time.perf_counter_ns else None
        if handle is None:
            return self._observe(blocks)
        from ..runtime.block_clock import BlockClock

        self._blocks = BlockClock(handle, FINEST, self._deadline_ns, self._tell)
        self._look_from_here()
        self._clocks.append(self._blocks)
        return self._blocks.observe(iter(blocks))

    def _observe(self, blocks: Iterable[Any]) -> Iterator[Any]:
        """The same by this object's clock."""
        clock, taken = self._clock, self._taken
        for block in blocks:
            started = clock()
            yield block
            took = clock() - started
            taken.append((took, len(block.values)))
            if block.begins or self.sensors is not None or len(taken) >= SETTLED_AT:
                self._look_at(block, started + took)

    def _look_from_here(self) -> None:
        """Hand the sensors to compiled code, where that sees the samples."""
        if self._blocks is not None:
            self._blocks.look_at(None if self.sensors is None else self.sensors.record)

    def _tell(self, came: Any) -> None:
        """What compiled code says: a block of a type that it does not know; or samples, an array, that it cannot look at."""
        if isinstance(came, np.ndarray):
            samples = came
        elif self._blocks is None or self._blocks.learn(came):
            return
        else:
            self._blocks.answering(len(came.values))
            self.resets += bool(came.begins)
            samples = came.values
        if self.sensors is not None:
            self.sensors.look(samples)

    def answered(self, block: Block, took: int) -> None:
        """Count a block of samples that were answered, `took` nanoseconds after they had arrived."""
        self._taken.append((took, len(block.values)))
        self._look_at(block, -1)

    def _look_at(self, block: Block, now: int) -> None:
        """Do what not every block asks for; now: nanoseconds of the clock."""
        if len(self._taken) >= SETTLED_AT:
            self.settle()
        if block.begins:
            self.resets += 1
        if self.sensors is not None:
            self._passed.append(block.values)
            self._collected += len(block.values)
            if self._collected >= LOOKED_AT or now >= self._due:
                self._due = now + LOOKED_AFTER
                self.look()

    def took(self, nanoseconds: int, count: int) -> None:
        """Count samples whose answers took so long."""
        self._taken.append((nanoseconds, count))
        if len(self._taken) >= SETTLED_AT:
            self.settle()

    def settle(self) -> None:
        """Sort what was taken down into buckets; whoever serves pages does it in a thread of his own."""
        with self._settling:
            for clock in self._clocks:
                counted = clock.collect()
                self.latency = [one + other for one, other in zip(self.latency, counted.latency, strict=True)]
                self.latency_ns += counted.nanoseconds
                self.deadline_misses += counted.missed
                self.refused += counted.refused
                self.resets += counted.resets
            count = len(self._taken)
            if not count:
                return
            taken = np.array(self._taken[:count], np.int64)  # (count, 2): nanoseconds, samples
            del self._taken[:count]
            nanoseconds, samples = taken.T
            places = np.searchsorted(_EDGES, nanoseconds)
            self.latency = (np.array(self.latency) + np.bincount(places, samples, len(_EDGES) + 1).astype(np.int64)).tolist()
            self.latency_ns += int(nanoseconds @ samples)
            self.deadline_misses += int(samples[nanoseconds > self._deadline_ns].sum())

    def look(self) -> None:
        """Look at the samples that have passed since the last time."""
        passed, self._collected = self._passed.copy(), 0
        del self._passed[: len(passed)]
        if self.sensors is not None and passed:
            self.sensors.look(np.concatenate(passed))

    def record(self) -> dict[str, Any]:
        """All of it as plain JSON values; times in nanoseconds where the name says so, else in seconds."""
        self.settle()
        told: dict[str, Any] = {
            "digest": self.about.digest,
            "version": self.about.version,
            "steps": self.steps,
            "resets": self.resets,
            "refused_samples": self.refused,
            "latency_ns": {"buckets": dict(zip(edges(), self.latency, strict=True)), "sum": self.latency_ns, "count": self.steps},
            "deadline": self.deadline,
            "deadline_misses": self.deadline_misses,
        }
        if self.sensors is not None:
            names = self.about.input_names or tuple(f"x{i}" for i in range(len(self.sensors.stuck)))
            told["inputs"] = dict(zip(names, _channels(self.sensors), strict=True))
        for ask in self.asked:
            told.update(ask())
        return told


def edges() -> list[str]:
    """The upper ends of the buckets in nanoseconds, as the record spells them; the last has none."""
    return [*(str(FINEST << k) for k in range(DOUBLINGS + 1)), "inf"]


def _channels(sensors: SensorChecks) -> list[dict[str, Any]]:
    """What is told of each channel."""
    drift = [value if np.isfinite(value) else None for value in sensors.drift.tolist()]
    parts = (sensors.out_of_range.tolist(), sensors.stuck.tolist(), sensors.stuck_total.tolist(), drift)
    return [
        {"out_of_range": beyond, "stuck": stuck, "stuck_total": often, "drift": off}
        for beyond, stuck, often, off in zip(*parts, strict=True)
    ]
