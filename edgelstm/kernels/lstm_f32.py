"""One LSTM layer in float32.

Weights are packed in tiles of some units. A tile holds, for each row k of [bias, inputs, recurrent], the four gates i f g o of its
units side by side: `size` = 4 * units floats a row. A tile's pre-activations stay in registers over all k. They are summed in the
order bias, inputs, recurrent on every path below, so that any cut of a sequence into blocks gives the same bits.
Rows of i, f and o come halved, as `activations.cell` wants them.
"""

import numpy as np
from numba import njit

from .activations import cell, output
from .simd import Lanes, add, fma, lane0, lane1, lane2, lane3, load, offset, row0, row1, row2, row3, splat, store, zero

inlined = njit(inline="always")

#: Timesteps whose input products share one pass over the input weights.
TOGETHER = 4

FOUR = Lanes(4)

#: What tells the two values of `turn` apart; whatever a restored state holds, it is one of them.
HALF = np.float32(0.5)


@inlined
def multiply(gates, w, x, count, size, z):
    """Z + w x. w: (count, size) packed rows; x: (count,)."""
    for k in range(count // 4):
        q = offset(w, 4 * k * size)
        v = load(FOUR, x, 4 * k)
        z = fma(load(gates, q, 0), lane0(gates, v), z)
        z = fma(load(gates, q, size), lane1(gates, v), z)
        z = fma(load(gates, q, 2 * size), lane2(gates, v), z)
        z = fma(load(gates, q, 3 * size), lane3(gates, v), z)
    for k in range(count // 4 * 4, count):
        z = fma(load(gates, w, k * size), splat(gates, x[k]), z)
    return z


@inlined
def multiply_in_two_chains(gates, w, x, count, size, z):
    """As `multiply`, even and odd rows summed apart: for tiles too narrow to hide a multiply-add's latency."""
    odd = zero(gates)
    for k in range(count // 4):
        q = offset(w, 4 * k * size)
        v = load(FOUR, x, 4 * k)
        z = fma(load(gates, q, 0), lane0(gates, v), z)
        odd = fma(load(gates, q, size), lane1(gates, v), odd)
        z = fma(load(gates, q, 2 * size), lane2(gates, v), z)
        odd = fma(load(gates, q, 3 * size), lane3(gates, v), odd)
    for k in range(count // 4 * 4, count):
        z = fma(load(gates, w, k * size), splat(gates, x[k]), z)
    return add(z, odd)


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


def lstm_f32(inputs, hidden, padded, units, tail, small, two_chains, hoisted, x_stride, y_stride):
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
    hoisted : int
        Whether blocks take their input products together.
    x_stride, y_stride : int
        Floats from one timestep to the next.
    """
    gates, first_three, lanes, size = Lanes(units, 4), Lanes(units, 3), Lanes(units), 4 * units
    tail_gates, tail_lanes, tail_size = Lanes(tail or 4, 4), Lanes(tail or 4), 4 * tail
    tiles = (padded - tail) // units
    rows = 1 + inputs + hidden
    recurrent = multiply_in_two_chains if two_chains else multiply
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
        new = cell(row0(a), row1(a), row2(a), load(lanes, c, 0))
        store(c, 0, new)
        store(y, 0, output(row3(a), new))

    @inlined
    def small_tile(gates, lanes, w, size, x, h, y, c, z, ready):
        """`tile` where the next step waits for this one's h: the new cell, which needs i, f and g, does not wait for the sums of o."""
        a = from_inputs(first_three, w, size, x, z, ready)
        o = from_inputs(lanes, offset(w, 3 * units), size, x, offset(z, 3 * units), ready)
        a = recurrent(first_three, offset(w, (1 + inputs) * size), h, hidden, size, a)
        o = recurrent(lanes, offset(w, (1 + inputs) * size + 3 * units), h, hidden, size, o)
        new = cell(row0(a), row1(a), row2(a), load(lanes, c, 0))
        store(c, 0, new)
        store(y, 0, output(o, new))

    full_tile = small_tile if small else tile

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), c (padded,), turn; z: (n, 4*padded).

        Every other step takes the tiles backwards (`turn`), so that the weights read last, still cached, are read first.
        """
        together = n // TOGETHER * TOGETHER if hoisted else 0
        if hoisted:
            for j in range(tiles):
                inputs_together(gates, offset(w, j * rows * size), x, x_stride, offset(z, j * size), 4 * padded, inputs, size, together)
            if tail:
                last = offset(w, tiles * rows * size)
                inputs_together(tail_gates, last, x, x_stride, offset(z, tiles * size), 4 * padded, inputs, tail_size, together)
        h = s
        c = offset(s, padded)
        turn = 1 if s[2 * padded] > HALF else 0
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            zt = offset(z, t * 4 * padded)
            ready = t < together
            for i in range(tiles):
                j = tiles - 1 - i if tiles > 1 and turn & 1 else i
                at = offset(w, j * rows * size)
                full_tile(gates, lanes, at, size, xt, h, offset(yt, j * units), offset(c, j * units), offset(zt, j * size), ready)
            if tail:
                at = offset(w, tiles * rows * size)
                done = tiles * units
                tile(tail_gates, tail_lanes, at, tail_size, xt, h, offset(yt, done), offset(c, done), offset(zt, tiles * size), ready)
            h = yt
            turn += 1
        s[2 * padded] = turn & 1
        for k in range(0, padded, h_lanes):
            store(s, k, load(every_h, h, k))

    return kernel
