"""The record of magnitudes of complex numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..errors import ShapeError, printable
from .record import MAX_SIZE, Layer


@dataclass(eq=False, repr=False)
class Magnitude(Layer):
    """Magnitudes of complex numbers: ``y = sqrt(real^2 + imaginary^2)``, what a short-time Fourier transform gives a bin.

    It reads places of ``2 bins`` values, the real parts of all bins and then their imaginary parts, and gives `bins` values a place.

    Parameters
    ----------
    bins : int
        Complex numbers a place; what is read is a whole number of places.
    squared : bool
        Whether to leave out the root: the power.
    """

    kind: ClassVar[str] = "magnitude"
    bins: int
    squared: bool = False

    def _check(self) -> None:
        if isinstance(self.bins, bool) or not isinstance(self.bins, int) or not 0 < self.bins <= MAX_SIZE:
            raise ShapeError(f"{self.label}: bins must be a whole number from 1 to {MAX_SIZE}; got {printable(repr(self.bins), 60)}.")
        if not isinstance(self.squared, bool):
            raise ShapeError(f"{self.label}: squared must be True or False; got {printable(repr(self.squared), 60)}.")

    def output_size(self, sizes: Sequence[int]) -> int:
        if sum(sizes) % (2 * self.bins):
            raise ShapeError(f"{self.label} reads places of {2 * self.bins} values, real and imaginary parts; it is given {sum(sizes)}.")
        return sum(sizes) // 2

    def output_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        flat = super().output_shape(shapes)
        mapped = len(shapes) == 1 and shapes[0][-1] == 2 * self.bins
        return (*shapes[0][:-1], self.bins) if mapped else flat
