"""Attention in float32.

Pooling: a mean that moves towards each row by the row's share of all weights so far. Over a memory, or the last rows, whose keys and
values stand in the state: scores of all rows, their softmax, and the sum of the values by it. Over the recording itself scores are taken
twice, since there may be any number of them: for the largest, and for the mean of the values, which moves towards each by its share of the
weights so far.
"""

import numpy as np
from numba import njit

from . import activations
from .elementwise_f32 import chunks
from .simd.reductions import total
from .simd.vectors import Lanes, add, fma, load, multiplied, offset, splat, store, subtracted, zero
from .sliding_f32 import rows_copier

ONE, ZERO = np.float32(1.0), np.float32(0.0)

#: No sum of weights counts as less, so that those that underflow divide by no zero.
LEAST = np.float32(1e-30)
SCALAR = Lanes(1)

#: Floats before the keys of a memory: how many rows there are, and room.
HEADER = 16

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


def scorer(size, additive):
    """An inlined function (q, k, v): q . k, or v . tanh(q + k); (size,) each."""
    lanes, width, full, rest_lanes, rest = chunks(size)
    tanh = activations.applied("tanh")

    @inlined
    def dot(lanes, q, k, v, at):
        return total(multiplied(load(lanes, q, at), load(lanes, k, at)))

    @inlined
    def sum_of_tanh(lanes, q, k, v, at):
        return total(multiplied(load(lanes, v, at), tanh(add(load(lanes, q, at), load(lanes, k, at)))))

    part = sum_of_tanh if additive else dot

    @inlined
    def score(q, k, v):
        value = ZERO
        for at in range(0, full, width):
            value += part(lanes, q, k, v, at)
        if rest:
            value += part(rest_lanes, q, k, v, full)
        return value

    return score


def attending(query, size, heads, scale, additive):
    """An inlined function (w, q, keys, values, count, y, z): what a query finds in so many rows. z: (count,)."""
    part, own = query // heads, size // heads
    lanes, width, full, rest_lanes, rest = chunks(own)
    score, factor = scorer(part, additive), np.float32(scale)

    @inlined
    def mixed(lanes, v, z, y, at, count, share):
        a = zero(lanes)
        for r in range(count):
            a = fma(load(lanes, v, r * size + at), splat(lanes, z[r]), a)
        store(y, at, multiplied(a, splat(lanes, share)))

    @inlined
    def attend(w, q, keys, values, count, y, z):
        for head in range(heads):
            of_head, k = offset(q, head * part), offset(keys, head * part)
            v, to = offset(values, head * own), offset(y, head * own)
            top = ZERO
            for r in range(count):
                z[r] = factor * score(of_head, offset(k, r * query), w)
                top = z[r] if r == 0 else max(top, z[r])
            weights = ZERO
            for r in range(count):
                z[r] = exp(z[r] - top)
                weights += z[r]
            share = ONE / weights if count > 0 else ZERO
            for at in range(0, full, width):
                mixed(lanes, v, z, to, at, count, share)
            if rest:
                mixed(rest_lanes, v, z, to, full, count, share)

    return attend


def attention_f32(query, size, rows, heads, scale, additive, x_stride, y_stride):
    """Kernel of what a query finds in a memory of at most `rows` rows. Weights: the vector of additive scores (query,), or none.

    query, size: numbers in a query and in an answer, of all heads; scale: of scores.
    """
    attend, most = attending(query, size, heads, scale, additive), np.float32(rows)
    values_at = HEADER + rows * query

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride); y: (n, y_stride); s: rows in the memory, room, keys (rows, query), values (rows, size); z: (rows,)."""
        count = int(np.int32(min(max(s[0], ZERO), most)))
        for t in range(n):
            attend(w, offset(x, t * x_stride), offset(s, HEADER), offset(s, values_at), count, offset(y, t * y_stride), z)

    return kernel


def window_attention_f32(query, size, rows, heads, scale, additive, x_stride, y_stride):
    """Kernel of what each row finds in the last `rows` rows. Weights and sizes: as `attention_f32`.

    Row number r stands at place r % rows of the state. The number comes from the caller: whatever the state holds, no other is read.
    """
    attend, copy_key, copy_value = attending(query, size, heads, scale, additive), rows_copier(query), rows_copier(size)

    def kernel(w, x, y, s, z, n, before):
        """x: (n, x_stride), a row query, key and value; y: (n, y_stride); s: keys (rows, query), values (rows, size); z: (rows,).

        before: rows read before these.
        """
        values = offset(s, rows * query)
        for t in range(n):
            xt = offset(x, t * x_stride)
            place = (before + t) % rows
            copy_key(offset(s, place * query), offset(xt, query))
            copy_value(offset(values, place * size), offset(xt, 2 * query))
            attend(w, xt, s, values, min(before + t + 1, rows), offset(y, t * y_stride), z)

    return kernel


def self_attention_f32(query, size, heads, scale, additive, causal, x_stride, y_stride):
    """Kernel of what each row finds in the rows of its recording, or in those up to it. Weights and sizes: as `attention_f32`."""
    part, own = query // heads, size // heads
    lanes, width, full, rest_lanes, rest = chunks(own)
    score, factor = scorer(part, additive), np.float32(scale)

    @inlined
    def moved(lanes, v, y, at, share):
        before = load(lanes, y, at)
        store(y, at, fma(subtracted(load(lanes, v, at), before), splat(lanes, share), before))

    def kernel(w, x, y, s, z, n):
        """x: (n, x_stride), a row query, key and value, all rows of a recording; y: (n, y_stride); s, z: unused."""
        for t in range(n):
            end = t + 1 if causal else n
            for head in range(heads):
                q, to = offset(x, t * x_stride + head * part), offset(y, t * y_stride + head * own)
                k, v = offset(x, query + head * part), offset(x, 2 * query + head * own)
                top = factor * score(q, k, w)
                for r in range(1, end):
                    top = max(top, factor * score(q, offset(k, r * x_stride), w))
                weights = ZERO
                for at in range(own):
                    to[at] = ZERO
                for r in range(end):
                    weight = exp(factor * score(q, offset(k, r * x_stride), w) - top)
                    weights += weight
                    for at in range(0, full, width):
                        moved(lanes, offset(v, r * x_stride), to, at, weight / max(weights, LEAST))
                    if rest:
                        moved(rest_lanes, offset(v, r * x_stride), to, full, weight / max(weights, LEAST))

    return kernel
