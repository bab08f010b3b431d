"""Where an array's numbers stand in others: looked up by value, so that what is said of an array is true of its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

#: Numbers of a file that are sorted; of a larger one, whole tensors alone are found.
_MOST_NUMBERS = 1 << 24

#: A value that stands in more places is no beginning to look from.
_COMMON = 4096

#: Places of one value that are tried as an array's beginning.
_MOST_STARTS = 24


@dataclass(eq=False)
class Found:
    """An array that is made of others' numbers, axis by axis.

    Parameters
    ----------
    sources : tuple of str
        Of whose numbers, in the order in which they come along the first axis.
    axes : list of array
        For each axis of the array, the places of its entries along one axis of the (first) source.
    along : list of int
        Which axis of the source that is; -1 where an axis has one entry.
    shape : tuple of int
        The source's.
    """

    sources: tuple[str, ...]
    axes: list[Places]
    along: list[int]
    shape: tuple[int, ...]


@dataclass(eq=False)
class Index:
    """All numbers of a file, sorted.

    Parameters
    ----------
    tensors : mapping of str to float32 arrays
    """

    tensors: Mapping[str, Floats]
    names: list[str] = field(init=False)
    _alike: dict[tuple[int, float], list[str]] = field(init=False)
    _values: Floats = field(init=False)
    _starts: Places = field(init=False)
    _order: Places = field(init=False)
    _sorted: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.names = list(self.tensors)
        self._alike = {}
        for name, tensor in self.tensors.items():
            if tensor.size:
                self._alike.setdefault((tensor.size, float(tensor.flat[0])), []).append(name)
        sizes = [self.tensors[name].size for name in self.names]
        self._starts = np.cumsum([0, *sizes])
        sought = self._starts[-1] <= _MOST_NUMBERS
        self._values = np.concatenate([np.zeros(0, np.float32), *(self.tensors[name].ravel() for name in self.names if sought)])
        self._order = np.argsort(self._values, kind="stable")
        self._sorted = self._values[self._order]

    def places(self, value: float) -> Places:
        """Where a value stands among all, in order."""
        low, high = np.searchsorted(self._sorted, np.float32(value), "left"), np.searchsorted(self._sorted, np.float32(value), "right")
        return self._order[low:high]

    def owners(self, places: Places) -> Places:
        """The numbers of the tensors that hold these places."""
        return np.searchsorted(self._starts, places, side="right") - 1

    def holders(self, value: float) -> list[str]:
        """Names of the tensors that hold a value."""
        return [self.names[owner] for owner in np.unique(self.owners(self.places(value)))]

    def find(self, array: Floats, used: frozenset[str] = frozenset()) -> Found | None:
        """`array` as numbers of the file, moved but not changed; sources that are not in `used` first."""
        squeezed = squeezed_of(array)
        if (plain := self._plain(squeezed, used)) is not None:
            return plain
        anchor = _anchor(squeezed)
        starts = self.places(float(squeezed[anchor]))
        if starts.size > _COMMON:
            return None
        owners = self.owners(starts).tolist()
        ranks = {owner: self._rank(owner, squeezed, used) for owner in set(owners)}
        ranked = sorted(zip(owners, starts.tolist(), strict=True), key=lambda pair: ranks[pair[0]])
        for _, start in ranked[:_MOST_STARTS]:
            lines = [self._line(_through(squeezed, anchor, axis), anchor[axis], start) for axis in range(squeezed.ndim)]
            if all(line is not None for line in lines):
                found = self._checked(squeezed, start, [line for line in lines if line is not None])
                if found is not None:
                    return found
        return None

    def _plain(self, array: Floats, used: frozenset[str]) -> Found | None:
        """`array` as a whole tensor, as it is or transposed."""
        for name in sorted(self._alike.get((array.size, float(array.flat[0])), ()), key=lambda name: name in used):
            own = squeezed_of(self.tensors[name])
            if own.shape == array.shape and np.array_equal(own, array):
                return Found((name,), [np.arange(n) for n in own.shape], list(range(own.ndim)), own.shape)
            if own.ndim > 1 and own.T.shape == array.shape and np.array_equal(own.T, array):
                return Found((name,), [np.arange(n) for n in array.shape], list(range(own.ndim))[::-1], own.shape)
        return None

    def _rank(self, owner: int, array: Floats, used: frozenset[str]) -> tuple[bool, bool, int]:
        name = self.names[owner]
        other = self.tensors[name]
        return name in used, sorted(n for n in other.shape if n > 1) != sorted(n for n in array.shape if n > 1), other.size

    def _line(self, values: Floats, anchor: int, start: int) -> Places | None:
        """The places of `values` (n,), of which number `anchor` stands at `start`: each keeps the step of those before where it can."""
        found = np.empty(values.size, np.int64)
        found[anchor] = start
        for direction in (1, -1):
            before, step = start, 0
            for i in range(anchor + direction, values.size if direction > 0 else -1, direction):
                candidates = self.places(float(values[i]))
                if not candidates.size:
                    return None
                wanted = before + step if step else before
                nearest = int(candidates[np.abs(candidates - wanted).argmin()])
                found[i], step, before = nearest, nearest - before, nearest
        return found

    def _checked(self, array: Floats, start: int, lines: list[Places]) -> Found | None:
        places = np.zeros((1,) * array.ndim, np.int64) + start
        for axis, line in enumerate(lines):
            places = places + (line - start).reshape([-1 if k == axis else 1 for k in range(array.ndim)])
        if places.min() < 0 or places.max() >= self._values.size or not np.array_equal(self._values[places], array):
            return None
        owners = self.owners(places)
        rows = owners.reshape(len(owners), -1)
        if (rows != rows[:, :1]).any():
            return None
        first = int(rows[0, 0])
        shape = self.tensors[self.names[first]].shape or (1,)
        base = np.unravel_index((places - self._starts[owners]).ravel(), shape) if (owners == first).all() else None
        if base is None:
            names = tuple(self.names[owner] for owner in dict.fromkeys(rows[:, 0].tolist()))
            same = {self.tensors[name].size for name in names} == {array.size // len(names)}
            return Found(names, [], [], shape) if same or array.ndim == 1 else None
        return self._within(first, shape, [np.asarray(axis).reshape(array.shape) for axis in base])

    def _within(self, owner: int, shape: tuple[int, ...], base: list[Places]) -> Found | None:
        """The same of one source, given for each of its axes the places of all numbers."""
        ndim = base[0].ndim
        axes, along = [], []
        for axis in range(ndim):
            moved = [np.moveaxis(places, axis, 0).reshape(base[0].shape[axis], -1)[:, 0] for places in base]
            varies = [k for k, places in enumerate(moved) if (places != places[0]).any()]
            along.append(varies[0] if len(varies) == 1 else -1)
            axes.append(moved[varies[0]] if len(varies) == 1 else moved[0])
        return Found((self.names[owner],), axes, along, shape)


def squeezed_of(array: Floats) -> Floats:
    """The array without axes of one entry; a number alone is a vector of one."""
    return array.reshape([n for n in array.shape if n > 1] or [1])


def _anchor(array: Floats) -> tuple[int, ...]:
    """The place of a number that is neither 0 nor 1, where there is one."""
    rare = np.argwhere((array != 0) & (np.abs(array) != 1))
    return tuple(int(n) for n in (rare[0] if len(rare) else np.zeros(array.ndim, np.int64)))


def _through(array: Floats, anchor: tuple[int, ...], axis: int) -> Floats:
    """The numbers along one axis through a place."""
    line: Floats = array[tuple(slice(None) if k == axis else n for k, n in enumerate(anchor))]
    return line


def blocks(places: Places, count: int) -> list[int] | None:
    """The order of `count` blocks of one length, each of which goes on by ones; None where `places` are none."""
    if count < 2 or places.size % count:
        return None
    parts = places.reshape(count, -1)
    if (np.diff(parts, axis=1) != 1).any():
        return None
    starts = parts[:, 0].tolist()
    return [sorted(starts).index(start) for start in starts]


def spans(order: list[int]) -> bool:
    """Whether blocks are in the order of the source."""
    return all(a < b for a, b in pairwise(order))
