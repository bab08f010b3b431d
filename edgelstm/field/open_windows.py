"""The windows of each stream that are open: how far they are, how they are kept, and how they come back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError
from ..runtime import windows_snapshot
from ..runtime.keyed import Integers, Key, checked, shown
from ..runtime.samples import NanPolicyName
from .many import ManyStreams, whole

if TYPE_CHECKING:
    from ..model import Model


class OpenWindows(ManyStreams):
    """Streams with a state for each open window; see `windowed.Windowed` for the parameters.

    Window number n of a stream has the state n modulo `windows`.
    """

    def __init__(self, model: Model | str | os.PathLike[str], length: int, hop: int, capacity: int, nan_policy: NanPolicyName) -> None:
        self._windows = windows_snapshot.Windows(whole("length", length), whole("hop", hop))
        self.length, self.hop = self._windows
        self.windows = -(-self.length // self.hop)
        super().__init__(model, capacity, nan_policy, windows=self.windows, threads=1)
        self._taken = np.zeros(self.capacity, np.int64)  # by slot of a key, samples since its beginning

    def reset(self, key: Key = 0) -> None:
        """Begin a stream anew: the next answer comes after `length` samples.

        Raises
        ------
        UsageError
            If there is none of this key.
        """
        self._taken[self._keyed.slot_of(key)] = 0

    def snapshot(self, key: Key = 0) -> bytes:
        """The open windows of a stream, for `restore` of the same windows of the same model.

        Raises
        ------
        UsageError
            If there is none of this key.
        """
        slot = self._keyed.slot_of(key)
        taken = int(self._taken[slot])
        return windows_snapshot.pack(self._windows, taken, self._states.rows[self._open_slots(slot, taken)], self._digest)

    def restore(self, blob: bytes, key: Key = 0) -> None:
        """Take up the windows of a snapshot. A key that is not there begins a stream.

        Raises
        ------
        StateError
            If it is damaged, of other windows or of another model; nothing has changed then.
        UsageError
            If the key is none, or there is no room for another.
        """
        states, key = self._states, checked(key)
        taken, given = windows_snapshot.unpack(blob, self._windows, states.rows.shape[1], self._digest, finite=states.finite)
        states.check(given)
        slot = int(self._slots((key,))[0])
        states.rows[self._open_slots(slot, taken)] = given
        self._taken[slot] = taken

    def _open_slots(self, slot: int, taken: int) -> Integers:
        """Where the states are of a stream's windows that have begun and not ended, the oldest first."""
        numbers = np.arange(self._windows.ended(taken), self._windows.begun(taken))
        places: Integers = slot * self.windows + numbers % self.windows
        return places

    def _slots(self, keys: Sequence[Key]) -> Integers:
        """Slots of keys; new ones begin a stream."""
        new = [key for key in dict.fromkeys(keys) if key not in self._keyed.slots]
        if len(new) > self._keyed.free:
            raise UsageError(
                f"there is no room for {shown(new[self._keyed.free])}: {len(self)} of {self.capacity} streams are there. Make one "
                "with a larger capacity, or drop streams that have ended."
            )
        for key in new:
            self._taken[self._keyed.add(key, 0)] = 0
        return np.array([self._keyed.slots[key] for key in keys], np.int64)
