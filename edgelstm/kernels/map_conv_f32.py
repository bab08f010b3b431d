"""Convolutions over the map of each timestep, in float32.

Weights are packed in tiles of some outputs: the bias, then a row for each value that a window meets. The sums of some neighbouring windows
of a row stay in registers over all of it.
"""

from numba import njit

from .chunks import chunks
from .maps_f32 import Window, copying, multiplication, spreading
from .simd.together import in_each_row
from .simd.vectors import Lanes, fma, load, offset, store

inlined = njit(inline="always")


def walking(given, outputs, units, together, places, groups):
    """An inlined function (w, x, y, z): every place of the answer, (rows, columns, groups * outputs). w: the tiles of all groups."""
    rows, columns = places
    taps = 1 + given.taps // groups
    tiles, tail = outputs // units, outputs % units
    blocks, last = columns // together, columns % together
    channels, group_channels = groups * outputs, given.channels // groups

    def some(units, together):
        """An inlined function: one tile of `units` outputs at `together` places."""
        lanes, sums = Lanes(units), Lanes(units, together)
        multiply = multiplication(given, units, groups)

        @inlined
        def step(w, x, y, z, r, k):
            a = in_each_row(sums, load(lanes, w, 0))
            store(z, 0, multiply(lanes, offset(w, units), x, r, k, a))
            for j in range(together):
                store(y, (r * columns + k + j) * channels, load(lanes, z, j * units))

        return step

    def tile(units):
        many, few = some(units, together), some(units, last or 1)

        @inlined
        def step(w, x, y, z):
            for r in range(rows):
                for b in range(blocks):
                    many(w, x, y, z, r, b * together)
                if last:
                    few(w, x, y, z, r, blocks * together)

        return step

    whole, narrow = tile(units), tile(tail or 1)

    @inlined
    def walk(w, x, y, z):
        for g in range(groups):
            wg, xg, yg = offset(w, g * outputs * taps), offset(x, g * group_channels), offset(y, g * outputs)
            for j in range(tiles):
                whole(offset(wg, j * units * taps), xg, offset(yg, j * units), z)
            if tail:
                narrow(offset(wg, tiles * units * taps), xg, offset(yg, tiles * units), z)

    return walk


def map_conv_f32(places, outputs, units, together, given, groups, copied, x_stride, y_stride):
    """Kernel of one layer.

    Parameters
    ----------
    places : tuple of int
        Rows and columns of the answer.
    outputs, units, together : int
        Outputs of a group; those of a tile, and windows that are taken together, where the last may be fewer.
    given : tuple of int
        How windows lie on the map: `maps_f32.Window`.
    groups : int
    copied : int
        Whether the map is copied between zeros.
    """
    given = Window(*given)
    walk, copy = walking(given, outputs, units, together, places, groups), copying(given, zeros=True)
    room = given.rows * given.row if copied else 0

    def kernel(w, x, y, s, z, n):
        """w: tiles of each group; x: (n, x_stride); y: (n, y_stride); s: unused; z: the padded map and a block's sums."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            if copied:
                copy(xt, z)
                xt = z
            walk(w, xt, offset(y, t * y_stride), offset(z, room))

    return kernel


def map_conv_transpose_f32(places, outputs, units, together, given, strides, x_stride, y_stride):
    """Kernel of one layer: a convolution over the map with ``stride - 1`` zeros between its places. The kernel comes turned.

    given: how windows lie on the map with its zeros; strides: from one of its places to the next, along rows and columns.
    """
    given = Window(*given)
    walk, spread = walking(given, outputs, units, together, places, 1), spreading(given, strides)
    room = given.rows * given.row

    def kernel(w, x, y, s, z, n):
        """w: tiles; x: (n, x_stride); y: (n, y_stride); s: unused; z: the spread map and a block's sums."""
        for t in range(n):
            spread(offset(x, t * x_stride), z)
            walk(w, z, offset(y, t * y_stride), offset(z, room))

    return kernel


def depthwise_f32(places, given, copied, x_stride, y_stride):
    """Kernel of a layer with one output for each channel of the map. Weights: bias (channels,), then (taps of a window, channels)."""
    given = Window(*given)
    rows, columns = places
    channels, taken, times = given.channels, given.window_rows, given.window_columns
    lanes, width, full, rest_lanes, rest = chunks(channels)
    copy = copying(given, zeros=True)
    row_stride, row_dilation, above, row = given.row_stride, given.row_dilation, given.above, given.row
    next_window, apart = given.column_stride * channels, given.column_dilation * channels
    map_rows = given.rows

    @inlined
    def place(lanes, w, x, y, r, c, k):
        """Some channels at one place, from channel k on."""
        a = load(lanes, w, k)
        top = r * row_stride - above
        first = max(0, -(top // row_dilation))
        last = min(taken, (map_rows - 1 - top) // row_dilation + 1)
        for i in range(first, last):
            line = offset(x, (top + i * row_dilation) * row + c * next_window + k)
            for j in range(times):
                a = fma(load(lanes, w, (1 + i * times + j) * channels + k), load(lanes, line, j * apart), a)
        store(y, (r * columns + c) * channels + k, a)

    def kernel(w, x, y, s, z, n):
        """w: bias and taps; x: (n, x_stride); y: (n, y_stride); s: unused; z: the padded map."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            if copied:
                copy(xt, z)
                xt = z
            for r in range(rows):
                for c in range(columns):
                    for k in range(0, full, width):
                        place(lanes, w, xt, yt, r, c, k)
                    if rest:
                        place(rest_lanes, w, xt, yt, r, c, full)

    return kernel
