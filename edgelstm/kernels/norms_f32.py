"""Layers that scale a vector by its own size, in float32."""

import numpy as np
from numba import njit

from .chunks import chunks
from .simd.reductions import total
from .simd.vectors import Lanes, add, elementwise, fma, load, multiplied, offset, splat, store, subtracted

inlined = njit(inline="always")

ONE = Lanes(1)
_inverse_root = elementwise(lambda x: x.inverse_root())


@inlined
def inverse_root(x):
    """1 / sqrt(x) of one number."""
    return total(_inverse_root(splat(ONE, x)))


def _sums(size):
    """Functions (x) -> the sum of `size` values, and (x, mean) -> that of their squared distances from `mean`."""
    lanes, width, full, rest_lanes, rest = chunks(size)

    @inlined
    def summed(x):
        a = load(lanes, x, 0)
        for k in range(width, full, width):
            a = add(a, load(lanes, x, k))
        value = total(a)
        if rest:
            value += total(load(rest_lanes, x, full))
        return value

    @inlined
    def squares(x, mean):
        d = subtracted(load(lanes, x, 0), splat(lanes, mean))
        a = multiplied(d, d)
        for k in range(width, full, width):
            d = subtracted(load(lanes, x, k), splat(lanes, mean))
            a = fma(d, d, a)
        value = total(a)
        if rest:
            e = subtracted(load(rest_lanes, x, full), splat(rest_lanes, mean))
            value += total(multiplied(e, e))
        return value

    return summed, squares


def layer_norm_f32(groups, size, epsilon, x_stride, y_stride):
    """Kernel of `groups` groups of `size` channels. Weights: weight (groups * size,), bias (groups * size,)."""
    lanes, width, full, rest_lanes, rest = chunks(size)
    summed, squares = _sums(size)
    share, least, channels = np.float32(1 / size), np.float32(epsilon), groups * size

    @inlined
    def scaled(lanes, w, x, y, k, mean, factor):
        d = multiplied(subtracted(load(lanes, x, k), splat(lanes, mean)), splat(lanes, factor))
        store(y, k, fma(d, load(lanes, w, k), load(lanes, w, channels + k)))

    def kernel(w, x, y, s, z, n):
        """w: weight and bias; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            for g in range(groups):
                xt = offset(x, t * x_stride + g * size)
                yt = offset(y, t * y_stride + g * size)
                wg = offset(w, g * size)
                mean = summed(xt) * share
                factor = inverse_root(squares(xt, mean) * share + least)
                for k in range(0, full, width):
                    scaled(lanes, wg, xt, yt, k, mean, factor)
                if rest:
                    scaled(rest_lanes, wg, xt, yt, full, mean, factor)

    return kernel


def rms_norm_f32(size, epsilon, x_stride, y_stride):
    """Kernel of x / sqrt(mean(x^2) + epsilon) weight. Weights: weight (size,)."""
    lanes, width, full, rest_lanes, rest = chunks(size)
    _, squares = _sums(size)
    share, least, zero = np.float32(1 / size), np.float32(epsilon), np.float32(0)

    @inlined
    def scaled(lanes, w, x, y, k, factor):
        store(y, k, multiplied(multiplied(load(lanes, x, k), splat(lanes, factor)), load(lanes, w, k)))

    def kernel(w, x, y, s, z, n):
        """w: weight; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            factor = inverse_root(squares(xt, zero) * share + least)
            for k in range(0, full, width):
                scaled(lanes, w, xt, yt, k, factor)
            if rest:
                scaled(rest_lanes, w, xt, yt, full, factor)

    return kernel


def unit_normalization_f32(size, epsilon, x_stride, y_stride):
    """Kernel of x / sqrt(max(sum(x^2), epsilon))."""
    lanes, width, full, rest_lanes, rest = chunks(size)
    _, squares = _sums(size)
    least, zero = np.float32(epsilon), np.float32(0)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); w, s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            factor = inverse_root(max(squares(xt, zero), least))
            for k in range(0, full, width):
                store(yt, k, multiplied(load(lanes, xt, k), splat(lanes, factor)))
            if rest:
                store(yt, full, multiplied(load(rest_lanes, xt, full), splat(rest_lanes, factor)))

    return kernel
