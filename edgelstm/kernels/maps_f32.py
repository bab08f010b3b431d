"""Convolution windows over maps in float32: what the kernels of maps share.

A map stands in C order, (rows, columns, channels). Where windows reach beyond its columns it is copied between columns of zeros first, so
that the values which a window meets in one row of the map stand together. Rows beyond the map are left out.
"""

from typing import NamedTuple

from numba import njit

from .chunks import chunks
from .simd.sums import load_scaled_bytes
from .simd.together import fma_each
from .simd.vectors import load, offset, store

inlined = njit(inline="always")


class Window(NamedTuple):
    """How windows lie on a map: sizes of the map, and along rows and columns as `layers.maps.Axis` has them.

    Parameters
    ----------
    padded : int
        Columns of the map with the zeros around it.
    """

    rows: int
    columns: int
    channels: int
    window_rows: int
    window_columns: int
    row_stride: int
    column_stride: int
    row_dilation: int
    column_dilation: int
    above: int
    before: int
    padded: int

    @property
    def taps(self):
        """Values that a whole window meets."""
        return self.window_rows * self.window_columns * self.channels

    @property
    def row(self):
        """Floats of a row of the padded map."""
        return self.padded * self.channels


def copying(window, zeros):
    """An inlined function (x, z) that copies a map between its columns of zeros, which it writes too if `zeros`.

    z: (rows, padded, channels)
    """
    rows, width, row, start = window.rows, window.columns * window.channels, window.row, window.before * window.channels
    lanes, step, full, rest_lanes, rest = chunks(width)

    @inlined
    def copy(x, z):
        for r in range(rows):
            source, target = offset(x, r * width), offset(z, r * row + start)
            if zeros:
                for k in range(start):
                    z[r * row + k] = 0
                for k in range(start + width, row):
                    z[r * row + k] = 0
            for k in range(0, full, step):
                store(target, k, load(lanes, source, k))
            if rest:
                store(target, full, load(rest_lanes, source, full))

    return copy


def spreading(window, strides):
    """An inlined function (x, z) that copies the places of a map apart, by `strides` along rows and columns, between zeros.

    window: of the map with its zeros; z: (rows, padded, channels)
    """
    (down, across), channels, row, before = strides, window.channels, window.row, window.before
    rows, columns, room = -(-window.rows // down), -(-window.columns // across), window.rows * window.row
    cut = max(0, -(before // across))

    @inlined
    def spread(x, z):
        for k in range(room):
            z[k] = 0
        for r in range(rows):
            for c in range(cut, columns):
                at = r * down * row + (before + c * across) * channels
                for k in range(channels):
                    z[at + k] = x[(r * columns + c) * channels + k]

    return spread


def multiplication(window, size, groups=1, in_bytes=False):
    """An inlined function (lanes, w, x, r, c, sums): adds the products of neighbouring windows, the first at row r and column c.

    w: (taps / groups, size), float32 or bytes; x: the padded map, from the first channel of a group on; sums: a row of `size` lanes for
    each window. lanes: of a row of w. Bytes fill whole floats: `size` is a multiple of four then.
    """
    row_of, row_floats = (load_scaled_bytes, size // 4) if in_bytes else (load, size)
    rows, row, channels, taken, times = window.rows, window.row, window.channels // groups, window.window_rows, window.window_columns
    together = times * channels if window.column_dilation == groups == 1 else channels
    pieces = times * channels // together
    apart = window.column_dilation * window.channels
    next_window = window.column_stride * window.channels
    row_stride, row_dilation, above = window.row_stride, window.row_dilation, window.above

    @inlined
    def multiply(lanes, w, x, r, c, sums):
        top = r * row_stride - above
        first = max(0, -(top // row_dilation))
        last = min(taken, (rows - 1 - top) // row_dilation + 1)
        for i in range(first, last):
            line = offset(x, (top + i * row_dilation) * row + c * next_window)
            weights = offset(w, i * times * channels * row_floats)
            for piece in range(pieces):
                values = offset(line, piece * apart)
                for k in range(together):
                    sums = fma_each(row_of(lanes, weights, (piece * together + k) * size), values, k, next_window, sums)
        return sums

    return multiply
