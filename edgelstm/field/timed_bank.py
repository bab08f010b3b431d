"""A bank whose samples carry their time: each of its streams on a grid of its own."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..errors import StateError, UsageError
from ..runtime import bank_snapshot
from ..runtime.keyed import Key, checked
from .filling import Filling, Late, OnGap, OnGrid, check_policies
from .grid import Grid, possible

if TYPE_CHECKING:
    from .bank import StreamBank

#: A snapshot: magic, version, number of streams; their grids (instant, last time, time astray) in the order in which the bank's own
#: snapshot, which follows, has their keys; a CRC-32 of all.
_HEADER, _GRID, _CRC = struct.Struct("<8sIQ"), struct.Struct("<ddd"), struct.Struct("<I")
_MAGIC, _VERSION = b"ELSTMTBK", 1


class TimedBank(OnGrid):
    """A bank whose samples carry their time: what `Timed` is to a stream, for each of many.

    A stream is stepped by itself: samples of many that come together share no pass over the weights.

    Parameters
    ----------
    bank : StreamBank
        It belongs to this object from now on; a stream of it that is reset, or dropped, begins a new grid with its next sample.
    period, on_gap, max_gap, jitter, late
        As of `Timed`, the same for all streams.

    Attributes
    ----------
    bank : StreamBank
    counts : TimeCounts
        How often what happened, to all streams together.

    Raises
    ------
    UsageError
        If the numbers make no grid, or an index were to be interpolated.

    Examples
    --------
    >>> timed = el.TimedBank(el.StreamBank(model, 1000), 1 / model.rate_hz)
    >>> for watch, t, sample in samples:
    ...     for scores in timed.step(watch, sample, t):
    ...         print(watch, scores)
    """

    def __init__(
        self,
        bank: StreamBank,
        period: float,
        *,
        on_gap: OnGap = "hold",
        max_gap: float | None = None,
        jitter: float | None = None,
        late: Late = "drop",
    ) -> None:
        if not hasattr(bank, "program"):
            raise UsageError(f"TimedBank steps a StreamBank; got {type(bank).__name__}. Of a model make one: edgelstm.StreamBank(model).")
        sizes = bank.program.sizes
        check_policies(sizes, on_gap, late)
        self._filling = Filling(bank, sizes, bank._states.policy, on_gap, late)
        self.bank = bank
        self._grid = Grid(period, max_gap=max_gap, jitter=jitter)
        self._grids: dict[Key, Grid] = {}

    def step(self, key: Key, x: object, t: float) -> NDArray[np.float32]:
        """Take a sample of a stream, and the instants that it shows to be missing; see `Timed.step`.

        Returns
        -------
        (answers, output_size) float32
            A new array: those of this stream that fell due, in order of time.

        Raises
        ------
        InputError
            As `Timed.step`; nothing has changed then.
        UsageError
            If the key is none, or there is no room for another.
        """
        key = checked(key)
        grid = self._grids.get(key) if key in self.bank else None
        if grid is None:
            grid = self._grid.another()
            answers = self._filling.step(_Lane(self.bank, key), grid, x, t)
            self._make_room()
            self._grids[key] = grid
            return answers
        return self._filling.step(_Lane(self.bank, key), grid, x, t)

    def _make_room(self) -> None:
        """Forget the grids of streams that the bank has dropped, when there are more than it has room for."""
        if len(self._grids) > self.bank.capacity:
            self._grids = {key: grid for key, grid in self._grids.items() if key in self.bank}

    def reset(self, key: Key) -> None:
        """Take a stream back to its initial state, and let its next sample be the first, whatever its time. Counts stay.

        Raises
        ------
        UsageError
            If there is none of this key.
        """
        self.bank.reset(key)
        self._grids.pop(key, None)

    def snapshot_all(self) -> bytes:
        """All streams and their places in time, as bytes that `restore_all` takes."""
        kept = self.bank.snapshot_all()
        states = [self._grids.get(key, self._grid).state for key in self.bank._keyed.ages()]
        body = _HEADER.pack(_MAGIC, _VERSION, len(states)) + b"".join(_GRID.pack(*state) for state in states) + kept
        return body + _CRC.pack(crc32(body))

    def restore_all(self, blob: bytes) -> None:
        """Take up what `snapshot_all` gave, in place of all streams: of each, samples up to its last one are duplicates or late.

        Raises
        ------
        StateError
            If it is damaged, of another model, or of a bank without time; nothing has changed then.
        """
        data = bytes(blob)
        if len(data) < _HEADER.size + _CRC.size or data[: len(_MAGIC)] != _MAGIC:
            raise StateError("these bytes are no snapshot of a timed bank; pass what timed.snapshot_all() gave, whole.")
        _, version, count = _HEADER.unpack_from(data)
        if version != _VERSION:
            raise StateError(f"the snapshot has version {version}, this edgelstm reads {_VERSION}; take it again with this version.")
        begun = _HEADER.size + count * _GRID.size
        if begun > len(data) or crc32(data[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
            raise StateError("the snapshot is damaged (length or checksum is wrong); take another, or begin anew.")
        kept, states = data[begun : -_CRC.size], list(_GRID.iter_unpack(data[_HEADER.size : begun]))
        if bank_snapshot.count(kept) != count or not all(map(possible, states)):
            raise StateError("the snapshot holds times that cannot be; take another, or begin anew.")
        self.bank.restore_all(kept)
        self._grids = {}
        for key, state in zip(self.bank.keys(), states, strict=True):
            self._grids[key] = grid = self._grid.another()
            grid.restore(state)

    def __len__(self) -> int:
        return len(self.bank)

    def __repr__(self) -> str:
        return self._shown(self.bank)


class _Lane:
    """A stream of a bank."""

    __slots__ = ("_bank", "_key")

    def __init__(self, bank: StreamBank, key: Key) -> None:
        self._bank, self._key = bank, key

    @property
    def steps(self) -> int:
        return self._bank.steps_of(self._key) if self._key in self._bank else 0

    @property
    def last(self) -> NDArray[np.float32]:
        return self._bank._states.last(self._bank._keyed.slot_of(self._key))

    def fit(self, row: NDArray[np.float32]) -> NDArray[np.bool_]:
        return self._bank._states.samples.good(row)

    def step(self, x: object) -> NDArray[np.float32] | None:
        return self._bank.step(self._key, x)

    def process(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        bank = self._bank
        if bank.program.sizes.each_step:
            answers: NDArray[np.float32] = bank.process_many((self._key,), rows[None])[0]
            return answers
        due = [answer for row in rows if (answer := bank.step(self._key, row)) is not None]
        return np.array(due, np.float32).reshape(-1, *bank.output_shape)

    def reset(self) -> None:
        self._bank.reset(self._key)
