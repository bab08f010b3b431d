"""Products of several inputs, parts of one, and values by their places, in float32."""

import numpy as np
from numba import njit

from .chunks import chunkwise
from .simd.vectors import load, multiplied, store

inlined = njit(inline="always")


def mul_f32(terms, size, x_stride, y_stride):
    """Kernel of the product of `terms` vectors that stand one behind the other in x, a row (terms * size,)."""

    @inlined
    def apply(lanes, w, x, y, k):
        a = load(lanes, x, k)
        for j in range(1, terms):
            a = multiplied(a, load(lanes, x, j * size + k))
        store(y, k, a)

    return chunkwise(size, x_stride, y_stride, apply)


def slice_f32(start, size, x_stride, y_stride):
    """Kernel of the `size` values from `start` on."""

    @inlined
    def apply(lanes, w, x, y, k):
        store(y, k, load(lanes, x, k))

    return chunkwise(size, x_stride, y_stride, apply, start)


def gather_f32(size, x_stride, y_stride):
    """Kernel of values by their places. Weights: the places (size,), whole numbers that the record has checked."""

    def kernel(w, x, y, s, z, n):
        """w: places; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            for k in range(size):
                y[t * y_stride + k] = x[t * x_stride + int(np.int32(w[k]))]

    return kernel
