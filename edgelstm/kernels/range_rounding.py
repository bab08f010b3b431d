"""Values rounded to 256 levels over their own range, which holds 0, and given back as floats (`layers.fake_quantize`)."""

import numpy as np
from numba import njit

from .simd.formulas import ROUNDER

inlined = njit(inline="always")

ZERO, ONE, TOP = np.float32(0.0), np.float32(1.0), np.float32(255.0)

ROUNDING = np.float32(ROUNDER)


@inlined
def nearest(x):
    """The nearest whole number of x within 2**22, halves to even."""
    return (x + ROUNDING) - ROUNDING


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
        scale = (high - low) / TOP
        if not scale > ZERO:
            scale = ONE
        zero = nearest(min(max(-low / scale, ZERO), TOP))
        for t in range(n):
            for k in range(size):
                level = nearest(x[t * x_stride + k] / scale) + zero
                y[t * y_stride + k] = (min(max(level, ZERO), TOP) - zero) * scale

    return round_rows
