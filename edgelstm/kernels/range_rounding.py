"""Values rounded to 256 levels over their own range, which holds 0, and given back as floats (`layers.fake_quantize`)."""

import numpy as np
from numba import njit

from .simd.formulas import ROUNDER
from .simd.reductions import highest, lowest
from .simd.vectors import Lanes, elementwise, load, offset, splat, store

inlined = njit(inline="always")

ZERO, ONE, TOP = np.float32(0.0), np.float32(1.0), np.float32(255.0)

ROUNDING = np.float32(ROUNDER)

smaller = elementwise(lambda x, y: x.below(y))
larger = elementwise(lambda x, y: x.above(y))
levels_of = elementwise(lambda x, scale, zero: ((x / scale).rounded() + zero).above(0.0).below(255.0) - zero)


@inlined
def nearest(x):
    """The nearest whole number of x within 2**22, halves to even."""
    return (x + ROUNDING) - ROUNDING


@inlined
def grid_of(low, high):
    """Scale and zero point of 256 levels from `low` to `high`, which have 0 between them."""
    scale = (high - low) / TOP
    if not scale > ZERO:
        scale = ONE
    return scale, nearest(min(max(-low / scale, ZERO), TOP))


@inlined
def level_of(x, scale, zero):
    """The level of x, less the zero point."""
    return min(max(nearest(x / scale) + zero, ZERO), TOP) - zero


def range_rounder(size, x_stride, y_stride):
    """An inlined function (x, y, n): n rows of `size` values, rounded over the range of them all, to y."""

    @inlined
    def round_rows(x, y, n):
        """x: (n, x_stride); y: (n, y_stride)."""
        low, high = ZERO, ZERO
        for t in range(n):
            for k in range(size):
                low = min(low, x[t * x_stride + k])
                high = max(high, x[t * x_stride + k])
        scale, zero = grid_of(low, high)
        for t in range(n):
            for k in range(size):
                y[t * y_stride + k] = level_of(x[t * x_stride + k], scale, zero) * scale

    return round_rows


def grid_finder(size, x_stride):
    """An inlined function (x, n) -> scale, zero point: the levels over the range of n rows of `size` values."""
    width = next((lanes for lanes in (16, 8, 4) if size % lanes == 0), 4)
    lanes, even = Lanes(width), size // width * width

    @inlined
    def find(x, n):
        """x: (n, x_stride)."""
        low, high = ZERO, ZERO
        lows = splat(lanes, ZERO)
        highs = lows
        for t in range(n):
            xt = offset(x, t * x_stride)
            for k in range(0, even, width):
                lows = smaller(load(lanes, xt, k), lows)
                highs = larger(load(lanes, xt, k), highs)
            for k in range(even, size):
                low = min(low, xt[k])
                high = max(high, xt[k])
        return grid_of(min(low, lowest(lows)), max(high, highest(highs)))

    return find


def leveller(size, x_stride, y_stride):
    """An inlined function (x, y, n): levels of n rows over the range of them all, less the zero point, to y; returns their scale."""
    width = next((lanes for lanes in (16, 8, 4) if size % lanes == 0), 4)
    lanes, even, grid = Lanes(width), size // width * width, grid_finder(size, x_stride)

    @inlined
    def level_rows(x, y, n):
        """x: (n, x_stride); y: (n, y_stride)."""
        scale, zero = grid(x, n)
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(0, even, width):
                store(yt, k, levels_of(load(lanes, xt, k), splat(lanes, scale), splat(lanes, zero)))
            for k in range(even, size):
                yt[k] = level_of(xt[k], scale, zero)
        return scale

    return level_rows
