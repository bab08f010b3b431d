"""One LSTM layer in float32.

Weights are packed in tiles of some units. A tile holds, for each row k of [bias, inputs, recurrent], the four gates i f g o of its
units side by side: `size` = 4 * units floats a row. A tile's pre-activations stay in registers over all k. They are summed in the
order bias, inputs, recurrent on every path below, so that any cut of a sequence into blocks gives the same bits.
Rows of i, f and o come halved, as `cells.cell` wants them.
"""

from numba import njit

from .cells import HALF, ONE, ZERO, finisher
from .simd.vectors import Lanes, load, offset, row0, row1, row2, row3, store
from .tiles_f32 import TOGETHER, inputs_together, multiplication

inlined = njit(inline="always")


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
        As `cells.advance` takes it.
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
