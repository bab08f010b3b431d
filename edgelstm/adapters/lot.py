"""Several shards that are stepped together, each of which has a state of its own as bytes.

An engine pays for each call: a lot is what it hands to one. A shard stays the smallest state that is read and written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..runtime.keyed import Integers, Key
from ..runtime.states import Floats
from . import shard_snapshot
from .owners import shards_of
from .shard import NEVER, Shard, in_order

if TYPE_CHECKING:
    from ..model import Model


class Lot(Shard):
    """Shards of one model.

    Parameters
    ----------
    model : Model, str or os.PathLike
    shards : int
        All that there are, of which some are here.
    **options
        As `Shard`.
    """

    def __init__(self, model: Model | str | os.PathLike[str], shards: int, **options: Any) -> None:
        self._shards, self._repeats = shards, dict[int, int]()
        super().__init__(model, **options)

    def step_coded(self, names: Sequence[Key], codes: Integers, seq: ArrayLike, xs: ArrayLike, t: ArrayLike | None = None) -> Floats:
        """As `Shard.step_coded`; rows that were no steps are counted for the shard that they belong to."""
        answers = super().step_coded(names, codes, seq, xs, t)
        if not self.fresh.all():
            counts = np.bincount(self.owners(names)[codes[~self.fresh]])
            for shard in np.flatnonzero(counts).tolist():
                self._repeats[shard] = self._repeats.get(shard, 0) + int(counts[shard])
        return answers

    def owners(self, names: Sequence[Key]) -> NDArray[np.int64]:
        """The shard of each key: (names,)."""
        return shards_of(names, self._shards)

    def restore_each(self, blobs: Mapping[int, object]) -> None:
        """Take up states of shards by their numbers, in place of all streams that are there.

        Raises
        ------
        StateError
            If one is damaged or of another model; nothing has changed then.
        """
        idle, states, keys = dict[Key, int](), list[NDArray[np.uint8]](), list[Key]()
        numbers, times, repeats = list[Integers](), list[Integers](), dict[int, int]()
        for shard, blob in blobs.items():
            last, at, repeats[shard], held = shard_snapshot.unpack(blob)
            own, rows = self._bank.unpacked(self._own(held))
            if len(own) != len(last):
                raise shard_snapshot.refusal()
            idle |= own
            keys += in_order(own)
            states.append(rows)
            numbers.append(last)
            times.append(at)
        if len(idle) != len(keys):  # a stream is in two of them
            raise shard_snapshot.refusal()
        bank = self._bank if len(idle) <= self._bank.capacity else self._made(2 * len(idle))
        size = self._bank.program.sizes.state_bytes
        bank.take_up(idle, np.concatenate(states) if states else np.zeros((0, size), np.uint8))
        self._bank, self.repeats, self._repeats = bank, sum(repeats.values()), repeats
        self._places = {key: place for place, key in enumerate(keys)}
        self._last, self._times = (np.concatenate([*arrays, [NEVER]]) for arrays in (numbers, times))

    def snapshot_each(self) -> dict[int, bytes]:
        """The states of all shards that are here, by their numbers."""
        members: dict[int, list[Key]] = {}
        for key, shard in zip(self._places, self.owners(list(self._places)).tolist(), strict=True):
            members.setdefault(shard, []).append(key)
        parts = {shard: in_order(own) for shard, own in members.items()}
        ordered = [key for part in parts.values() for key in part]
        places = np.fromiter(map(self._places.__getitem__, ordered), np.int64, len(ordered))
        last, times = self._last[places], self._times[places]
        idle, states = self._bank.held(ordered)
        blobs, begin = dict[int, bytes](), 0
        for shard, part in parts.items():
            end = begin + len(part)
            bank = self._bank.packed({key: idle[key] for key in part}, states[begin:end])
            blobs[shard] = shard_snapshot.pack(last[begin:end], times[begin:end], self._repeats.get(shard, 0), bank)
            begin = end
        return blobs
