"""Activations rounded to levels and given back as floats."""

from numba import njit

from .range_rounding import leveller, nearest, range_rounder
from .simd.vectors import offset

inlined = njit(inline="always")


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


def requantize_f32(size, x_stride, y_stride):
    """Kernel of products with a multiplier, rounded to levels. Weights: multiplier (size,), low (size,), high (size,)."""

    def kernel(w, x, y, s, z, n):
        """w: as above; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(size):
                yt[k] = nearest(min(max(xt[k] * w[k], w[size + k]), w[2 * size + k]))

    return kernel


def leveller_with_scale(size, x_stride, y_stride):
    """`leveller`, and the scale behind each row."""
    level = leveller(size, x_stride, y_stride)

    @inlined
    def level_rows(x, y, n):
        scale = level(x, y, n)
        for t in range(n):
            y[t * y_stride + size] = scale

    return level_rows


def dynamic_fake_quantize_f32(size, together, levels, x_stride, y_stride):
    """Kernel of rounding to 256 levels over the range of all rows, or of each row where `together` is 0. Without weights.

    levels: whether it gives the levels, and behind them their scale.
    """
    round_rows = (leveller_with_scale if levels else range_rounder)(size, x_stride, y_stride)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); w, s, z: unused."""
        if together:
            round_rows(x, y, n)
        else:
            for t in range(n):
                round_rows(offset(x, t * x_stride), offset(y, t * y_stride), 1)

    return kernel
