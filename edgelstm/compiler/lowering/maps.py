"""How windows lie on maps, as the kernels of maps take it."""

from collections.abc import Sequence

from ...layers.maps import Axis, rows_and_columns
from ..targets import Target


def window(axes: Sequence[Axis], channels: int) -> tuple[int, ...]:
    """The numbers of `kernels.maps_f32.Window`."""
    row, column = rows_and_columns(axes)
    reached = (column.places - 1) * column.stride + (column.window - 1) * column.dilation + 1
    padded = max(reached, column.before + column.size)
    steps = (row.stride, column.stride, row.dilation, column.dilation, row.before, column.before)
    return (row.size, column.size, channels, row.window, column.window, *steps, padded)


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
