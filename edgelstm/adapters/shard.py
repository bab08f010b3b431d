"""Streams by key, each with the number of the sample that it took last: what one worker of an engine holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, StateError, UsageError, printable
from ..field.bank import StreamBank
from ..runtime import bank_snapshot
from ..runtime.keyed import Integers, Key, checked, sequence, shown
from ..runtime.samples import NanPolicyName, Samples
from ..runtime.states import Floats
from . import shard_snapshot

if TYPE_CHECKING:
    from ..model import Model

#: Streams that there is room for at first, and what a sample's number is greater than.
_CAPACITY, NEVER = 256, np.iinfo(np.int64).min


class Shard:
    """Streams of one model by key, each of which takes a sample once, by its number.

    Parameters
    ----------
    model : Model, str or os.PathLike
        As `StreamBank` takes it.
    nan_policy : {"raise", "hold", "reset", "propagate"}
        As `StreamBank`.
    reset_after : int, optional
        A stream begins anew where a sample's time is further than this behind that of the one before.
    succession : tuple of str, optional
        Digests of a model of the same layers whose states are taken too, and of this one.

    Attributes
    ----------
    fresh : (rows,) bool
        Which rows of the last call were steps.
    repeats : int
        Rows of all calls that were none: their stream had taken a sample of this number or of a later one.
    bad_inputs : int
        Samples that the NaN policy acted upon in this process.
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str],
        *,
        nan_policy: NanPolicyName = "raise",
        reset_after: int | None = None,
        succession: tuple[str, str] | None = None,
    ) -> None:
        self._model, self._policy, self._reset_after, self._succession = model, nan_policy, reset_after, succession
        self._bank = self._made(_CAPACITY)
        self._nothing = self._bank.snapshot_all()
        self._samples = Samples(self._bank.program)
        self.fresh: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.bad_inputs = 0
        self._places: dict[Key, int] = {}
        self._last = self._times = np.full(1, NEVER)  # by place; the last is that of new keys
        self.restore(None)

    def _made(self, capacity: int) -> StreamBank:
        return StreamBank(self._model, capacity, nan_policy=self._policy)

    def __len__(self) -> int:
        return len(self._bank)

    @property
    def bank(self) -> StreamBank:
        """What steps; its sizes and names are those of the model."""
        return self._bank

    def numbers(self) -> dict[Key, int]:
        """The number of the sample that each stream took last: what a source replays from."""
        return {key: int(self._last[place]) for key, place in self._places.items()}

    def step_many(self, keys: Sequence[Key] | NDArray[Any], seq: ArrayLike, xs: ArrayLike, t: ArrayLike | None = None) -> Floats:
        """A step for each row, by key and in the order of its number; a row whose number the stream has behind it is no step.

        Parameters
        ----------
        keys : sequence of str, int or bytes
            In any order; those that are not there begin a stream.
        seq : (rows,) int64
            Numbers of the samples, rising within a key; they may leave some out.
        xs : (rows, input_size)
        t : (rows,) int64, optional
            Times of the samples; only `reset_after` looks at them.

        Returns
        -------
        (rows, output_size) float32
            The answer of each row; NaN where none is due, and where the row was no step: see `fresh`.

        Raises
        ------
        InputError, UsageError
            If shapes or keys are wrong, or a value must not enter a state; nothing has changed then.
        """
        given = sequence(keys)
        if not {*map(type, given)} <= {str, int, bytes}:
            given = [checked(key) for key in given]
        found = {key: code for code, key in enumerate(dict.fromkeys(given))}
        codes = np.fromiter(map(found.__getitem__, given), np.int64, len(given))
        return self.step_coded([checked(key) for key in found], codes, seq, xs, t)

    def step_coded(self, names: Sequence[Key], codes: Integers, seq: ArrayLike, xs: ArrayLike, t: ArrayLike | None = None) -> Floats:
        """`step_many` of rows whose keys are ``names[codes]``. names: each once; codes: (rows,)."""
        numbers, times = _whole(seq, len(codes), "seq"), None if t is None else _whole(t, len(codes), "t")
        rows = self._rows(xs, len(codes))
        if times is None and self._reset_after is not None:
            raise UsageError("reset_after needs the times of samples; pass t.")
        if len(numbers) and numbers.min() == NEVER:
            raise UsageError(f"the number of a sample is greater than {NEVER}.")
        order = _ordered(codes, numbers)  # (rows,)
        places, own, given = self._taken(names), codes[order], numbers[order]
        fresh = given > self._last[places][own]
        fresh[1:] &= (own[1:] != own[:-1]) | (given[1:] != given[:-1])
        kept = order[fresh]
        self._check(rows, kept, names, codes)
        answers = np.full((len(codes), self._bank.output_size), np.nan, np.float32)
        self._make_room(int((places < 0).sum()))
        for part, restart in self._runs(kept, codes, times, places):
            self._step(names, codes[part], rows, part, restart, answers)
        self._note(names, codes, numbers, times, kept, places)
        self.fresh = np.zeros(len(codes), np.bool_)
        self.fresh[kept] = True
        self.repeats += len(codes) - len(kept)
        return answers

    def _rows(self, xs: ArrayLike, count: int) -> Floats:
        rows = np.ascontiguousarray(xs, np.float32)
        if rows.shape not in {(count, self._bank.input_size), (count, *self._bank.input_shape)}:
            raise InputError(f"{count} rows of keys need samples of shape ({count}, {self._bank.input_size}); got {rows.shape}.")
        return rows.reshape(count, self._bank.input_size)

    def _taken(self, names: Sequence[Key]) -> Integers:
        """Where the last numbers of these keys stand, (names,); -1 for a new key."""
        return np.fromiter(map(self._places.get, names, repeat(-1)), np.int64, len(names))

    def _check(self, rows: Floats, kept: Integers, names: Sequence[Key], codes: Integers) -> None:
        """Refuse samples that must not enter a state, before anything changes."""
        if self._samples.all_good(rows):
            return
        good: NDArray[np.bool_] = np.asarray(self._samples.good(rows).all(axis=1))
        bad = kept[~good[kept]]
        if self._policy != "raise":
            self.bad_inputs += len(bad)
        elif len(bad):
            row = int(bad[0])
            channel = int(np.argmin(self._samples.good(rows[row : row + 1])[0]))
            about = self._samples.refusal(float(rows[row, channel]), channel, None)
            raise InputError(f"stream {shown(names[codes[row]])}: {about}")

    def _make_room(self, new: int) -> None:
        """Take a larger bank where so many more keys would find no room."""
        if len(self._bank) + new > self._bank.capacity:
            larger = self._made(2 * (len(self._bank) + new))
            larger.restore_all(self._bank.snapshot_all())
            self._bank = larger

    def _runs(self, kept: Integers, codes: Integers, times: Integers | None, places: Integers) -> Iterable[tuple[Integers, bool]]:
        """Rows, by key and number, in parts whose streams go through without a gap; and whether streams begin anew in front of a part."""
        if self._reset_after is None or times is None or not len(kept):
            return [(kept, False)]
        own, now = codes[kept], times[kept]
        first = np.append(True, own[1:] != own[:-1])
        known = self._times[places][own]
        before = np.where(first, known, np.append(0, now[:-1]))
        gap = (before != NEVER) & (now - before > self._reset_after)
        count = np.cumsum(gap)
        level = count - np.maximum.accumulate(np.where(first, count - gap, 0))
        return [(kept[level == k], k > 0) for k in range(int(level.max()) + 1) if (level == k).any()]

    def _step(self, names: Sequence[Key], codes: Integers, rows: Floats, part: Integers, restart: bool, answers: Floats) -> None:
        """Step the rows `part`, which stand by key and number; codes: (len(part),). Streams that have as many are stepped in one call."""
        counts = np.bincount(codes, minlength=len(names))
        begins = np.cumsum(counts) - counts
        for count in np.unique(counts[counts > 0]).tolist():
            which = np.flatnonzero(counts == count)
            keys = names if len(which) == len(names) else [names[i] for i in which.tolist()]
            if restart:
                for key in keys:
                    if key in self._bank:
                        self._bank.reset(key)
            picked = part[(begins[which][:, None] + np.arange(count)).ravel()]
            given = np.take(rows, picked, axis=0).reshape(len(keys), count, -1)  # (keys, count, inputs)
            answers[picked] = self._bank.process_many(keys, given).reshape(len(picked), -1)

    def _note(
        self, names: Sequence[Key], codes: Integers, numbers: Integers, times: Integers | None, kept: Integers, places: Integers
    ) -> None:
        """Write down the last number and time of each key that was stepped. kept: (steps,), rows by key and number; places: of names."""
        own = codes[kept]
        ends = kept[np.append(own[1:] != own[:-1], True)] if len(kept) else kept
        stepped = codes[ends]
        new = stepped[places[stepped] < 0]
        for place, code in enumerate(new.tolist(), len(self._places)):
            self._places[names[code]] = place
        places = places.copy()
        places[new] = np.arange(len(self._places) - len(new), len(self._places))
        if len(self._places) >= len(self._last):
            more = np.full(2 * len(self._places) - len(self._last), NEVER)
            self._last, self._times = np.append(self._last, more), np.append(self._times, more)
        places = places[stepped]
        self._last[places] = numbers[ends]
        if times is not None:
            self._times[places] = times[ends]

    def snapshot(self) -> bytes:
        """All streams, and the numbers of their last samples, as bytes that `restore` takes."""
        places = np.array([self._places[key] for key in in_order(self._places)], np.int64)
        return shard_snapshot.pack(self._last[places], self._times[places], self.repeats, self._bank.snapshot_all())

    def restore(self, blob: object) -> None:
        """Take up what `snapshot` gave, in place of all streams that are there; None: no streams.

        Raises
        ------
        StateError
            If it is damaged or of another model.
        """
        numbers = times = np.zeros(0, np.int64)
        repeats, held = 0, memoryview(self._nothing)
        if blob is not None:
            numbers, times, repeats, held = shard_snapshot.unpack(blob)
        bank = self._bank if len(numbers) <= self._bank.capacity else self._made(2 * len(numbers))
        bank.restore_all(self._own(held))  # type: ignore[arg-type]
        if len(bank) != len(numbers):
            self.restore(None)
            raise shard_snapshot.refusal()
        self._bank, self.repeats = bank, repeats
        self._places = {key: place for place, key in enumerate(in_order(bank.keys()))}
        self._last, self._times = np.append(numbers, NEVER), np.append(times, NEVER)

    def _own(self, held: memoryview) -> bytes | memoryview:
        """The snapshot of a bank as one of this model, if it is one of the model that this one follows."""
        if self._succession is None:
            return held
        former, own = self._succession
        try:
            idle, states = bank_snapshot.unpack(held, self._bank.program.sizes.state_bytes, former, finite=self._policy != "propagate")
        except StateError:
            return held  # the bank says what is wrong with it, if anything is
        return bank_snapshot.pack(idle, states, own)


def _whole(given: ArrayLike, rows: int, name: str) -> Integers:
    """Whole numbers (rows,)."""
    numbers = np.asarray(given)
    if numbers.dtype.kind not in "iu" and numbers.size:
        raise UsageError(f"{name} holds whole numbers; got an array of {printable(numbers.dtype, 60)}.")
    if numbers.shape != (rows,):
        raise UsageError(f"{name} holds a number a row, so ({rows},); got {numbers.shape}.")
    return numbers.astype(np.int64, copy=False)


def _ordered(codes: Integers, numbers: Integers) -> Integers:
    """Rows by code, and by number within; the quick way where numbers rise already."""
    small = len(codes) and int(codes.max()) < 1 << 16
    order = np.argsort(codes.astype(np.uint16) if small else codes, kind="stable")
    own, given = codes[order], numbers[order]
    if ((own[1:] != own[:-1]) | (given[1:] >= given[:-1])).all():
        return order
    return np.lexsort((numbers, codes))


def in_order(keys: Iterable[Key]) -> list[Key]:
    """Keys in an order that all processes agree on."""
    given: list[Any] = list(keys)
    if len({*map(type, given)}) < 2:
        return sorted(given)
    return sorted(given, key=lambda key: (type(key).__name__, key))
