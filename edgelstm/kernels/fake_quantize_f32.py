"""Activations rounded to levels and given back as floats."""

import numpy as np
from numba import njit

from .simd.vectors import offset

inlined = njit(inline="always")

ZERO, ONE, TOP = np.float32(0.0), np.float32(1.0), np.float32(255.0)

#: Added to a float32 within 2**22 it leaves no bits behind the point: the sum is rounded, halves to even.
ROUNDING = np.float32(12582912.0)


@inlined
def nearest(x):
    """The nearest whole number of x within 2**22, halves to even."""
    return (x + ROUNDING) - ROUNDING


def fake_quantize_f32(size, x_stride, y_stride):
    """Kernel of rounding to levels of each channel. Weights: scale (size,), low (size,), high (size,)."""

    def kernel(w, x, y, s, z, n):
        """w: as above; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(size):
                level = min(max(xt[k] / w[k], w[size + k]), w[2 * size + k])
                yt[k] = nearest(level) * w[k]

    return kernel


def dynamic_fake_quantize_f32(size, together, x_stride, y_stride):
    """Kernel of rounding to 256 levels over the range of all rows, or of each row where `together` is 0. Without weights."""

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

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); w, s, z: unused."""
        if together:
            round_rows(x, y, n)
        else:
            for t in range(n):
                round_rows(offset(x, t * x_stride), offset(y, t * y_stride), 1)

    return kernel
