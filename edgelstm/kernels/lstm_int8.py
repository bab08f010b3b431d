"""One LSTM layer with int8 weights and a float32 cell: the sibling of `lstm_f32`.

A tile holds, for its units' four gates i f g o side by side (`size` = 4 * units), as float32: bias, scale of the input sums, scale of the
recurrent sums; as int32 (with quantised activations): where the two sums begin; then the weights' bytes, inputs before recurrent.
Scales and biases of i, f and o come halved, as `activations.cell` wants them. Integer sums are exact, so that their order does not matter.
"""

import numpy as np
from numba import njit

from .activations import cell, magnitude, output
from .simd import (
    Lanes,
    fma,
    highest,
    lane0,
    lane1,
    lane2,
    lane3,
    load,
    multiplied,
    offset,
    row0,
    row1,
    row2,
    row3,
    splat,
    store,
    zero,
)
from .simd_int8 import GROUP, as_floats, dot_products, load_scaled_bytes, load_sums, load_words, quantised_store

inlined = njit(inline="always")

FOUR = Lanes(4)
H_STEPS = np.float32(127.0)
SMALLEST = np.float32(1e-30)
HALF = np.float32(0.5)  # as in `lstm_f32`
LONGEST = 64

#: Timesteps whose input products share one pass over the input weights.
TOGETHER = 4

#: Floats before the tiles, of which the first is the integers a unit of x.
HEADER = 16


def quantiser(form, count):
    """An inlined function (place, x, steps): x (count,) to activations at `place`."""
    put = quantised_store(form)
    width = min(count, LONGEST)
    full = count // width * width
    lanes, rest, rest_lanes = Lanes(width), count - full, Lanes(count - full or 1)

    @inlined
    def quantise(place, x, steps):
        for k in range(0, full, width):
            put(place, k, load(lanes, x, k), steps)
        if rest:
            put(place, full, load(rest_lanes, x, full), steps)

    return quantise


def largest(count):
    """An inlined function: the largest magnitude in x (count,)."""
    width = min(count, LONGEST)
    full = count // width * width
    lanes, rest, rest_lanes = Lanes(width), count - full, Lanes(count - full or 1)

    @inlined
    def find(x):
        most = SMALLEST
        for k in range(0, full, width):
            most = max(most, highest(magnitude(load(lanes, x, k))))
        if rest:
            most = max(most, highest(magnitude(load(rest_lanes, x, full))))
        return most

    return find


def summer(form, width):
    """Inlined functions that add products of a tile's weights and activations to sums, for one timestep and for TOGETHER.

    ``one(sums, w, byte, activations, words, size)``; ``four(s0, s1, s2, s3, w, byte, activations, stride, words, size)``, where the
    activations of the next timestep stand `stride` floats further on.
    """
    dot0, dot1, dot2, dot3 = dot_products(form, width)
    group = GROUP[form]

    @inlined
    def one(sums, w, byte, activations, words, size):
        step = group * size
        for k in range(words // 4):
            v = load_words(activations, 4 * k)
            at = byte + 4 * k * step
            sums = dot0(sums, w, at, v)
            sums = dot1(sums, w, at + step, v)
            sums = dot2(sums, w, at + 2 * step, v)
            sums = dot3(sums, w, at + 3 * step, v)
        for k in range(words // 4 * 4, words):
            sums = dot0(sums, w, byte + k * step, load_words(activations, k))
        return sums

    @inlined
    def four(s0, s1, s2, s3, w, byte, activations, stride, words, size):
        a1 = offset(activations, stride)
        a2 = offset(a1, stride)
        a3 = offset(a2, stride)
        for k in range(words):
            at = byte + k * group * size
            s0 = dot0(s0, w, at, load_words(activations, k))
            s1 = dot0(s1, w, at, load_words(a1, k))
            s2 = dot0(s2, w, at, load_words(a2, k))
            s3 = dot0(s3, w, at, load_words(a3, k))
        return s0, s1, s2, s3

    return one, four


@inlined
def epilogue(lanes, a, c, y):
    """New c in place and h to y, from the four gates' pre-activations."""
    new = cell(row0(a), row1(a), row2(a), load(lanes, c, 0))
    store(c, 0, new)
    store(y, 0, output(row3(a), new))


def lstm_int8_dynamic(
    inputs, hidden, padded, units, tail, input_words, hidden_words, form, width, calibrated, hoisted, row, x_stride, y_stride
):
    """Kernel of a layer with quantised activations.

    Parameters
    ----------
    inputs, hidden, padded, units, tail, hoisted, x_stride, y_stride : int
        As for `lstm_f32`.
    input_words, hidden_words : int
        Words of quantised x and h.
    form, width : str, int
        Of the dot products, and lanes of a register.
    calibrated : int
        Whether the weights begin with the integers a unit of x; else the largest magnitude of each step becomes 127.
    row : int
        Floats of scratch for a timestep: pre-activations (4*padded,), quantised x, quantised h.
    """
    tiles = (padded - tail) // units
    group = GROUP[form]
    quantise_x, quantise_h = quantiser(form, inputs), quantiser(form, padded)
    largest_x = largest(inputs)
    add_products, add_products_together = summer(form, width)
    gates, lanes, tail_gates, tail_lanes = Lanes(units, 4), Lanes(units), Lanes(tail or 4, 4), Lanes(tail or 4)
    size, tail_size = 4 * units, 4 * tail
    tile_floats = 5 * size + (input_words + hidden_words) * group * size // 4
    xq_at = 4 * padded
    hq_at = xq_at + (input_words + 3) // 4 * 4 + 4

    @inlined
    def from_inputs(gates, w, size, sums, xt):
        """Bias and input products. xt: the timestep's x, for its scale where that is not calibrated."""
        a = as_floats(sums)
        if not calibrated:
            a = multiplied(a, splat(gates, largest_x(xt) / H_STEPS))
        return fma(a, load(gates, w, size), load(gates, w, 0))

    @inlined
    def inputs_together(gates, w, size, x, z, at, steps):
        """`from_inputs` of `steps` timesteps, a multiple of TOGETHER, to float `at` of their rows: a weight is loaded once for TOGETHER."""
        for t in range(0, steps, TOGETHER):
            start = load_sums(gates, w, 3 * size)
            xq = offset(z, t * row + xq_at)
            s0, s1, s2, s3 = add_products_together(start, start, start, start, w, 20 * size, xq, row, input_words, size)
            store(z, t * row + at, from_inputs(gates, w, size, s0, offset(x, t * x_stride)))
            store(z, (t + 1) * row + at, from_inputs(gates, w, size, s1, offset(x, (t + 1) * x_stride)))
            store(z, (t + 2) * row + at, from_inputs(gates, w, size, s2, offset(x, (t + 2) * x_stride)))
            store(z, (t + 3) * row + at, from_inputs(gates, w, size, s3, offset(x, (t + 3) * x_stride)))

    @inlined
    def tile(gates, lanes, w, size, xt, zt, hq, c, y, at, ready):
        if ready:
            a = load(gates, zt, at)
        else:
            sums = add_products(load_sums(gates, w, 3 * size), w, 20 * size, offset(zt, xq_at), input_words, size)
            a = from_inputs(gates, w, size, sums, xt)
        sums = add_products(load_sums(gates, w, 4 * size), w, 20 * size + input_words * group * size, hq, hidden_words, size)
        a = fma(as_floats(sums), load(gates, w, 2 * size), a)
        epilogue(lanes, a, c, y)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), c (padded,), turn; z: (n, row)."""
        together = n // TOGETHER * TOGETHER if hoisted else 0
        tiles_at = offset(w, HEADER)
        last = offset(tiles_at, tiles * tile_floats)
        done = tiles * units
        for t in range(n):
            xt = offset(x, t * x_stride)
            quantise_x(offset(z, t * row + xq_at), xt, w[0] if calibrated else H_STEPS / largest_x(xt))
        if hoisted:
            for j in range(tiles):
                inputs_together(gates, offset(tiles_at, j * tile_floats), size, x, z, j * size, together)
            if tail:
                inputs_together(tail_gates, last, tail_size, x, z, tiles * size, together)
        h = s
        c = offset(s, padded)
        turn = 1 if s[2 * padded] > HALF else 0
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            zt = offset(z, t * row)
            hq = offset(zt, hq_at)
            quantise_h(hq, h, H_STEPS)
            ready = t < together
            for i in range(tiles):
                j = tiles - 1 - i if tiles > 1 and turn & 1 else i
                at = offset(tiles_at, j * tile_floats)
                tile(gates, lanes, at, size, xt, zt, hq, offset(c, j * units), offset(yt, j * units), j * size, ready)
            if tail:
                tile(tail_gates, tail_lanes, last, tail_size, xt, zt, hq, offset(c, done), offset(yt, done), tiles * size, ready)
            h = yt
            turn += 1
        s[2 * padded] = turn & 1
        for k in range(0, padded, 4):
            store(s, k, load(FOUR, h, k))

    return kernel


@inlined
def multiply_bytes(gates, w, byte, x, count, size):
    """Product w x with int8 weights and float32 x. w: (count, size) bytes from `byte`; x: (count,)."""
    a = zero(gates)
    for k in range(count // 4):
        v = load(FOUR, x, 4 * k)
        at = byte + 4 * k * size
        a = fma(load_scaled_bytes(gates, w, at), lane0(gates, v), a)
        a = fma(load_scaled_bytes(gates, w, at + size), lane1(gates, v), a)
        a = fma(load_scaled_bytes(gates, w, at + 2 * size), lane2(gates, v), a)
        a = fma(load_scaled_bytes(gates, w, at + 3 * size), lane3(gates, v), a)
    for k in range(count // 4 * 4, count):
        a = fma(load_scaled_bytes(gates, w, byte + k * size), splat(gates, x[k]), a)
    return a


def lstm_int8_weight(inputs, hidden, padded, units, tail, x_stride, y_stride):
    """Kernel of a layer with int8 weights and float32 activations. Parameters as for `lstm_f32`."""
    tiles = (padded - tail) // units
    gates, lanes, tail_gates, tail_lanes = Lanes(units, 4), Lanes(units), Lanes(tail or 4, 4), Lanes(tail or 4)
    size, tail_size = 4 * units, 4 * tail
    tile_floats = 3 * size + (inputs + hidden) * size // 4

    @inlined
    def tile(gates, lanes, w, size, x, h, c, y):
        a = fma(multiply_bytes(gates, w, 12 * size, x, inputs, size), load(gates, w, size), load(gates, w, 0))
        a = fma(multiply_bytes(gates, w, (12 + inputs) * size, h, hidden, size), load(gates, w, 2 * size), a)
        epilogue(lanes, a, c, y)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), c (padded,), turn; z: unused."""
        h = s
        c = offset(s, padded)
        turn = 1 if s[2 * padded] > HALF else 0
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for i in range(tiles):
                j = tiles - 1 - i if tiles > 1 and turn & 1 else i
                tile(gates, lanes, offset(w, j * tile_floats), size, xt, h, offset(c, j * units), offset(yt, j * units))
            if tail:
                done = tiles * units
                tile(tail_gates, tail_lanes, offset(w, tiles * tile_floats), tail_size, xt, h, offset(c, done), offset(yt, done))
            h = yt
            turn += 1
        s[2 * padded] = turn & 1
        for k in range(0, padded, 4):
            store(s, k, load(FOUR, h, k))

    return kernel
