"""A stream on a grid of time: samples that come late, twice or not at all are told apart, counted, and never corrupt the state."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..errors import StateError, UsageError
from .filling import Filling, Late, OnGap, OnGrid, check_policies
from .grid import Grid, possible

if TYPE_CHECKING:
    from ..stream import Stream
    from .sensors import SensorChecks

#: A snapshot begins with this and the grid: magic, version, instant, last time, time astray; a CRC-32 of all ends it.
_HEADER = struct.Struct("<8sIddd")
_MAGIC, _VERSION, _CRC = b"ELSTMTIM", 1, struct.Struct("<I")


class Timed(OnGrid):
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
        if not hasattr(stream, "program"):
            raise UsageError(f"Timed steps a Stream; got {type(stream).__name__}. Of a model make one: edgelstm.Stream(model).")
        sizes = stream.program.sizes
        check_policies(sizes, on_gap, late)
        self._filling = Filling(stream, sizes, stream._arena.policy, on_gap, late)
        self.stream, self._lane = stream, _Lane(stream)
        self._grid = Grid(period, max_gap=max_gap, jitter=jitter)
        self._filling.sensors = self._checks()

    def _checks(self) -> SensorChecks | None:
        statistics = self.stream.statistics
        if statistics is None:
            return None
        from .sensors import SensorChecks

        return SensorChecks(statistics)

    @property
    def sensors(self) -> SensorChecks | None:
        """Ranges, stuck channels and drift by the model's statistics; None where the model has none."""
        return self._filling.sensors

    @sensors.setter
    def sensors(self, checks: SensorChecks | None) -> None:
        self._filling.sensors = checks

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
        return self._filling.step(self._lane, self._grid, x, t)

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
        if not possible(place):
            raise StateError("the snapshot holds a time that cannot be; take another, or start with reset().")
        self.stream.restore(data[_HEADER.size : -_CRC.size])
        self._grid.restore((instant, last, astray))

    def __repr__(self) -> str:
        return self._shown(self.stream)


class _Lane:
    """A stream of its own."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def steps(self) -> int:
        return self._stream.steps

    @property
    def last(self) -> NDArray[np.float32]:
        return self._stream._arena.sample

    def fit(self, row: NDArray[np.float32]) -> NDArray[np.bool_]:
        return self._stream._arena.samples.good(row)

    def step(self, x: object) -> NDArray[np.float32] | None:
        answer: NDArray[np.float32] | None = self._stream.step(x)
        return answer

    def process(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._stream.process(rows)

    def reset(self) -> None:
        self._stream.reset()
