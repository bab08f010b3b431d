"""Self-attention in float32, a few keys at a time, so that no more scores than these are kept (Milakov and Gimelshein 2018)."""

import numpy as np
from numba import njit

from . import activations
from .attention_f32 import exp
from .elementwise_f32 import chunks
from .simd.vectors import Lanes, add, fma, highest, load, multiplied, offset, splat, store, subtracted, total

ONE, ZERO = np.float32(1.0), np.float32(0.0)

#: Lower than any score.
NONE = np.float32(-1e30)

inlined = njit(inline="always")


def _scoring(size, additive):
    """Functions (w, q, z) of what is made of a query once, and (w, z, k) -> the score of what was made and a key."""
    lanes, width, full, rest_lanes, rest = chunks(size)
    tanh = activations.applied("tanh")

    @inlined
    def prepared(lanes, w, q, z, k):
        store(z, k, load(lanes, q, k) if additive else multiplied(load(lanes, w, k), load(lanes, q, k)))

    @inlined
    def prepare(w, q, z):
        for k in range(0, full, width):
            prepared(lanes, w, q, z, k)
        if rest:
            prepared(rest_lanes, w, q, z, full)

    @inlined
    def part(lanes, w, z, key, k):
        if additive:
            return multiplied(load(lanes, w, k), tanh(add(load(lanes, z, k), load(lanes, key, k))))
        return multiplied(load(lanes, z, k), load(lanes, key, k))

    @inlined
    def score(w, z, key):
        a = part(lanes, w, z, key, 0)
        for k in range(width, full, width):
            a = add(a, part(lanes, w, z, key, k))
        value = total(a)
        if rest:
            value += total(part(rest_lanes, w, z, key, full))
        return value

    return prepare, score


def _adding(values):
    """Functions (y, factor) of y times a factor, and (y, share, v) of a share of v added to y."""
    lanes, width, full, rest_lanes, rest = chunks(values)

    @inlined
    def scale(y, factor):
        for k in range(0, full, width):
            store(y, k, multiplied(load(lanes, y, k), splat(lanes, factor)))
        if rest:
            store(y, full, multiplied(load(rest_lanes, y, full), splat(rest_lanes, factor)))

    @inlined
    def share_in(y, share, v):
        for k in range(0, full, width):
            store(y, k, fma(splat(lanes, share), load(lanes, v, k), load(lanes, y, k)))
        if rest:
            store(y, full, fma(splat(rest_lanes, share), load(rest_lanes, v, full), load(rest_lanes, y, full)))

    return scale, share_in


def self_attention_f32(heads, size, values, keys, additive, causal, padding, x_stride, y_stride):
    """Kernel of rows that each look at all rows. Weights: (size,), factors of the score's parts.

    Parameters
    ----------
    heads, size, values : int
        Heads, and of each the values of a query or key, and of what is weighted.
    keys : int
        Whose scores are made together.
    additive, causal, padding : int
        As `layers.self_attention.SelfAttention` has them.
    """
    prepare, score = _scoring(size, additive)
    scale, share_in = _adding(values)
    some, mask, width = Lanes(keys), heads * (2 * size + values), heads * values

    @inlined
    def look(w, x, q, y, z, first, count, at_key, at_value, top, summed):
        """Keys `first` and the `count` - 1 behind it taken in: -> the largest score, and the sum of exp(score - largest)."""
        for j in range(keys):
            z[j] = NONE
        for j in range(count):
            row = offset(x, (first + j) * x_stride)
            if not padding or row[mask] != ZERO:
                z[j] = score(w, q, offset(row, at_key))
        now = max(top, highest(load(some, z, 0)))
        store(z, 0, activations.exp(subtracted(load(some, z, 0), splat(some, now))))
        fading = exp(top - now)
        summed *= fading
        scale(y, fading)
        for j in range(count):
            row = offset(x, (first + j) * x_stride)
            if not padding or row[mask] != ZERO:
                summed += z[j]
                share_in(y, z[j], offset(row, at_value))
        return now, summed

    def kernel(w, x, y, s, z, n):
        """w: factors; x: (n, x_stride), a row its queries, keys, values and mask; y: (n, y_stride); z: (keys + size,); s: unused."""
        query = offset(z, keys)
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for k in range(width):
                yt[k] = ZERO
            seen = t + 1 if causal else n
            if padding and xt[mask] == ZERO:
                seen = 0
            for h in range(heads if seen else 0):
                prepare(w, offset(xt, h * size), query)
                yh = offset(yt, h * values)
                top, summed = NONE, ZERO
                at_key, at_value = (heads + h) * size, 2 * heads * size + h * values
                for first in range(0, seen, keys):
                    count = min(keys, seen - first)
                    top, summed = look(w, x, query, yh, z, first, count, at_key, at_value, top, summed)
                scale(yh, ONE / summed)

    return kernel
