"""What becomes of a bank's streams beside steps: how they begin, are kept, come back and are forgotten."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import StateError, UsageError, printable
from ..runtime import bank_snapshot, snapshot
from ..runtime.keyed import Key, Keyed, checked, shown
from ..runtime.samples import NanPolicyName
from .many import ManyStreams, whole

if TYPE_CHECKING:
    from ..model import Model

#: What to do where a new key finds no room.
Eviction = Literal["refuse", "oldest"]


class KeptStreams(ManyStreams):
    """Streams of one model with a state each; see `bank.StreamBank` for the parameters."""

    def __init__(
        self, model: Model | str | os.PathLike[str], capacity: int, *, evict: Eviction, nan_policy: NanPolicyName, threads: int
    ) -> None:
        if evict not in ("refuse", "oldest"):
            raise UsageError(f"evict must be 'refuse' or 'oldest'; got {printable(repr(evict), 60)}.")
        super().__init__(model, capacity, nan_policy, windows=1, threads=threads)
        self._evicts, self.steps = evict == "oldest", 0

    def _begin(self, new: list[Key], kept: set[Key]) -> None:
        """Begin streams, in place of the oldest that are not in `kept` where there is no room otherwise."""
        keyed = self._keyed
        lacking = len(new) - keyed.free
        if lacking > 0 and not (self._evicts and len(kept) <= self.capacity):
            raise UsageError(
                f"there is no room for {shown(new[keyed.free])}: {len(new)} streams would begin, and {len(self)} of {self.capacity} are "
                "there. Choose a larger capacity, drop streams that have ended (drop, evict_idle), or choose evict='oldest'."
            )
        keyed.drop_oldest(kept, max(0, lacking))
        self._states.begin(np.array([keyed.add(key, self.steps) for key in new]))

    def reset(self, key: Key) -> None:
        """Take a stream back to the state before its first step.

        Raises
        ------
        UsageError
            If there is none of this key.
        """
        self._states.reset(self._keyed.slot_of(key))

    def evict_idle(self, steps: int) -> list[Key]:
        """Forget the streams since whose last step the bank has taken `steps` steps or more, those of all streams counted one by one.

        Returns
        -------
        list
            Their keys, the one stepped longest ago first.
        """
        most = whole("steps", steps)
        idle = [key for key, age in self._keyed.ages().items() if self.steps - age >= most]
        for key in idle:
            self._keyed.drop(key)
        return idle

    def steps_of(self, key: Key) -> int:
        """Steps that a stream has taken since its initial state."""
        return self._states.steps(self._keyed.slot_of(key))

    def bad_inputs_of(self, key: Key) -> int:
        """Samples of a stream that the NaN policy acted upon."""
        return int(self._states.bad_inputs[self._keyed.slot_of(key)])

    def snapshot(self, key: Key) -> bytes:
        """The state of a stream as `Stream.snapshot` gives it: a `Stream` of the same model takes it, and so does `restore`.

        Raises
        ------
        UsageError
            If there is none of this key.
        """
        return snapshot.pack(self._states.rows[self._keyed.slot_of(key)], self._digest)

    def restore(self, key: Key, blob: bytes) -> None:
        """Take up the state of a snapshot of a `Stream` or of a stream of a bank. A key that is not there begins a stream.

        Raises
        ------
        StateError
            If it is damaged or of another model; nothing has changed then.
        UsageError
            If the key is none, or there is no room for another.
        """
        states, key = self._states, checked(key)
        state = snapshot.unpack(blob, states.rows.shape[1], self._digest, finite=states.finite)
        states.check(state[None])
        if key not in self._keyed.slots:
            self._begin([key], {key})
        states.rows[self._keyed.slots[key]] = state

    def snapshot_all(self) -> bytes:
        """All streams as bytes that `restore_all` takes: keys, states, and how long ago each was stepped."""
        ages = self._keyed.ages()
        slots = np.fromiter(map(self._keyed.slots.__getitem__, ages), np.int64, len(ages))
        return bank_snapshot.pack({key: self.steps - age for key, age in ages.items()}, self._states.rows[slots], self._digest)

    def held(self, keys: Sequence[Key]) -> tuple[dict[Key, int], NDArray[np.uint8]]:
        """These streams, which must be there, as `take_up` has them: how long ago each was stepped, and their states."""
        ages = self._keyed.ages()
        slots = np.fromiter(map(self._keyed.slots.__getitem__, keys), np.int64, len(keys))
        return {key: self.steps - ages[key] for key in keys}, self._states.rows[slots]

    def restore_all(self, blob: bytes) -> None:
        """Take up what `snapshot_all` gave, in place of all streams that are there.

        Raises
        ------
        StateError
            If it is damaged, of another model, or holds more streams than this bank; nothing has changed then.
        """
        self.take_up(*self.unpacked(blob))

    def unpacked(self, blob: object) -> tuple[dict[Key, int], NDArray[np.uint8]]:
        """What `packed` was given.

        Raises
        ------
        StateError
            If it is damaged or of another model.
        """
        states = self._states
        return bank_snapshot.unpack(blob, states.rows.shape[1], self._digest, finite=states.finite)

    def packed(self, idle: dict[Key, int], states: NDArray[np.uint8]) -> bytes:
        """Streams as `held` gives them, as bytes that `restore_all` takes."""
        return bank_snapshot.pack(idle, states, self._digest)

    def take_up(self, idle: dict[Key, int], given: NDArray[np.uint8]) -> None:
        """Take up streams as `unpacked` gives them, in place of all that are there.

        Raises
        ------
        StateError
            If there are more than this bank has room for, or a state is none of this model; nothing has changed then.
        """
        states = self._states
        if len(idle) > self.capacity:
            raise StateError(f"the snapshot holds {len(idle)} streams, and this bank has room for {self.capacity}; make a larger one.")
        states.check(given)
        self._keyed = Keyed(self.capacity)
        slots = self._keyed.add_all(list(idle), self.steps - np.fromiter(idle.values(), np.int64, len(idle)))
        states.begin(slots)
        states.rows[slots] = given
