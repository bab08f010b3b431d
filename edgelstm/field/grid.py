"""The grid of time that a stream is stepped on: what the time of a sample means, before anything is done about it.

A sample belongs to the instant that it is nearest to. Instants lie one period apart; the grid follows the samples, by an eighth of what
each is off and of `jitter` at most, so that with the default jitter a sensor's clock may run 3 % fast or slow without a sample lost or
made up.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import asdict, dataclass
from enum import Enum
from math import floor, isfinite, isinf, isnan
from typing import NamedTuple

from ..errors import InputError, UsageError, printable

#: The part of a sample's distance from its instant by which the grid follows it.
FOLLOWING = 1 / 8

#: A gap is never filled with more steps than this.
MOST_FILLED = 1_000_000


class Event(Enum):
    """What the time of a sample means."""

    BEGINS = "begins"
    """It is the first one."""
    DUE = "due"
    """It belongs to an instant that was not answered yet; some before it may be missing."""
    LONG_GAP = "long gap"
    """It comes more than `max_gap` after the one before: what was missed is not made up, and the stream begins anew."""
    CLOCK_JUMP = "clock jump"
    """The second in order of samples that are more than `max_gap` too early: the clock was set back, and the stream begins anew."""
    DUPLICATE = "duplicate"
    """It has the very time of the one before."""
    EXTRA = "extra"
    """It comes after the one before, and belongs to the same instant."""
    LATE = "late"
    """It is older than the one before."""

    @property
    def begins(self) -> bool:
        """Whether the stream starts from its initial state."""
        return self in (Event.BEGINS, Event.LONG_GAP, Event.CLOCK_JUMP)

    @property
    def dropped(self) -> bool:
        """Whether the sample is left out."""
        return self in (Event.DUPLICATE, Event.EXTRA, Event.LATE)


class Verdict(NamedTuple):
    """An event, how many instants before the sample had none, and its time."""

    event: Event
    missing: int
    time: float


@dataclass
class TimeCounts:
    """How often what happened.

    Parameters
    ----------
    samples : int
        All that came; `duplicates`, `extra` and `late` of them were left out.
    gaps, missing : int
        Gaps of at most `max_gap`, and the instants without a sample in them.
    long_gaps, clock_jumps : int
        Longer gaps, and clocks that were set back: each began the stream anew.
    jitter : int
        Samples taken that were further from their instant than `jitter`.
    """

    samples: int = 0
    duplicates: int = 0
    extra: int = 0
    late: int = 0
    gaps: int = 0
    missing: int = 0
    long_gaps: int = 0
    clock_jumps: int = 0
    jitter: int = 0

    def record(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


class Grid:
    """Instants one period apart, and where on them samples fall. `judge` changes nothing; `count` and `accept` do.

    Parameters
    ----------
    period : float
        Seconds between samples.
    max_gap : float, optional
        Seconds without a sample up to which a gap can be filled. Default: ten periods.
    jitter : float, optional
        Seconds that a sample may be off its instant without being counted. Default: a quarter of a period.

    Attributes
    ----------
    instant : float
        The one that was answered last; NaN before the first sample.
    last : float
        Time of the sample that was accepted last.
    counts : TimeCounts

    Raises
    ------
    UsageError
        If these numbers make no grid.
    """

    __slots__ = ("_astray", "counts", "instant", "jitter", "last", "max_gap", "period")

    def __init__(self, period: float, *, max_gap: float | None = None, jitter: float | None = None) -> None:
        for name, given in (("period", period), ("max_gap", max_gap), ("jitter", jitter)):
            if not hasattr(given, "__float__") and (given is not None or name == "period"):
                raise UsageError(f"{name} must be a number of seconds; got {printable(repr(given), 40)}.")
        if not 0 < period < float("inf"):
            raise UsageError(f"period must be a positive number of seconds; got {printable(period, 40)}.")
        self.period = period
        self.max_gap = 10 * period if max_gap is None else max_gap
        self.jitter = period / 4 if jitter is None else jitter
        if not period <= self.max_gap <= period * MOST_FILLED:
            raise UsageError(f"max_gap must be seconds, from one period ({period:g}) to {MOST_FILLED:,} of them; got {self.max_gap}.")
        if not 0 <= self.jitter <= period / 2:
            raise UsageError(f"jitter must be seconds, from 0 to half a period ({period / 2:g}); got {self.jitter}.")
        self.counts = TimeCounts()
        self.forget()

    def another(self) -> "Grid":
        """A grid of the same numbers, for another stream; what happens on it is counted here too."""
        made = copy(self)
        made.forget()
        return made

    def forget(self) -> None:
        """Let the next sample be the first; counts stay."""
        self.instant = self.last = self._astray = float("nan")

    def judge(self, time: float) -> Verdict:
        """What the time of a sample means.

        Raises
        ------
        InputError
            If it is no finite number.
        """
        if not isfinite(time):
            raise InputError(f"a sample's time must be a finite number of seconds; got {time}. The state is as it was.")
        if self.instant != self.instant:  # NaN
            return Verdict(Event.BEGINS, 0, time)
        if time == self.last:
            return Verdict(Event.DUPLICATE, 0, time)
        if time < self.last:
            back = self.last - time > self.max_gap and 0 < time - self._astray <= self.max_gap
            return Verdict(Event.CLOCK_JUMP if back else Event.LATE, 0, time)
        if time - self.last > self.max_gap:
            return Verdict(Event.LONG_GAP, 0, time)
        steps = floor((time - self.instant) / self.period + 0.5)
        return Verdict(Event.DUE, steps - 1, time) if steps > 0 else Verdict(Event.EXTRA, 0, time)

    def drop(self, verdict: Verdict) -> None:
        """Count a sample that is left out."""
        counts = self.counts
        counts.samples += 1
        counts.duplicates += verdict.event is Event.DUPLICATE
        counts.extra += verdict.event is Event.EXTRA
        if verdict.event is Event.LATE:
            counts.late += 1
            self._astray = verdict.time if self.last - verdict.time > self.max_gap else float("nan")

    def accept(self, verdict: Verdict, *, anew: bool = False) -> None:
        """Move on to a sample that was stepped; `anew`: the grid begins at its time, whatever the event."""
        counts = self.counts
        counts.samples += 1
        counts.long_gaps += verdict.event is Event.LONG_GAP
        counts.clock_jumps += verdict.event is Event.CLOCK_JUMP
        if verdict.missing:
            counts.gaps += 1
            counts.missing += verdict.missing
        if verdict.event.begins or anew:
            self.instant = verdict.time
        else:
            due = self.instant + (verdict.missing + 1) * self.period
            off = verdict.time - due
            counts.jitter += abs(off) > self.jitter
            self.instant = due + FOLLOWING * min(max(off, -self.jitter), self.jitter)
        self.last, self._astray = verdict.time, float("nan")

    @property
    def state(self) -> tuple[float, float, float]:
        """What `restore` takes: the instant, the last time, and that of a sample astray; NaN for none."""
        return self.instant, self.last, self._astray

    def restore(self, state: tuple[float, float, float]) -> None:
        """Take up the state of another grid; counts stay."""
        self.instant, self.last, self._astray = state


def possible(state: Sequence[float]) -> bool:
    """Whether three numbers can be the state of a grid."""
    instant, last, _ = state
    return not any(map(isinf, state)) and isnan(instant) == isnan(last)
