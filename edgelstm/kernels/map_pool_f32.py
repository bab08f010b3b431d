"""Pooling over the map of each timestep, in float32."""

import numpy as np
from numba import njit

from .chunks import chunks
from .maps_f32 import Window
from .simd.vectors import add, elementwise, load, multiplied, offset, splat, store, zero

inlined = njit(inline="always")

larger = elementwise(lambda x, y: x.above(y))


def map_pool_f32(function, places, given, include_padding, x_stride, y_stride):
    """Kernel of one layer.

    Parameters
    ----------
    function : {"max", "average"}
    places : tuple of int
        Rows and columns of the answer.
    given : tuple of int
        How windows lie on the map: `maps_f32.Window`.
    include_padding : int
        Whether means divide by the whole window.
    """
    given = Window(*given)
    rows, columns = places
    channels, map_rows, map_columns = given.channels, given.rows, given.columns
    taken, times, row_dilation, column_dilation = given.window_rows, given.window_columns, given.row_dilation, given.column_dilation
    row_stride, column_stride, above, before = given.row_stride, given.column_stride, given.above, given.before
    lanes, width, full, rest_lanes, rest = chunks(channels)
    largest, share = function == "max", np.float32(1 / (taken * times))
    one = np.float32(1)

    @inlined
    def met(start, dilation, window, size):
        """The first place of a window that lies on the map, and the first behind it that does not."""
        return max(0, -(start // dilation)), min(window, (size - 1 - start) // dilation + 1)

    @inlined
    def place(lanes, x, y, top, left, k):
        """Some channels of one window, from channel k on."""
        first, last = met(top, row_dilation, taken, map_rows)
        start, end = met(left, column_dilation, times, map_columns)
        corner = offset(x, ((top + first * row_dilation) * map_columns + left + start * column_dilation) * channels + k)
        a = load(lanes, corner, 0)
        if not largest:
            a = zero(lanes)
        for i in range(last - first):
            for j in range(end - start):
                value = load(lanes, corner, (i * row_dilation * map_columns + j * column_dilation) * channels)
                a = larger(a, value) if largest else add(a, value)
        if not largest:
            a = multiplied(a, splat(lanes, share if include_padding else one / np.float32((last - first) * (end - start))))
        store(y, 0, a)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); w, s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for r in range(rows):
                for c in range(columns):
                    top, left, at = r * row_stride - above, c * column_stride - before, (r * columns + c) * channels
                    for k in range(0, full, width):
                        place(lanes, xt, offset(yt, at + k), top, left, k)
                    if rest:
                        place(rest_lanes, xt, offset(yt, at + full), top, left, full)

    return kernel
