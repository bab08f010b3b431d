"""What is stepped for a sample with its time, and for the instants before it that had none: the same for one stream and for many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, UsageError, printable
from ..runtime.conversion import Form, floats
from ..runtime.samples import NanPolicy
from .grid import Event, Grid, TimeCounts, Verdict

if TYPE_CHECKING:
    from ..runtime.facts import Facts
    from ..runtime.sizes import Sizes
    from .sensors import SensorChecks

#: What users write for what is done about instants without a sample, and about samples that are too old.
OnGap = Literal["hold", "interpolate", "reset", "skip"]
Late = Literal["drop", "error"]


class Lane(Protocol):
    """One stream, wherever its state is."""

    @property
    def steps(self) -> int:
        """Taken since the initial state; 0 of a stream that has not begun."""

    @property
    def last(self) -> NDArray[np.float32]:
        """(input_size,): the sample that was stepped last."""

    def fit(self, row: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which values may enter the state: (input_size,)."""

    def step(self, x: object) -> NDArray[np.float32] | None:
        """The answer, or None where none is due."""

    def process(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The answers to rows (count, input_size) that were due: (answers, output_size)."""

    def reset(self) -> None:
        """Go back to the initial state."""


class Filling:
    """The policies of `Timed`, whose parameters these are, and of `TimedBank`.

    Attributes
    ----------
    resets : int
        Streams that went back to their initial state.
    sensors : SensorChecks or None
        Look at the samples that are taken.
    """

    def __init__(self, of: Facts, sizes: Sizes, policy: NanPolicy, on_gap: OnGap, late: Late) -> None:
        self.on_gap, self.late, self._policy = on_gap, late, policy
        self._form = Form(sizes.input_size, 1, lambda: of.input_names, sizes.input_shape)
        self._output_shape = sizes.output_shape
        self.resets = 0
        self.sensors: SensorChecks | None = None

    def step(self, lane: Lane, grid: Grid, x: object, t: float) -> NDArray[np.float32]:
        """Take a sample, and the instants that it shows to be missing; see `Timed.step`."""
        verdict = grid.judge(seconds(t))
        if verdict.event.dropped:
            self._drop(grid, verdict)
            return np.empty((0, *self._output_shape), np.float32)
        begins = verdict.event.begins or (self.on_gap == "reset" and verdict.missing > 0) or lane.steps == 0
        if begins or verdict.missing or self.sensors is not None:
            row = floats(x, self._form)  # (input_size,)
            answers = self._begin(lane, row) if begins else self._across(lane, row, verdict.missing)
            if self.sensors is not None:
                self.sensors.look(row[None])
        else:
            answers = self._one(lane, x)
        grid.accept(verdict, anew=begins)
        return answers

    def _one(self, lane: Lane, x: object) -> NDArray[np.float32]:
        answer = lane.step(x)
        return np.empty((0, *self._output_shape), np.float32) if answer is None else answer[None].copy()

    def _drop(self, grid: Grid, verdict: Verdict) -> None:
        grid.drop(verdict)
        if verdict.event is Event.LATE and self.late == "error":
            raise InputError(
                f"this sample is {grid.last - verdict.time:g} s older than the one before. The state is as it was; "
                "late='drop' leaves such samples out, reset() begins anew after a clock was set."
            )

    def _begin(self, lane: Lane, row: NDArray[np.float32]) -> NDArray[np.float32]:
        """Step from the initial state; a sample that is refused leaves the state as it was."""
        self._refuse(lane, row)
        if lane.steps:
            self.resets += 1
            lane.reset()
        return self._one(lane, row)

    def _across(self, lane: Lane, row: NDArray[np.float32], missing: int) -> NDArray[np.float32]:
        """Step over the instants that are missing, as the policy has it, and over the sample."""
        if self.on_gap == "skip" or not missing:
            return self._one(lane, row)
        self._refuse(lane, row)
        last = lane.last  # (input_size,)
        rows = np.repeat(last[None], missing + 1, axis=0)  # (missing + 1, input_size)
        if self.on_gap == "interpolate":
            towards = np.where(lane.fit(row), row, last).astype(np.float64)
            part = np.arange(1, missing + 2)[:, None] / (missing + 1)  # (missing + 1, 1)
            rows = (last + (towards - last) * part).astype(np.float32)
        rows[-1] = row
        return lane.process(rows)

    def _refuse(self, lane: Lane, row: NDArray[np.float32]) -> None:
        """Raise what the stream would for a sample that must not enter, before anything is done."""
        if self._policy is NanPolicy.RAISE and not lane.fit(row).all():
            lane.step(row)


class OnGrid:
    """What `Timed` and `TimedBank` tell of their time.

    `_grid` is that of the stream, or the one from which those of all streams are made, and which has their counts.
    """

    _filling: Filling
    _grid: Grid

    @property
    def period(self) -> float:
        """Seconds between samples of a stream."""
        return self._grid.period

    @property
    def counts(self) -> TimeCounts:
        """How often what happened, to all streams together."""
        return self._grid.counts

    @property
    def resets(self) -> int:
        """How often a sample began a stream anew."""
        return self._filling.resets

    def __reduce__(self) -> NoReturn:
        raise UsageError(f"a {type(self).__name__} is neither copied nor pickled; make another, and give it what snapshots hold.")

    def _shown(self, streams: object) -> str:
        filling = self._filling
        return f"{type(self).__name__}({streams!r}, period={self.period:g}, on_gap={filling.on_gap!r}, late={filling.late!r})"


def check_policies(sizes: Sizes, on_gap: str, late: str) -> None:
    """Refuse policies that are none, or that have no meaning for a model.

    Raises
    ------
    UsageError
    """
    for name, value, known in (("on_gap", on_gap, OnGap), ("late", late, Late)):
        if value not in known.__args__:  # type: ignore[attr-defined]
            raise UsageError(f"{name} must be one of {', '.join(known.__args__)}; got {printable(repr(value), 60)}.")  # type: ignore[attr-defined]
    if sizes.reads_recordings:
        raise UsageError("this model reads whole recordings and cannot step; el.Timed is for models that step.")
    if on_gap == "interpolate" and any(sizes.vocabularies):
        raise UsageError("on_gap='interpolate' is for measurements; this model takes an index: choose 'hold', 'reset' or 'skip'.")


def seconds(t: object) -> float:
    """A time as a number.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        return float(t)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        told = printable(repr(t), 60)
        raise InputError(f"a sample's time must be a number of seconds; got {told}. Of a date it is date.timestamp().") from None
