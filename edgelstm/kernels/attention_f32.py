"""Attention pooling in float32: a mean that moves towards each row by the row's share of all weights so far."""

import numpy as np
from numba import njit

from . import activations
from .simd.vectors import Lanes, fma, load, offset, splat, store, subtracted, total

ONE, ZERO = np.float32(1.0), np.float32(0.0)
SCALAR = Lanes(1)

#: Values that are brought on at once.
WIDEST = 64

inlined = njit(inline="always")


@inlined
def exp(x):
    """exp(x) of a number that is not above 0."""
    return total(activations.exp(splat(SCALAR, x)))


def attention_pool_f32(size, x_stride, y_stride):
    """Kernel of the mean of all rows so far, weighted by exp(score)."""
    width = min(size, WIDEST)
    full = size // width * width
    lanes, rest, rest_lanes = Lanes(width), size - full, Lanes(size - full or 1)

    @inlined
    def moved(lanes, x, mean, y, k, share):
        before = load(lanes, mean, k)
        now = fma(splat(lanes, share), subtracted(load(lanes, x, k), before), before)
        store(mean, k, now)
        store(y, k, now)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride), a row x and its score; y: (n, y_stride); s: largest score, sum of exp(score - largest), mean; w, z: unused."""
        mean = offset(s, 2)
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            score = xt[size]
            if s[1] <= ZERO:
                s[0], s[1] = score, ONE
                share = ONE
            elif score > s[0]:
                s[1] = ONE + s[1] * exp(s[0] - score)
                s[0] = score
                share = ONE / s[1]
            else:
                weight = exp(score - s[0])
                s[1] += weight
                share = weight / s[1]
            for k in range(0, full, width):
                moved(lanes, xt, mean, yt, k, share)
            if rest:
                moved(rest_lanes, xt, mean, yt, full, share)

    return kernel
