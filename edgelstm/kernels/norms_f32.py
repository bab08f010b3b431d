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


def _scaled(groups, size):
    """Function (w, x, y, mean, factor): ``(x - mean) factor w + bias`` of one group's `size` channels; bias stands behind all weights."""
    lanes, width, full, rest_lanes, rest = chunks(size)
    channels = groups * size

    @inlined
    def part(lanes, w, x, y, k, mean, factor):
        d = multiplied(subtracted(load(lanes, x, k), splat(lanes, mean)), splat(lanes, factor))
        store(y, k, fma(d, load(lanes, w, k), load(lanes, w, channels + k)))

    @inlined
    def scaled(w, x, y, mean, factor):
        for k in range(0, full, width):
            part(lanes, w, x, y, k, mean, factor)
        if rest:
            part(rest_lanes, w, x, y, full, mean, factor)

    return scaled


def layer_norm_f32(groups, size, epsilon, x_stride, y_stride):
    """Kernel of `groups` groups of `size` channels. Weights: weight (groups * size,), bias (groups * size,)."""
    summed, squares = _sums(size)
    scaled = _scaled(groups, size)
    share, least = np.float32(1 / size), np.float32(epsilon)

    def kernel(w, x, y, s, z, n):
        """w: weight and bias; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            for g in range(groups):
                xt = offset(x, t * x_stride + g * size)
                yt = offset(y, t * y_stride + g * size)
                mean = summed(xt) * share
                factor = inverse_root(squares(xt, mean) * share + least)
                scaled(offset(w, g * size), xt, yt, mean, factor)

    return kernel


def recording_norm_f32(groups, size, epsilon, x_stride, y_stride):
    """Kernel of the same with one mean and variance a group for all rows of a recording, summed in float64."""
    summed, squares = _sums(size)
    scaled = _scaled(groups, size)
    channels, least = np.float64(size), np.float32(epsilon)

    def kernel(w, x, y, s, z, n):
        """w: weight and bias; x: (n, x_stride), all rows of a recording, at least one; y: (n, y_stride); s, z: unused."""
        for g in range(groups):
            xg, yg, wg = offset(x, g * size), offset(y, g * size), offset(w, g * size)
            count = channels * n
            values = np.float64(0)
            for t in range(n):
                values += np.float64(summed(offset(xg, t * x_stride)))
            mean = np.float32(values / count)
            spread = np.float64(0)
            for t in range(n):
                spread += np.float64(squares(offset(xg, t * x_stride), mean))
            factor = inverse_root(np.float32(spread / count) + least)
            for t in range(n):
                scaled(wg, offset(xg, t * x_stride), offset(yg, t * y_stride), mean, factor)

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
