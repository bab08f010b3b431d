"""Convolution over a map, slow and obvious."""

from collections.abc import Sequence

import numpy as np

from ..layers.maps import Axis, rows_and_columns
from .functions import Vector


def padded(x: Vector, axes: Sequence[Axis], value: float = 0.0) -> Vector:
    """A map (rows, columns, channels), or (length, channels) as one row, with as much around it as its windows reach."""
    row, column = rows_and_columns(axes)
    around = []
    for axis in (row, column):
        reached = (axis.places - 1) * axis.stride + (axis.window - 1) * axis.dilation + 1
        around.append((axis.before, max(0, reached - axis.before - axis.size)))
    return np.pad(x.reshape(row.size, column.size, -1), (*around, (0, 0)), constant_values=value)


def taps(x: Vector, axes: Sequence[Axis], value: float = 0.0) -> Vector:
    """What each place of the windows meets: (window rows, window columns, rows, columns, channels) of a map."""
    row, column = rows_and_columns(axes)
    full = padded(x, axes, value)

    def met(i: int, j: int) -> Vector:
        below = full[i * row.dilation :][: (row.places - 1) * row.stride + 1 : row.stride]
        return below[:, j * column.dilation :][:, : (column.places - 1) * column.stride + 1 : column.stride]

    return np.array([[met(i, j) for j in range(column.window)] for i in range(row.window)])


def convolved(x: Vector, kernel: Vector, axes: Sequence[Axis]) -> Vector:
    """The map (rows, columns, outputs) of a kernel (window..., channels, outputs)."""
    row, column = rows_and_columns(axes)
    kernel = kernel.astype(np.float64).reshape(row.window, column.window, *kernel.shape[-2:])
    return np.asarray(np.einsum("ijrkc,ijco->rko", taps(x, axes), kernel, optimize=True))
