"""One LSTM layer in float32.

Weights are packed in tiles of some units. A tile holds, for each row k of [bias, inputs, recurrent], the four gates i f g o of its
units side by side: `size` = 4 * units floats a row. A tile's pre-activations stay in registers over all k. They are summed in the
order bias, inputs, recurrent on every path below, so that any cut of a sequence into blocks gives the same bits.
Rows of i, f and o come halved, as `activations.cell` wants them.
"""

import numpy as np
from numba import njit

from .activations import advance, cell, output
from .simd.addresses import fetch
from .simd.vectors import Lanes, add, fma, lane0, lane1, lane2, lane3, load, offset, row0, row1, row2, row3, splat, store, unrelated, zero

inlined = njit(inline="always")

#: Timesteps whose input products share one pass over the input weights. Measured on Zen 4.
TOGETHER = 4

FOUR = Lanes(4)

#: Values of x from which on they too keep a base of their own. Counted on Cortex-A72 and A76.
LONG = 64

#: The two values that tell which way to take the tiles, and what tells them apart: whatever a restored state holds, it is one of them.
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)


def multiplication(paired, two_chains, ahead):
    """An inlined function (gates, w, x, count, size, z): z + w x. w: (count, size) packed rows; x: (count,).

    Parameters
    ----------
    paired : int
        Whether loads keep bases of their own (`simd.unrelated`): each reaches four rows of a tile of 16 units.
    two_chains : int
        Whether even and odd rows are summed apart: for tiles too narrow to hide a multiply-add's latency.
    ahead : int
        How many floats ahead weights are fetched; 0: never.
    """

    @inlined
    def base(pointer):
        return unrelated(pointer) if paired else pointer

    @inlined
    def four_rows(gates, w, size, v, z, odd):
        """Four rows times the lanes of v."""
        if ahead:
            fetch(gates, w, ahead)
            fetch(gates, w, ahead + size)
            fetch(gates, w, ahead + 2 * size)
            fetch(gates, w, ahead + 3 * size)
        z = fma(load(gates, w, 0), lane0(gates, v), z)
        if two_chains:
            odd = fma(load(gates, w, size), lane1(gates, v), odd)
            z = fma(load(gates, w, 2 * size), lane2(gates, v), z)
            odd = fma(load(gates, w, 3 * size), lane3(gates, v), odd)
        else:
            z = fma(load(gates, w, size), lane1(gates, v), z)
            z = fma(load(gates, w, 2 * size), lane2(gates, v), z)
            z = fma(load(gates, w, 3 * size), lane3(gates, v), z)
        return z, odd

    @inlined
    def multiply(gates, w, x, count, size, z):
        odd = zero(gates)
        eights, fours, ones = count // 8 * 8 if paired else 0, count // 4 * 4, count % 4
        if eights:
            rows = base(w)
            values = base(x) if count > LONG else x
            for k in range(0, eights, 8):
                q = offset(rows, k * size)
                z, odd = four_rows(gates, q, size, load(FOUR, values, k), z, odd)
                z, odd = four_rows(gates, base(offset(q, 4 * size)), size, load(FOUR, values, k + 4), z, odd)
        if fours > eights:
            rows = base(offset(w, eights * size))
            for k in range(eights, fours, 4):
                z, odd = four_rows(gates, offset(rows, (k - eights) * size), size, load(FOUR, x, k), z, odd)
        if ones:
            rows = base(offset(w, fours * size))
            for k in range(ones):
                z = fma(load(gates, rows, k * size), splat(gates, x[fours + k]), z)
        return add(z, odd) if two_chains else z

    return multiply


@inlined
def inputs_together(gates, w, x, x_stride, z, z_stride, count, size, steps):
    """Bias and input products of `steps` timesteps, a multiple of TOGETHER, to z: one load of a weight serves all of TOGETHER."""
    for t in range(0, steps, TOGETHER):
        x0 = offset(x, t * x_stride)
        x1 = offset(x0, x_stride)
        x2 = offset(x1, x_stride)
        x3 = offset(x2, x_stride)
        z0 = load(gates, w, 0)
        z1 = z0
        z2 = z0
        z3 = z0
        for k in range(count):
            row = load(gates, w, (k + 1) * size)
            z0 = fma(row, splat(gates, x0[k]), z0)
            z1 = fma(row, splat(gates, x1[k]), z1)
            z2 = fma(row, splat(gates, x2[k]), z2)
            z3 = fma(row, splat(gates, x3[k]), z3)
        store(z, t * z_stride, z0)
        store(z, (t + 1) * z_stride, z1)
        store(z, (t + 2) * z_stride, z2)
        store(z, (t + 3) * z_stride, z3)


def finisher(division):
    """An inlined function (lanes, i, f, g, o, c, y): new c in place and new h to y. division: as `activations.advance` takes it."""
    next_state = advance(division)
    if division:

        @inlined
        def finish(lanes, i, f, g, o, c, y):
            both = next_state(i, f, g, o, load(lanes, c, 0))
            store(c, 0, row0(both))
            store(y, 0, row1(both))

    else:

        @inlined
        def finish(lanes, i, f, g, o, c, y):
            new = cell(i, f, g, load(lanes, c, 0))
            store(c, 0, new)
            store(y, 0, output(o, new))

    return finish


def lstm_f32(inputs, hidden, padded, units, tail, small, two_chains, ahead, hoisted, turning, paired, division, x_stride, y_stride):
    """Kernel of one layer.

    Parameters
    ----------
    inputs, hidden : int
        Sizes of x and h.
    padded : int
        hidden, rounded up to what the tiles cover.
    units, tail : int
        Units of the full tiles, and of the last, narrower one (0: none).
    small : int
        Whether the layer is one tile of one register a gate.
    two_chains : int
        Whether to sum recurrent products in two chains.
    ahead : int
        As `multiplication` takes it.
    hoisted : int
        Whether blocks take their input products together.
    turning : int
        Whether every other step takes the tiles backwards, so that the weights read last, still cached, are read first.
    paired : int
        Whether the CPU loads two registers with one instruction near a base.
    division : str
        As `activations.advance` takes it.
    x_stride, y_stride : int
        Floats from one timestep to the next.
    """
    gates, first_three, lanes, size = Lanes(units, 4), Lanes(units, 3), Lanes(units), 4 * units
    tail_gates, tail_lanes, tail_size = Lanes(tail or 4, 4), Lanes(tail or 4), 4 * tail
    tiles = (padded - tail) // units
    rows = 1 + inputs + hidden
    multiply, recurrent = multiplication(paired, 0, ahead), multiplication(paired, two_chains, ahead)
    finish = finisher(division)
    h_lanes = padded if padded <= 64 else 4
    every_h = Lanes(h_lanes)

    @inlined
    def from_inputs(gates, w, size, x, z, ready):
        """Bias and input products, which z holds where they are ready."""
        return load(gates, z, 0) if ready else multiply(gates, offset(w, size), x, inputs, size, load(gates, w, 0))

    @inlined
    def tile(gates, lanes, w, size, x, h, y, c, z, ready):
        """One tile's step: new c in place, new h to y."""
        a = from_inputs(gates, w, size, x, z, ready)
        a = recurrent(gates, offset(w, (1 + inputs) * size), h, hidden, size, a)
        finish(lanes, row0(a), row1(a), row2(a), row3(a), c, y)

    @inlined
    def small_tile(gates, lanes, w, size, x, h, y, c, z, ready):
        """`tile` where the next step waits for this one's h: the new cell, which needs i, f and g, does not wait for the sums of o."""
        a = from_inputs(first_three, w, size, x, z, ready)
        o = from_inputs(lanes, offset(w, 3 * units), size, x, offset(z, 3 * units), ready)
        a = recurrent(first_three, offset(w, (1 + inputs) * size), h, hidden, size, a)
        o = recurrent(lanes, offset(w, (1 + inputs) * size + 3 * units), h, hidden, size, o)
        finish(lanes, row0(a), row1(a), row2(a), o, c, y)

    full_tile = small_tile if small else tile

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), c (padded,), turn; z: (n, 4*padded)."""
        together = n // TOGETHER * TOGETHER if hoisted else 0
        if hoisted:
            for j in range(tiles):
                inputs_together(gates, offset(w, j * rows * size), x, x_stride, offset(z, j * size), 4 * padded, inputs, size, together)
            if tail:
                last = offset(w, tiles * rows * size)
                inputs_together(tail_gates, last, x, x_stride, offset(z, tiles * size), 4 * padded, inputs, tail_size, together)
        h = s
        c = offset(s, padded)
        backwards = turning and s[2 * padded] > HALF
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            zt = offset(z, t * 4 * padded)
            ready = t < together
            for i in range(tiles):
                j = tiles - 1 - i if backwards else i
                at = offset(w, j * rows * size)
                full_tile(gates, lanes, at, size, xt, h, offset(yt, j * units), offset(c, j * units), offset(zt, j * size), ready)
            if tail:
                at = offset(w, tiles * rows * size)
                done = tiles * units
                tile(tail_gates, tail_lanes, at, tail_size, xt, h, offset(yt, done), offset(c, done), offset(zt, tiles * size), ready)
            h = yt
            backwards = turning and not backwards
        if turning:
            s[2 * padded] = ONE if backwards else ZERO
        for k in range(0, padded, h_lanes):
            store(s, k, load(every_h, h, k))

    return kernel
