"""Where the values of channels lie, told by most of them: a few extremes move nothing."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .trace import Floats

#: Share of a channel's deviations that its width covers.
COVERED = 0.99

#: Steps that are looked at, evenly spread where there are more.
MOST_STEPS = 1 << 16

#: Exponents of widths.
EXPONENTS = (-100, 100)


class Spread(NamedTuple):
    """Where each channel lies.

    Parameters
    ----------
    centre : (channels,) float64
        0 where a channel reaches 0, or nearly.
    width : (channels,) float64
        Powers of two, about the largest deviation from the centre; 0 where a channel never changes.
    """

    centre: NDArray[np.float64]
    width: NDArray[np.float64]


def spread(values: Floats) -> Spread:
    """Centre and width of each channel of (steps, channels)."""
    ordered = np.sort(values[:: -(-len(values) // MOST_STEPS)], axis=0).astype(np.float64)
    median = ordered[(len(ordered) - 1) // 2]
    width = np.array([_width(column) for column in np.abs(ordered - median).T])
    step = np.where(width > 0, width / 4, 1)
    centre = np.where(width > 0, np.rint(median / step) * step, median)
    return Spread(np.where(np.abs(median) <= width, 0, centre), width)


def _width(deviations: NDArray[np.float64]) -> float:
    """The power of two next to the largest of most deviations from a median that are not 0."""
    moved = np.sort(deviations[deviations > 0])
    return float(power_of_two(moved[int(COVERED * (len(moved) - 1))])) if len(moved) > 1 else 0.0


def power_of_two(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest ones."""
    return np.asarray(2.0 ** np.clip(np.rint(np.log2(sizes)), *EXPONENTS))
