"""Activations rounded to levels and given back as floats."""

from numba import njit

from .chunks import LONGEST
from .range_rounding import grid_finder, leveller, nearest, range_rounder
from .simd.vectors import Lanes, elementwise, load, offset, splat, store

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


scaled = elementwise(lambda sums, step, scale, bias: sums * (step * scale) + bias)


def rescale_f32(size, x_stride, y_stride):
    """Kernel of sums of products of levels as numbers. Weights: scale (size,), bias (size,)."""
    width = min(size, LONGEST)
    lanes, rest_lanes = Lanes(width), Lanes(size % width or 1)
    even = size - size % width

    @inlined
    def some(lanes, w, x, y, k):
        store(y, k, scaled(load(lanes, x, k), splat(lanes, x[size]), load(lanes, w, k), load(lanes, w, size + k)))

    def kernel(w, x, y, s, z, n):
        """w: as above; x: (n, x_stride), what a level stands for behind the sums; y: (n, y_stride); s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(0, even, width):
                some(lanes, w, xt, yt, k)
            if even < size:
                some(rest_lanes, w, xt, yt, even)

    return kernel


def scale_giver(size, x_stride, y_stride):
    """An inlined function (x, y, n): the scale of n rows to the first value of each row of y."""
    grid = grid_finder(size, x_stride)

    @inlined
    def give_scale(x, y, n):
        scale, _ = grid(x, n)
        for t in range(n):
            y[t * y_stride] = scale

    return give_scale


#: What rounds rows, by what `layers.fake_quantize.DynamicFakeQuantize` gives.
ROUNDERS = {"numbers": range_rounder, "levels": leveller, "scale": scale_giver}


def dynamic_fake_quantize_f32(size, together, gives, x_stride, y_stride):
    """Kernel of rounding to 256 levels over the range of all rows, or of each row where `together` is 0. Without weights.

    gives: as the record has it.
    """
    round_rows = ROUNDERS[gives](size, x_stride, y_stride)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); w, s, z: unused."""
        if together:
            round_rows(x, y, n)
        else:
            for t in range(n):
                round_rows(offset(x, t * x_stride), offset(y, t * y_stride), 1)

    return kernel
