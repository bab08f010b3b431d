"""How windows lie on maps, as the kernels of maps take it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...layers.maps import Axis, rows_and_columns
from ..targets import Target
from . import Floats


def window(axes: Sequence[Axis], channels: int) -> tuple[int, ...]:
    """The numbers of `kernels.maps_f32.Window`."""
    row, column = rows_and_columns(axes)
    reached = (column.places - 1) * column.stride + (column.window - 1) * column.dilation + 1
    padded = max(reached, column.before + column.size)
    steps = (row.stride, column.stride, row.dilation, column.dilation, row.before, column.before)
    return (row.size, column.size, channels, row.window, column.window, *steps, padded)


def met(axis: Axis) -> tuple[Axis, slice]:
    """Windows without the taps at their ends that meet nothing but zeros around the map, wherever a window lies; and the taps left."""
    starts = np.arange(axis.places) * axis.stride - axis.before  # (places,)
    at = starts[:, None] + np.arange(axis.window) * axis.dilation  # (places, taps)
    taps = np.flatnonzero(((at >= 0) & (at < axis.size)).any(axis=0))
    if not taps.size:
        return axis, slice(None)
    first, last = min(int(taps[0]), axis.before // axis.dilation), int(taps[-1])
    return axis._replace(window=last + 1 - first, before=axis.before - first * axis.dilation), slice(first, last + 1)


def is_padded(axes: Sequence[Axis], channels: int) -> bool:
    """Whether the map is copied between columns of zeros."""
    return window(axes, channels)[-1] != rows_and_columns(axes)[1].size


def evenly(count: int, most: int) -> int:
    """Windows that are taken together, at most so many: the rest of a row shall not be much less."""
    return -(-count // -(-count // most))


def windows_together(lanes: int, columns: int, target: Target) -> int:
    """Windows of a row whose sums stay in registers, where each has so many lanes: two thirds of the registers."""
    each = -(-lanes // target.lanes)
    return evenly(columns, max(1, 2 * target.registers // (3 * each)))


def pack(bias: NDArray[np.float32], kernel: NDArray[np.float32], units: int) -> Floats:
    """Tiles of `units` outputs: the bias, then a row for each value that a window meets."""
    outputs = bias.size
    rows = np.concatenate([bias[None], kernel.reshape(-1, outputs)])
    return np.concatenate([rows[:, at : at + units].ravel() for at in range(0, outputs, units)])
