"""Records of layers that join several inputs, or take a part of one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError, printable
from .record import MAX_SIZE, Array, Layer


@dataclass(eq=False, repr=False)
class Mul(Layer):
    """Product of several inputs of one width, value by value: a gate."""

    kind: ClassVar[str] = "mul"
    channelwise: ClassVar[bool] = True
    inputs: tuple[str, ...] = field(default=(), kw_only=True)

    def _check(self) -> None:
        if len(self.inputs) < 2:
            raise ShapeError(f"{self.label} must name the two or more layers that it multiplies; got {printable(self.inputs, 60)}.")

    def output_size(self, sizes: Sequence[int]) -> int:
        if len(set(sizes)) != 1:
            raise ShapeError(f"{self.label} multiplies inputs of one width; it is given {', '.join(map(str, sizes))}.")
        return sizes[0]


@dataclass(eq=False, repr=False)
class Concat(Layer):
    """All inputs side by side, in the order of `inputs`."""

    kind: ClassVar[str] = "concat"
    channelwise: ClassVar[bool] = True

    def output_size(self, sizes: Sequence[int]) -> int:
        return sum(sizes)


@dataclass(eq=False, repr=False)
class Slice(Layer):
    """The values from `start` up to but not including `stop`, of all inputs side by side.

    Parameters
    ----------
    start, stop : int
        Counted from 0, as ``x[start:stop]``.
    """

    kind: ClassVar[str] = "slice"
    start: int
    stop: int

    def _check(self) -> None:
        for name in ("start", "stop"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SIZE:
                raise ShapeError(f"{self.label}: {name} must be a whole number from 0 to {MAX_SIZE}; got {printable(repr(value), 60)}.")
        if self.start >= self.stop:
            raise ShapeError(f"{self.label}: stop must be above start; got {self.start} to {self.stop}.")

    def output_size(self, sizes: Sequence[int]) -> int:
        if self.stop > sum(sizes):
            raise ShapeError(f"{self.label} takes the values {self.start} to {self.stop} of {sum(sizes)}; stop lies beyond them.")
        return self.stop - self.start

    def reads(self, wanted: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
        return np.pad(wanted, (self.start, width - self.stop))

    def moved(self, places: Sequence[int]) -> Sequence[int]:
        return places[self.start : self.stop]


@dataclass(eq=False, repr=False)
class Gather(Layer):
    """Values by their places: ``y[k] = x[indices[k]]``, of all inputs side by side. It turns axes of a map, repeats and leaves out.

    Parameters
    ----------
    indices : (output_size,) int32
        Counted from 0.
    """

    kind: ClassVar[str] = "gather"
    indices: Array

    def _check(self) -> None:
        given = np.asarray(self.indices)
        if given.ndim != 1 or given.dtype.kind not in "iu" or not 0 < given.size <= MAX_SIZE or given.min() < 0 or given.max() >= MAX_SIZE:
            raise ShapeError(f"{self.label}: indices must be one to {MAX_SIZE} whole numbers from 0 to {MAX_SIZE - 1}, in one dimension.")
        indices = given.astype(np.int32)
        indices.flags.writeable = False
        self._set("indices", indices)

    def output_size(self, sizes: Sequence[int]) -> int:
        if self.indices.max() >= sum(sizes):
            raise ShapeError(f"{self.label} takes place {self.indices.max()} of {sum(sizes)} values, which are counted from 0.")
        return int(self.indices.size)

    def reads(self, wanted: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
        return np.isin(np.arange(width), self.indices[wanted])

    def moved(self, places: Sequence[int]) -> Sequence[int]:
        return [places[i] for i in self.indices if i < len(places)]
