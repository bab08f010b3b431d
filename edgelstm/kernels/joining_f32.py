"""Products of several inputs, parts of one, and values by their places, in float32."""

import numpy as np
from numba import njit

from .elementwise_f32 import chunks
from .simd.vectors import load, multiplied, offset, store

inlined = njit(inline="always")


def mul_f32(terms, size, x_stride, y_stride):
    """Kernel of the product of `terms` vectors that stand one behind the other in x."""
    lanes, width, full, rest_lanes, rest = chunks(size)

    @inlined
    def product(lanes, x, y, k):
        a = load(lanes, x, k)
        for j in range(1, terms):
            a = multiplied(a, load(lanes, x, j * size + k))
        store(y, k, a)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride), a row (terms * size,); y: (n, y_stride); w, s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(0, full, width):
                product(lanes, xt, yt, k)
            if rest:
                product(rest_lanes, xt, yt, full)

    return kernel


def slice_f32(start, size, x_stride, y_stride):
    """Kernel of the `size` values from `start` on."""
    lanes, width, full, rest_lanes, rest = chunks(size)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); w, s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride + start)
            yt = offset(y, t * y_stride)
            for k in range(0, full, width):
                store(yt, k, load(lanes, xt, k))
            if rest:
                store(yt, full, load(rest_lanes, xt, full))

    return kernel


def gather_f32(size, x_stride, y_stride):
    """Kernel of values by their places. Weights: the places (size,), whole numbers that the record has checked."""

    def kernel(w, x, y, s, z, n):
        """w: places; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            for k in range(size):
                y[t * y_stride + k] = x[t * x_stride + int(np.int32(w[k]))]

    return kernel
