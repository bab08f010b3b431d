"""One LSTM layer with int8 weights and a float32 cell: the sibling of `lstm_f32`.

A tile holds, for its units' four gates i f g o side by side (`size` = 4 * units), as float32: bias, scale of the sums; then the weights'
bytes, inputs before recurrent. Input products are 2**shift times as large as recurrent ones of the same integers.
Scales and biases of i, f and o come halved, as `activations.cell` wants them. Integer sums are exact, so that their order does not matter.
"""

import numpy as np
from numba import njit

from .activations import advance, cell, output
from .products_int8 import STRAIGHT, largest, quantiser, summer
from .simd import Lanes, add, fma, load, multiplied, offset, row0, row1, row2, row3, splat, store
from .simd_int8 import GROUP, OFFSET_WEIGHTS
from .sums_int8 import added, as_floats, load_sums, moved, no_sums, shifted, store_sums

inlined = njit(inline="always")

FOUR = Lanes(4)
H_STEPS = np.float32(127.0)
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)  # as in `lstm_f32`

#: Timesteps whose input products share one pass over the input weights.
TOGETHER = 4

#: Floats before the tiles. The first three: integers a unit of x and of h; what multiplies the sums of an uncalibrated x's
#: products, times x's step.
HEADER = 16


def finisher(division):
    """An inlined function (lanes, a, c, y): new c in place and h to y, from pre-activations. `division`: as for `activations.advance`."""
    next_state = advance(division)
    if division:

        @inlined
        def finish(lanes, a, c, y):
            both = next_state(row0(a), row1(a), row2(a), row3(a), load(lanes, c, 0))
            store(c, 0, row0(both))
            store(y, 0, row1(both))

    else:

        @inlined
        def finish(lanes, a, c, y):
            new = cell(row0(a), row1(a), row2(a), load(lanes, c, 0))
            store(c, 0, new)
            store(y, 0, output(row3(a), new))

    return finish


def lstm_int8_dynamic(
    inputs,
    hidden,
    padded,
    units,
    tail,
    input_words,
    hidden_words,
    form,
    width,
    shift,
    calibrated,
    hoisted,
    turning,
    division,
    row,
    x_stride,
    y_stride,
):
    """Kernel of a layer with quantised activations.

    Parameters
    ----------
    inputs, hidden, padded, units, tail, hoisted, turning, division, x_stride, y_stride : int, str
        As for `lstm_f32`.
    input_words, hidden_words : int
        Words of quantised x and h.
    form, width : str, int
        Of the dot products, and lanes of a register.
    shift : int
        With a calibrated x: recurrent products are added to input products times 2**shift, in integers.
    calibrated : int
        Whether the weights begin with the integers a unit of x; else the largest magnitude of each step becomes 127.
    row : int
        Floats of scratch for a timestep: input products (4*padded,), quantised x, where its sums begin, quantised h.
    """
    tiles = (padded - tail) // units
    group = GROUP[form]
    quantise_x, quantise_h = quantiser(form, inputs), quantiser(form, padded)
    largest_x = largest(inputs)
    add_x, add_x_together = summer(form, width, input_words)
    add_h = summer(form, width, hidden_words)[0]
    finish = finisher(division)
    gates, lanes, tail_gates, tail_lanes = Lanes(units, 4), Lanes(units), Lanes(tail or 4, 4), Lanes(tail or 4)
    size, tail_size = 4 * units, 4 * tail
    tile_floats = 2 * size + (input_words + hidden_words) * group * size // 4
    xq_at = 4 * padded
    hq_at = xq_at + (input_words + 3) // 4 * 4 + 4
    start_at, factor_at = hq_at - 1, hq_at - 2
    offset_weights = form in OFFSET_WEIGHTS

    @inlined
    def prepare_x(w, x, zt):
        """Quantise a timestep's x. Its row keeps where the sums of its products begin, and what they are multiplied by."""
        most = H_STEPS if calibrated else largest_x(x)
        start = quantise_x(offset(zt, xq_at), x, w[0] if calibrated else H_STEPS / most)
        if offset_weights:
            zt[start_at] = np.float32(start)  # a multiple of 128 times less than 2**24: exact
        if not calibrated:
            zt[factor_at] = most / H_STEPS * w[2]

    @inlined
    def start_of(zt):
        return np.int32(zt[start_at]) if offset_weights else np.int32(0)

    @inlined
    def in_integers(gates, sums, zt):
        """Input products, as recurrent ones are added to them."""
        return shifted(sums, shift)

    @inlined
    def in_floats(gates, sums, zt):
        """The same where x is not calibrated."""
        return multiplied(as_floats(moved(sums, start_of(zt))), splat(gates, zt[factor_at]))

    @inlined
    def all_in_integers(gates, products, w, byte, zt, start, size):
        """Input and recurrent products."""
        if form in STRAIGHT:  # of x86: registers enough, and in a single step h need not wait for x
            sums = added(add_h(no_sums(gates), w, byte, offset(zt, hq_at), size), products)
        else:
            sums = add_h(products, w, byte, offset(zt, hq_at), size)
        return as_floats(moved(sums, start))

    @inlined
    def all_in_floats(gates, products, w, byte, zt, start, size):
        """The same where x is not calibrated."""
        sums = add_h(no_sums(gates), w, byte, offset(zt, hq_at), size)
        return add(as_floats(moved(sums, start)), products)

    if calibrated:
        of_x, with_h, keep, kept = in_integers, all_in_integers, store_sums, load_sums
    else:
        of_x, with_h, keep, kept = in_floats, all_in_floats, store, load

    @inlined
    def inputs_together(gates, w, size, z, at, steps):
        """Input products of `steps` timesteps, a multiple of TOGETHER, to float `at` of their rows; a weight is loaded once for these."""
        for t in range(0, steps, TOGETHER):
            z0 = offset(z, t * row)
            z1 = offset(z0, row)
            z2 = offset(z1, row)
            z3 = offset(z2, row)
            none = no_sums(gates)
            s0, s1, s2, s3 = add_x_together(none, none, none, none, w, 8 * size, offset(z0, xq_at), row, size)
            keep(z0, at, of_x(gates, s0, z0))
            keep(z1, at, of_x(gates, s1, z1))
            keep(z2, at, of_x(gates, s2, z2))
            keep(z3, at, of_x(gates, s3, z3))

    @inlined
    def tile(gates, lanes, w, size, zt, start, c, y, at, ready):
        """One tile's step. start: what is missing in the integer sums."""
        products = kept(gates, zt, at) if ready else of_x(gates, add_x(no_sums(gates), w, 8 * size, offset(zt, xq_at), size), zt)
        a = with_h(gates, products, w, 8 * size + input_words * group * size, zt, start, size)
        finish(lanes, fma(a, load(gates, w, size), load(gates, w, 0)), c, y)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), c (padded,), turn; z: (n, row)."""
        together = n // TOGETHER * TOGETHER if hoisted else 0
        tiles_at = offset(w, HEADER)
        last = offset(tiles_at, tiles * tile_floats)
        done = tiles * units
        for t in range(n):
            prepare_x(w, offset(x, t * x_stride), offset(z, t * row))
        if hoisted:
            for j in range(tiles):
                inputs_together(gates, offset(tiles_at, j * tile_floats), size, z, j * size, together)
            if tail:
                inputs_together(tail_gates, last, tail_size, z, tiles * size, together)
        h = s
        c = offset(s, padded)
        backwards = turning and s[2 * padded] > HALF
        for t in range(n):
            yt = offset(y, t * y_stride)
            zt = offset(z, t * row)
            start = np.int32(quantise_h(offset(zt, hq_at), h, w[1]) + (start_of(zt) << shift if calibrated else 0))
            ready = t < together
            for i in range(tiles):
                j = tiles - 1 - i if backwards else i
                at = offset(tiles_at, j * tile_floats)
                tile(gates, lanes, at, size, zt, start, offset(c, j * units), offset(yt, j * units), j * size, ready)
            if tail:
                tile(tail_gates, tail_lanes, last, tail_size, zt, start, offset(c, done), offset(yt, done), tiles * size, ready)
            h = yt
            backwards = turning and not backwards
        if turning:
            s[2 * padded] = ONE if backwards else ZERO
        for k in range(0, padded, 4):
            store(s, k, load(FOUR, h, k))

    return kernel
