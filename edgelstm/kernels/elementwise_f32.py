"""Layers without recurrence or matrix: copies, sums, normalisation, activations, softmax and table rows, in float32.

Every kernel writes exactly its own width, never beyond: its output may be the caller's memory.
"""

import numpy as np
from numba import njit

from . import activations
from .simd.vectors import Lanes, add, highest, load, multiplied, offset, splat, store, subtracted, total

inlined = njit(inline="always")

LONGEST = 64

ONE = Lanes(1)


def chunks(size):
    """Lanes of the full chunks of a row and of the rest, with the number of values in full chunks."""
    width = min(size, LONGEST)
    full = size // width * width
    return Lanes(width), width, full, Lanes(size - full or 1), size - full


def activation_f32(function, size, x_stride, y_stride):
    """Kernel of `function` (a word of `layers.activations`) on every value."""
    apply = activations.applied(function)
    lanes, width, full, rest_lanes, rest = chunks(size)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); w, s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(0, full, width):
                store(yt, k, apply(load(lanes, xt, k)))
            if rest:
                store(yt, full, apply(load(rest_lanes, xt, full)))

    return kernel


def normalizer_f32(size, x_stride, y_stride):
    """Kernel of (x - mean) / scale. Weights: mean (size,), 1 / scale (size,)."""
    lanes, width, full, rest_lanes, rest = chunks(size)

    @inlined
    def normalize(lanes, w, x, y, k):
        store(y, k, multiplied(subtracted(load(lanes, x, k), load(lanes, w, k)), load(lanes, w, size + k)))

    def kernel(w, x, y, s, z, n):
        """w: mean and 1 / scale; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(0, full, width):
                normalize(lanes, w, xt, yt, k)
            if rest:
                normalize(rest_lanes, w, xt, yt, full)

    return kernel


def add_f32(terms, size, x_stride, y_stride):
    """Kernel of the sum of `terms` vectors that stand one behind the other in x."""
    lanes, width, full, rest_lanes, rest = chunks(size)

    @inlined
    def summed(lanes, x, y, k):
        a = load(lanes, x, k)
        for j in range(1, terms):
            a = add(a, load(lanes, x, j * size + k))
        store(y, k, a)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride), a row (terms * size,); y: (n, y_stride); w, s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(0, full, width):
                summed(lanes, xt, yt, k)
            if rest:
                summed(rest_lanes, xt, yt, full)

    return kernel


def softmax_f32(size, x_stride, y_stride):
    """Kernel of exp(x) / sum(exp(x)), shifted by the largest value first."""
    exp = activations.exp
    lanes, width, full, rest_lanes, rest = chunks(size)

    @inlined
    def exponentials(lanes, x, y, k, top):
        e = exp(subtracted(load(lanes, x, k), splat(lanes, top)))
        store(y, k, e)
        return total(e)

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); w, s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            top = highest(load(lanes, xt, 0))
            for k in range(width, full, width):
                top = max(top, highest(load(lanes, xt, k)))
            if rest:
                top = max(top, highest(load(rest_lanes, xt, full)))
            summed = exponentials(lanes, xt, yt, 0, top)
            for k in range(width, full, width):
                summed += exponentials(lanes, xt, yt, k, top)
            if rest:
                summed += exponentials(rest_lanes, xt, yt, full, top)
            for k in range(size):
                yt[k] = yt[k] / summed

    return kernel


def log_softmax_f32(size, x_stride, y_stride):
    """Kernel of x - log(sum(exp(x))), shifted by the largest value first."""
    exp, log = activations.exp, activations.log
    lanes, width, full, rest_lanes, rest = chunks(size)

    @inlined
    def exponentials(lanes, x, y, k, top):
        shifted = subtracted(load(lanes, x, k), splat(lanes, top))
        store(y, k, shifted)
        return total(exp(shifted))

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); w, s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            top = highest(load(lanes, xt, 0))
            for k in range(width, full, width):
                top = max(top, highest(load(lanes, xt, k)))
            if rest:
                top = max(top, highest(load(rest_lanes, xt, full)))
            summed = exponentials(lanes, xt, yt, 0, top)
            for k in range(width, full, width):
                summed += exponentials(lanes, xt, yt, k, top)
            if rest:
                summed += exponentials(rest_lanes, xt, yt, full, top)
            logarithm = total(log(splat(ONE, summed)))
            for k in range(size):
                yt[k] = yt[k] - logarithm

    return kernel


def embedding_f32(size, x_stride, y_stride):
    """Kernel of a table's row. Weights: the table (vocabulary, size). x holds the index; the caller has checked it."""
    lanes, width, full, rest_lanes, rest = chunks(size)

    def kernel(w, x, y, s, z, n):
        """w: table; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            row = offset(w, int(np.int32(x[t * x_stride])) * size)
            yt = offset(y, t * y_stride)
            for k in range(0, full, width):
                store(yt, k, load(lanes, row, k))
            if rest:
                store(yt, full, load(rest_lanes, row, full))

    return kernel
