"""Layers without recurrence or matrix: copies, sums, normalisation, activations, softmax and table rows, in float32.

Every kernel writes exactly its own width, never beyond: its output may be the caller's memory.
"""

import numpy as np
from numba import njit

from . import activations
from .chunks import chunks, chunkwise
from .simd.reductions import highest, total
from .simd.vectors import Lanes, add, load, multiplied, offset, splat, store, subtracted

inlined = njit(inline="always")

ONE = Lanes(1)


def activation_f32(function, size, x_stride, y_stride):
    """Kernel of `function` (a word of `layers.activations`) on every value."""
    function = activations.applied(function)

    @inlined
    def apply(lanes, w, x, y, k):
        store(y, k, function(load(lanes, x, k)))

    return chunkwise(size, x_stride, y_stride, apply)


def normalizer_f32(size, x_stride, y_stride):
    """Kernel of (x - mean) / scale. Weights: mean (size,), 1 / scale (size,)."""

    @inlined
    def apply(lanes, w, x, y, k):
        store(y, k, multiplied(subtracted(load(lanes, x, k), load(lanes, w, k)), load(lanes, w, size + k)))

    return chunkwise(size, x_stride, y_stride, apply)


def add_f32(terms, size, x_stride, y_stride):
    """Kernel of the sum of `terms` vectors that stand one behind the other in x, a row (terms * size,)."""

    @inlined
    def apply(lanes, w, x, y, k):
        a = load(lanes, x, k)
        for j in range(1, terms):
            a = add(a, load(lanes, x, j * size + k))
        store(y, k, a)

    return chunkwise(size, x_stride, y_stride, apply)


def _exponentials(size, x_stride, y_stride, write, finish):
    """A kernel over rows whose exponentials are summed, shifted by the largest value first.

    Parameters
    ----------
    write : inlined function (lanes, x, y, k, top)
        Writes a chunk from k on to y and gives the sum of its exponentials, where `top` is the row's largest value.
    finish : inlined function (y, summed)
        Makes answers of a row, in place.
    """
    lanes, width, full, rest_lanes, rest = chunks(size)

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
            summed = write(lanes, xt, yt, 0, top)
            for k in range(width, full, width):
                summed += write(lanes, xt, yt, k, top)
            if rest:
                summed += write(rest_lanes, xt, yt, full, top)
            finish(yt, summed)

    return kernel


def softmax_f32(size, x_stride, y_stride):
    """Kernel of exp(x) / sum(exp(x))."""
    exp = activations.exp

    @inlined
    def write(lanes, x, y, k, top):
        e = exp(subtracted(load(lanes, x, k), splat(lanes, top)))
        store(y, k, e)
        return total(e)

    @inlined
    def finish(y, summed):
        for k in range(size):
            y[k] = y[k] / summed

    return _exponentials(size, x_stride, y_stride, write, finish)


def softmax_groups_f32(size, groups, x_stride, y_stride):
    """Kernel of exp(x) / sum(exp(x)) over each of `groups` parts of a row, (groups, size / groups)."""
    part = size // groups
    one = inlined(softmax_f32(part, part, part))

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); w, s, z: unused."""
        for t in range(n):
            one(w, offset(x, t * x_stride), offset(y, t * y_stride), s, z, groups)

    return kernel


def log_softmax_f32(size, x_stride, y_stride):
    """Kernel of x - log(sum(exp(x)))."""
    exp, log = activations.exp, activations.log

    @inlined
    def write(lanes, x, y, k, top):
        shifted = subtracted(load(lanes, x, k), splat(lanes, top))
        store(y, k, shifted)
        return total(exp(shifted))

    @inlined
    def finish(y, summed):
        logarithm = total(log(splat(ONE, summed)))
        for k in range(size):
            y[k] = y[k] - logarithm

    return _exponentials(size, x_stride, y_stride, write, finish)


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
