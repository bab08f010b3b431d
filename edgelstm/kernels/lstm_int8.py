"""One LSTM layer with int8 weights and a float32 cell: the sibling of `lstm_f32`.

A tile holds, for its units' four gates i f g o side by side (`size` = 4 * units): what sums begin at, as int32; scale of the sums, as
float32; then the weights' bytes, inputs before recurrent. Before the tiles stand integers a unit of x and of h, and what multiplies the
sums of an uncalibrated x's products, times x's step. Input products are 2**shift times as large as recurrent ones of the same
integers.
Scales of i, f and o come halved, as `activations.cell` wants them. Integer sums are exact, so that their order does not matter.
"""

import numpy as np
from numba import njit

from .lstm_f32 import HALF, ONE, TOGETHER, ZERO, finisher
from .packing import GROUP, HEADER, OFFSET
from .products_int8 import in_registers, largest, quantiser, summer
from .simd.sums import added, as_floats, load_sums, no_sums, shifted, store_sums
from .simd.vectors import Lanes, add, load, multiplied, offset, row0, row1, row2, row3, splat, store, unrelated

inlined = njit(inline="always")

H_STEPS = np.float32(127.0)


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
        Floats of scratch for a timestep: input products (4*padded,), quantised x, what its sums are multiplied by, quantised h.
    """
    tiles = (padded - tail) // units
    group = GROUP[form]
    # Products that take longest are summed apart, but for large layers of CPUs with 16 registers, which then would wait for spilled sums.
    # Measured on Zen 5.
    apart = form == "vnni" and (width > 8 or not turning)
    early = apart and turning  # weights that no first-level cache holds
    quantise_x = quantiser(form, inputs)
    largest_x = largest(inputs)
    add_x, add_x_together = summer(form, width, input_words, apart, early)
    if apart and padded == units <= 2 * width:  # words of more units would take registers from their sums
        quantise_h, add_h = in_registers(form, width, padded)
    else:
        quantise_h, add_h = quantiser(form, padded), summer(form, width, hidden_words, apart, early)[0]
    finish = finisher(division)
    gates, lanes, tail_gates, tail_lanes = Lanes(units, 4), Lanes(units), Lanes(tail or 4, 4), Lanes(tail or 4)
    size, tail_size = 4 * units, 4 * tail
    offset_activations = OFFSET[form] != 0
    weights_at = 3 if offset_activations and not calibrated else 2  # in rows of `size`
    tile_floats = weights_at * size + (input_words + hidden_words) * group * size // 4
    xq_at = 4 * padded
    hq_at = xq_at + (input_words + 3) // 4 * 4 + 4
    factor_at = hq_at - 1

    @inlined
    def prepare_x(w, x, zt):
        """Quantise a timestep's x. Its row keeps what the sums of its products are multiplied by, unless that is the same for all."""
        most = H_STEPS if calibrated else largest_x(x)
        quantise_x(offset(zt, xq_at), x, w[0] if calibrated else H_STEPS / most)
        if not calibrated:
            zt[factor_at] = most / H_STEPS * w[2]

    @inlined
    def before_x(gates, w, size):
        """Where sums of input products begin."""
        if calibrated:
            return no_sums(gates) if offset_activations else load_sums(gates, w, 0)
        return load_sums(gates, w, 2 * size) if offset_activations else no_sums(gates)

    @inlined
    def in_integers(gates, sums, zt):
        """Input products, as recurrent ones are added to them."""
        return shifted(sums, shift)

    @inlined
    def in_floats(gates, sums, zt):
        """The same where x is not calibrated."""
        return multiplied(as_floats(sums), splat(gates, zt[factor_at]))

    @inlined
    def all_in_integers(gates, products, w, byte, of_h, size):
        """Input and recurrent products."""
        if offset_activations:  # in a single step h need not wait for x
            return as_floats(added(add_h(load_sums(gates, w, 0), w, byte, of_h, size), products))
        return as_floats(add_h(products, w, byte, of_h, size))

    @inlined
    def all_in_floats(gates, products, w, byte, of_h, size):
        """The same where x is not calibrated."""
        return add(as_floats(add_h(load_sums(gates, w, 0), w, byte, of_h, size)), products)

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
            begin = before_x(gates, w, size)
            s0, s1, s2, s3 = add_x_together(begin, begin, begin, begin, w, 4 * weights_at * size, offset(z0, xq_at), row, size)
            keep(z0, at, of_x(gates, s0, z0))
            keep(z1, at, of_x(gates, s1, z1))
            keep(z2, at, of_x(gates, s2, z2))
            keep(z3, at, of_x(gates, s3, z3))

    @inlined
    def from_x(gates, w, size, zt, at, ready):
        """Input products of one tile, which float `at` of the row holds where they are ready."""
        if ready:
            return kept(gates, zt, at)
        return of_x(gates, add_x(before_x(gates, w, size), w, 4 * weights_at * size, offset(zt, xq_at), size), zt)

    @inlined
    def tile(gates, lanes, w, size, unit, zt, of_h, h, c, y, ready):
        """One step of the tile that begins at `unit`: new h and c in place, h to y too."""
        from_h_at = (4 * weights_at + input_words * group) * size
        a = with_h(gates, from_x(gates, w, size, zt, 4 * unit, ready), w, from_h_at, of_h, size)
        a = multiplied(a, load(gates, w, size))
        finish(lanes, row0(a), row1(a), row2(a), row3(a), offset(c, unit), offset(y, unit))
        store(h, unit, load(lanes, y, unit))

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), c (padded,), turn; z: (n, row)."""
        together = n // TOGETHER * TOGETHER if hoisted else 0
        tiles_at = offset(w, HEADER)
        last_at = tiles * tile_floats
        done = tiles * units
        for t in range(n):
            prepare_x(w, offset(x, t * x_stride), offset(z, t * row))
        if hoisted:
            for j in range(tiles):
                inputs_together(gates, offset(tiles_at, j * tile_floats), size, z, j * size, together)
            if tail:
                inputs_together(tail_gates, offset(tiles_at, last_at), tail_size, z, tiles * size, together)
        h = s
        c = offset(s, padded)
        backwards = turning and s[2 * padded] > HALF
        for t in range(n):
            yt = offset(y, t * y_stride)
            zt = offset(z, t * row)
            of_h = quantise_h(offset(zt, hq_at), h, w[1])
            ready = t < together
            now = unrelated(tiles_at)
            for i in range(tiles):
                j = tiles - 1 - i if backwards else i
                tile(gates, lanes, offset(now, j * tile_floats), size, j * units, zt, of_h, h, c, yt, ready)
            if tail:
                tile(tail_gates, tail_lanes, offset(now, last_at), tail_size, done, zt, of_h, h, c, yt, ready)
            backwards = turning and not backwards
        if turning:
            s[2 * padded] = ONE if backwards else ZERO

    return kernel
