"""The record of overlap and add: blocks that overlap become samples that follow each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..errors import ShapeError, printable
from .record import MAX_SIZE, Layer


@dataclass(eq=False, repr=False)
class OverlapAdd(Layer):
    """Sum of blocks that each begin `hop` values after the one before: ``y[k] = sum over j of x[now - j][j hop + k]``, for k up to `hop`.

    The last step of an inverse short-time Fourier transform (Allen 1977). Behind a Dense layer of ``taps * channels`` outputs, with a hop
    of ``stride * channels``, a transposed convolution along time: a step gives `stride` rows side by side.

    Parameters
    ----------
    size : int
        Values of a block.
    hop : int
        Values that a step gives; up to `size`.
    """

    kind: ClassVar[str] = "overlap_add"
    size: int
    hop: int

    def _check(self) -> None:
        for name in ("size", "hop"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_SIZE:
                raise ShapeError(f"{self.label}: {name} must be a whole number from 1 to {MAX_SIZE}; got {printable(repr(value), 60)}.")
        if self.hop > self.size:
            raise ShapeError(f"{self.label}: a hop of {self.hop} is longer than its blocks of {self.size}; fill them up with zeros.")

    @property
    def input_width(self) -> int:
        return self.size

    @property
    def receptive_field(self) -> int:
        return -(-self.size // self.hop)

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, self.size, "its blocks have that size")
        return self.hop
