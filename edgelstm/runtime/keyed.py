"""Keys of streams, the slots that hold their states, and which of them was stepped longest ago."""

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError, printable

#: What a stream may be called.
Key = str | int | bytes

Integers = NDArray[np.int64]

#: Whole numbers that are keys have 64 bits.
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1

#: Most bytes of a key.
LONGEST = 1 << 16

#: Most characters of a key that is a str, each of up to four bytes; and most bytes of one that is bytes.
MOST_CHARACTERS = LONGEST // 4

_NO_SLOTS = np.zeros(0, np.int64)

#: Keys that are dropped are looked for this many at once.
_QUEUE = 1024


def sequence(keys: Any) -> Sequence[Any]:
    """Keys as a list or tuple.

    Raises
    ------
    UsageError
        If they are one key, or none.
    """
    if type(keys) is list or type(keys) is tuple:
        return keys
    if isinstance(keys, np.ndarray) and keys.ndim == 1:
        given: list[Any] = keys.tolist()
        return given
    if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
        raise UsageError(f"keys are a list or tuple of them; got {shown(keys)}. One stream is stepped by step(key, x).")
    return list(keys)


def shown(key: object) -> str:
    """A key as messages have it."""
    return printable(repr(key), 60)


def checked(key: Any) -> Key:
    """A key as it is kept: NumPy's whole numbers as Python's.

    Raises
    ------
    UsageError
        If it is none.
    """
    if type(key) is str or type(key) is bytes:
        if len(key) > MOST_CHARACTERS:
            raise UsageError(f"a key has at most {MOST_CHARACTERS} characters or bytes; got {len(key)}.")
        return key
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        if _LEAST <= key <= _MOST:
            return int(key)
        raise UsageError(f"a whole number that is a key has 64 bits; got {shown(key)}.")
    if isinstance(key, str):
        return checked(str(key))
    raise UsageError(f"a key is a str, a whole number or bytes; got {shown(key)}, a {printable(type(key).__name__, 60)}.")


class Keyed:
    """Which slot each key has.

    Parameters
    ----------
    capacity : int
        Slots there are.

    Attributes
    ----------
    slots : dict
        By key; in the order in which they came.
    looked : tuple
        Keys that were looked up last, and their slots: the same object as long as these hold.
    touched : tuple, optional
        What `touch` was told last.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.slots: dict[Key, int] = {}
        self.looked: tuple[Sequence[Any], Integers] = (), _NO_SLOTS
        self._names: list[Key | None] = []  # by slot
        self._free: list[int] = []
        self._ages = np.zeros(capacity, np.int64)  # by slot: steps that the bank had taken after its last one
        self.touched: tuple[Integers, int, int] | None = None
        self._oldest: list[tuple[int, int]] = []  # (slot, age), the oldest last

    @property
    def free(self) -> int:
        """How many more keys there is room for."""
        return self.capacity - len(self.slots)

    def slot_of(self, key: Key) -> int:
        """The slot of a key that is there.

        Raises
        ------
        UsageError
        """
        try:
            return self.slots[key]
        except (KeyError, TypeError):
            self.unknown(key)

    def look_up(self, keys: Sequence[Any]) -> Integers | None:
        """Slots of keys: the same array for the same keys, as long as they keep them. None where one is not there."""
        looked, slots = self.looked
        try:
            if len(keys) and (keys is looked or keys == looked):
                if keys is not looked and type(keys) is tuple:
                    self.looked = keys, slots  # the same object may come again
                return slots
            found = [self.slots[key] for key in keys]
        except (KeyError, TypeError, ValueError):  # arrays, which are no keys, have no one truth
            return None
        if not {*map(type, keys)} <= {str, int, bytes}:
            return None
        kept = keys if type(keys) is tuple else keys[:]
        self.looked = kept, np.array(found, np.int64)
        return self.looked[1]

    def unknown(self, key: object) -> NoReturn:
        there = f"{len(self.slots)} stream{'s' * (len(self.slots) != 1)}"
        raise UsageError(f"there is no stream {shown(key)} among the {there} of this bank; step({shown(key)}, x) begins it.") from None

    def add(self, key: Key, now: int) -> int:
        """A slot for a new key; there must be one."""
        if self._free:
            slot = self._free.pop()
            self._names[slot] = key
        else:
            slot = len(self._names)
            self._names.append(key)
        self.slots[key] = slot
        self._ages[slot] = now
        return slot

    def add_all(self, keys: Sequence[Key], ages: Integers) -> Integers:
        """The slots of keys where there are none yet; ages: how many steps the bank had taken after the last one of each, (keys,)."""
        slots = np.arange(len(keys))
        self._names = [*keys]
        self.slots = dict(zip(keys, range(len(keys)), strict=True))
        self._ages[: len(keys)] = ages
        return slots

    def drop(self, key: Key) -> None:
        slot = self.slot_of(key)
        self._settle()
        del self.slots[key]
        self._names[slot] = None
        self._free.append(slot)
        self.looked = (), _NO_SLOTS

    def touch(self, slots: Integers, now: int, time: int) -> None:
        """Note that these took `time` steps each, one after the other, when the bank had taken `now` steps."""
        if self.touched is not None and self.touched[0] is not slots:
            self._settle()
        self.touched = slots, now, time

    def _settle(self) -> None:
        """Write down what `touch` has noted."""
        if self.touched is not None:
            slots, now, time = self.touched
            self._ages[slots] = now + time * np.arange(1, len(slots) + 1)
            self.touched = None

    def ages(self) -> dict[Key, int]:
        """How many steps the bank had taken when each key was stepped last, the one stepped longest ago first."""
        self._settle()
        slots = np.fromiter(self.slots.values(), np.int64, len(self.slots))
        slots = slots[np.argsort(self._ages[slots], kind="stable")]
        names: list[Any] = self._names
        return dict(zip(map(names.__getitem__, slots.tolist()), self._ages[slots].tolist(), strict=True))

    def give_ages(self, ages: Iterable[tuple[Key, int]]) -> None:
        """Take up what `ages` gave."""
        self._settle()
        for key, age in ages:
            self._ages[self.slots[key]] = age
        self._oldest = []

    def drop_oldest(self, kept: set[Key], count: int) -> None:
        """Drop the keys that were stepped longest ago, but for those in `kept`; there must be so many."""
        self._settle()
        passed: list[tuple[int, int]] = []
        while count:
            if not self._oldest:
                self._look(len(passed))
            entry = slot, age = self._oldest.pop()
            key = self._names[slot]
            if key is None or self._ages[slot] != age:
                continue  # dropped, or stepped since
            if key in kept:
                passed.append(entry)
            else:
                self.drop(key)
                count -= 1
        self._oldest += reversed(passed)

    def _look(self, passed: int) -> None:
        """The next slots in order of age, behind so many that are passed over."""
        slots = np.fromiter(self.slots.values(), np.int64, len(self.slots))
        ages, most = self._ages[slots], _QUEUE + passed
        if len(slots) > most:
            first = np.sort(np.argpartition(ages, most)[:most])
            slots, ages = slots[first], ages[first]
        order = np.argsort(ages, kind="stable")[passed:][::-1]
        self._oldest = list(zip(slots[order].tolist(), ages[order].tolist(), strict=True))
