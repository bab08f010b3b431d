"""A stream on a grid of time: samples that come late, twice or not at all are told apart, counted, and never corrupt the state."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, StateError, UsageError, printable
from ..runtime.conversion import Form, floats
from ..runtime.samples import NanPolicy
from .grid import Event, Grid, TimeCounts, Verdict

if TYPE_CHECKING:
    from ..stream import Stream
    from .sensors import SensorChecks

#: What users write for what is done about instants without a sample, and about samples that are too old.
OnGap = Literal["hold", "interpolate", "reset", "skip"]
Late = Literal["drop", "error"]

#: A snapshot begins with this and the grid: magic, version, instant, last time, time astray; a CRC-32 of all ends it.
_HEADER = struct.Struct("<8sIddd")
_MAGIC, _VERSION, _CRC = b"ELSTMTIM", 1, struct.Struct("<I")


class Timed:
    """A stream whose samples carry their time. ``docs/gateway.md`` says what each policy does on each event.

    Parameters
    ----------
    stream : Stream
        Of a model that steps. It belongs to this object from now on; whoever resets it lets the next sample be the first.
    period : float
        Seconds between samples, as in training: ``1 / model.rate_hz``.
    on_gap : {"hold", "interpolate", "reset", "skip"}
        What is done about instants without a sample, when the next one comes: step the last sample for each; step the straight line
        between the last sample and the next; go back to the initial state; nothing.
    max_gap : float, optional
        Seconds without a sample up to which `on_gap` decides; after more the stream begins anew. Default: ten periods.
    jitter : float, optional
        Seconds that a sample may be off its instant without being counted, at most half a period. Default: a quarter.
    late : {"drop", "error"}
        What becomes of a sample older than the last one: it is left out, or refused with `InputError`. It is counted either way.

    Attributes
    ----------
    stream : Stream
    counts : TimeCounts
        How often what happened.
    sensors : SensorChecks or None
        Ranges, stuck channels and drift by the model's statistics; None where the model has none.

    Raises
    ------
    UsageError
        If the model reads whole recordings, the numbers make no grid, or an index were to be interpolated.

    Examples
    --------
    >>> timed = el.Timed(el.Stream(model), 1 / model.rate_hz, on_gap="interpolate", max_gap=0.5)
    >>> for t, sample in imu:
    ...     for scores in timed.step(sample, t):
    ...         print(scores)
    """

    def __init__(
        self,
        stream: Stream,
        period: float,
        *,
        on_gap: OnGap = "hold",
        max_gap: float | None = None,
        jitter: float | None = None,
        late: Late = "drop",
    ) -> None:
        for name, value, known in (("on_gap", on_gap, OnGap), ("late", late, Late)):
            if value not in known.__args__:  # type: ignore[attr-defined]
                raise UsageError(f"{name} must be one of {', '.join(known.__args__)}; got {printable(repr(value), 60)}.")  # type: ignore[attr-defined]
        sizes = stream.program.sizes
        if sizes.reads_recordings:
            raise UsageError("this model reads whole recordings and cannot step; el.Timed is for models that step.")
        if on_gap == "interpolate" and any(sizes.vocabularies):
            raise UsageError("on_gap='interpolate' is for measurements; this model takes an index: choose 'hold', 'reset' or 'skip'.")
        self.stream, self._on_gap, self._late = stream, on_gap, late
        self._grid = Grid(period, max_gap=max_gap, jitter=jitter)
        self._form = Form(sizes.input_size, 1, lambda: stream.input_names, sizes.input_shape)
        self.resets = 0
        self.sensors = self._checks()

    def _checks(self) -> SensorChecks | None:
        statistics = self.stream.statistics
        if statistics is None:
            return None
        from .sensors import SensorChecks

        return SensorChecks(statistics)

    @property
    def period(self) -> float:
        """Seconds between samples."""
        return self._grid.period

    @property
    def counts(self) -> TimeCounts:
        """How often what happened."""
        return self._grid.counts

    def step(self, x: object, t: float) -> NDArray[np.float32]:
        """Take a sample, and the instants that it shows to be missing.

        Parameters
        ----------
        x : (input_size,)
            As for `Stream.step`.
        t : float
            When it was taken, in seconds of any one clock.

        Returns
        -------
        (answers, output_size) float32
            A new array: those that fell due, in order of time; none for a sample that was left out.

        Raises
        ------
        InputError
            If the time is no finite number, the sample is refused by the stream's NaN policy, or it is late and ``late="error"``. The
            state, and the place in time, are as they were.
        """
        verdict = self._grid.judge(_seconds(t))
        if verdict.event.dropped:
            self._drop(verdict)
            return np.empty((0, *self.stream.output_shape), np.float32)
        begins = verdict.event.begins or (self._on_gap == "reset" and verdict.missing > 0) or self.stream.steps == 0
        if begins or verdict.missing or self.sensors is not None:
            row = floats(x, self._form)  # (input_size,)
            answers = self._begin(row) if begins else self._across(row, verdict.missing)
            if self.sensors is not None:
                self.sensors.look(row[None])
        else:
            answers = self._one(x)
        self._grid.accept(verdict, anew=begins)
        return answers

    def _one(self, x: object) -> NDArray[np.float32]:
        answer = self.stream.step(x)
        return np.empty((0, *self.stream.output_shape), np.float32) if answer is None else answer[None].copy()

    def _drop(self, verdict: Verdict) -> None:
        self._grid.drop(verdict)
        if verdict.event is Event.LATE and self._late == "error":
            raise InputError(
                f"this sample is {self._grid.last - verdict.time:g} s older than the one before. The state is as it was; "
                "late='drop' leaves such samples out, reset() begins anew after a clock was set."
            )

    def _begin(self, row: NDArray[np.float32]) -> NDArray[np.float32]:
        """Step from the initial state; a sample that is refused leaves the state as it was."""
        self._refuse(row)
        if self.stream.steps:
            self.resets += 1
            self.stream.reset()
        return self._one(row)

    def _across(self, row: NDArray[np.float32], missing: int) -> NDArray[np.float32]:
        """Step over the instants that are missing, as the policy has it, and over the sample."""
        if self._on_gap == "skip" or not missing:
            return self._one(row)
        self._refuse(row)
        last = self.stream._arena.sample  # (input_size,) the last one that was stepped
        rows = np.repeat(last[None], missing + 1, axis=0)  # (missing + 1, input_size)
        if self._on_gap == "interpolate":
            towards = np.where(self._fit(row), row, last).astype(np.float64)
            part = np.arange(1, missing + 2)[:, None] / (missing + 1)  # (missing + 1, 1)
            rows = (last + (towards - last) * part).astype(np.float32)
        rows[-1] = row
        return self.stream.process(rows)

    def _refuse(self, row: NDArray[np.float32]) -> None:
        """Raise what the stream would for a sample that must not enter, before anything is done."""
        if self.stream._arena.policy is NanPolicy.RAISE and not self._fit(row).all():
            self.stream.step(row)

    def _fit(self, row: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which values may enter the state: (input_size,)."""
        return self.stream._arena.samples.good(row)

    def reset(self) -> None:
        """Go back to the initial state, and let the next sample be the first, whatever its time. Counts stay."""
        self.stream.reset()
        self._grid.forget()

    def snapshot(self) -> bytes:
        """The state and the place in time, as bytes that `restore` takes."""
        body = _HEADER.pack(_MAGIC, _VERSION, *self._grid.state) + self.stream.snapshot()
        return body + _CRC.pack(crc32(body))

    def restore(self, blob: bytes) -> None:
        """Take up the state and the place in time of a snapshot: samples up to its last one are duplicates or late.

        Raises
        ------
        StateError
            If it is damaged, of another model, or of a stream without time; state and place are then as they were.
        """
        data = bytes(blob)
        if len(data) < _HEADER.size + _CRC.size or data[: len(_MAGIC)] != _MAGIC:
            raise StateError("these bytes are no snapshot of a timed stream; pass what timed.snapshot() gave, whole.")
        _, version, *place = _HEADER.unpack_from(data)
        if version != _VERSION:
            raise StateError(f"the snapshot has version {version}, this edgelstm reads {_VERSION}; take it again with this version.")
        if crc32(data[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
            raise StateError("the snapshot is damaged (checksum is wrong); take another, or start with reset().")
        instant, last, astray = place
        if np.isinf(place).any() or np.isnan(instant) != np.isnan(last):
            raise StateError("the snapshot holds a time that cannot be; take another, or start with reset().")
        self.stream.restore(data[_HEADER.size : -_CRC.size])
        self._grid.restore((instant, last, astray))

    def __repr__(self) -> str:
        return f"Timed({self.stream!r}, period={self.period:g}, on_gap={self._on_gap!r}, late={self._late!r})"


def _seconds(t: object) -> float:
    try:
        return float(t)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        told = printable(repr(t), 60)
        raise InputError(f"a sample's time must be a number of seconds; got {told}. Of a date it is date.timestamp().") from None
