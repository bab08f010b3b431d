"""One LSTM layer in float32.

Weights are packed in tiles of some units. A tile holds, for each row k of [bias, inputs, recurrent], the four gates i f g o of its
units side by side: `size` = 4 * units floats a row. A tile's pre-activations stay in registers over all k. They are summed in the
order bias, inputs, recurrent on every path below, so that any cut of a sequence into blocks gives the same bits.
Rows of i, f and o come halved, as `cells.cell` wants them.

`CellOptions` change what a tile's sums become. Where gates are coupled, three of them have rows. Where a norm needs the sums of all tiles,
tiles leave them in scratch, and the bias is not among them; where there is a projection, h waits there for it. What options have in
numbers stands behind the tiles: what `lstm_ends.ending` takes.

Rows of inputs and recurrent weights may be in half precision: half as many floats. All else is float32.
"""

from numba import njit

from .cell_options import PLAIN
from .cells import HALF, ONE, ZERO
from .lstm_ends import ending
from .range_rounding import range_rounder
from .simd.vectors import Lanes, load, offset, row2, row3, store, zero
from .tiles_f32 import TOGETHER, multiplication, products_of
from .tiles_f32 import together as together_of

inlined = njit(inline="always")


def lstm_f32(
    inputs, hidden, padded, units, tail, small, two_chains, ahead, hoisted, turning, paired, division, x_stride, y_stride,
    options=PLAIN, halves=0, table=0
):  # fmt: skip
    """Kernel of one layer.

    Parameters
    ----------
    inputs, hidden : int
        Sizes of x and of h as the layer gives it.
    padded : int
        Units of the cell, rounded up to what the tiles cover.
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
    options : CellOptions, optional
    halves : int
        Whether weights are in half precision.
    table : int
        As `products_of` takes it. x is then an index, and tiles have no rows of inputs.
    """
    count, work = options.count, options.work(padded)
    gates, before_o, lanes, size = Lanes(units, count), Lanes(units, count - 1), Lanes(units), count * units
    tail_gates, tail_lanes, tail_size = Lanes(tail or 4, count), Lanes(tail or 4), count * tail
    tiles = (padded - tail) // units
    row, tail_row = (size // 2, tail_size // 2) if halves else (size, tail_size)
    whole, tail_whole = size + (inputs + hidden) * row, tail_size + (inputs + hidden) * tail_row
    multiply, recurrent = multiplication(paired, 0, ahead, halves), multiplication(paired, two_chains, ahead, halves)
    inputs_together, products = together_of(halves), products_of(table, count * padded)
    row_of_o = row3 if count == 4 else row2
    finish, end = ending(options, division, padded, paired)
    given = options.projection or padded
    z_row = count * padded + options.room(padded) if hoisted else 0
    z_work = count * padded if hoisted else 0
    h_lanes = given if given <= 64 else 4
    every_h = Lanes(h_lanes)

    @inlined
    def from_inputs(gates, w, size, row, x, z, ready):
        """Bias and input products, which z holds where they are ready. w: the bias; `size` floats on, the rows."""
        return load(gates, z, 0) if ready else multiply(gates, offset(w, size), x, inputs, row, load(gates, w, 0))

    @inlined
    def tile(gates, lanes, w, size, row, x, h, y, c, z, e, ready):
        """One tile's step: new c in place, new h to y."""
        a = from_inputs(gates, w, size, row, x, z, ready)
        a = recurrent(gates, offset(w, size + inputs * row), h, hidden, row, a)
        finish(lanes, a, row_of_o(a), c, y, e)

    @inlined
    def small_tile(gates, lanes, w, size, row, x, h, y, c, z, e, ready):
        """`tile` where the next step waits for this one's h: the new cell, which needs i, f and g, does not wait for the sums of o."""
        at_o = (count - 1) * units
        to_rows = size - (at_o - at_o // 2 if halves else 0)
        a = from_inputs(before_o, w, size, row, x, z, ready)
        o = from_inputs(lanes, offset(w, at_o), to_rows, row, x, offset(z, at_o), ready)
        a = recurrent(before_o, offset(w, size + inputs * row), h, hidden, row, a)
        o = recurrent(lanes, offset(w, at_o + to_rows + inputs * row), h, hidden, row, o)
        finish(lanes, a, o, c, y, e)

    @inlined
    def tile_apart(gates, lanes, w, size, row, x, h, y, c, z, e, ready):
        """Sums of x, and behind them those of h, where both are normalised apart."""
        a = from_inputs(gates, w, size, row, x, z, ready)
        finish(lanes, a, row_of_o(a), c, y, e)
        a = recurrent(gates, offset(w, size + inputs * row), h, hidden, row, zero(gates))
        finish(lanes, a, row_of_o(a), c, offset(y, count * padded), e)

    round_h, rounded = range_rounder(hidden, 0, 0), options.rounded
    z_rounded = z_work + work

    @inlined
    def multiplied_h(h, z):
        """What recurrent products read: h, or what it is rounded to in z."""
        if rounded:
            read = offset(z, z_rounded)
            round_h(h, read, 1)
        else:
            read = h
        return read

    if options.norm == "torch":
        full_tile = last_tile = tile_apart
    else:
        full_tile, last_tile = (small_tile if small else tile), tile

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (given,), c (padded,), turn; z: (n, z_row)."""
        together = n // TOGETHER * TOGETHER if hoisted else 0
        if hoisted:
            for j in range(tiles):
                inputs_together(gates, offset(w, j * whole), x, x_stride, offset(z, j * size), z_row, inputs, size, together)
            if tail:
                last = offset(w, tiles * whole)
                inputs_together(tail_gates, last, x, x_stride, offset(z, tiles * size), z_row, inputs, tail_size, together)
        h = s
        c = offset(s, given)
        e = offset(w, tiles * whole + tail_whole)
        backwards = turning and s[given + padded] > HALF
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            zt = offset(z, t * z_row)
            to = offset(zt, z_work) if work else yt
            ready = table or t < together
            read = multiplied_h(h, zt)
            zx = products(w, xt, zt)
            for i in range(tiles):
                j = tiles - 1 - i if backwards else i
                at = offset(w, j * whole)
                u = j * units
                full_tile(gates, lanes, at, size, row, xt, read, offset(to, u), offset(c, u), offset(zx, j * size), offset(e, u), ready)
            if tail:
                at = offset(w, tiles * whole)
                u = tiles * units
                zu = offset(zx, tiles * size)
                last_tile(tail_gates, tail_lanes, at, tail_size, tail_row, xt, read, offset(to, u), offset(c, u), zu, offset(e, u), ready)
            end(to, c, e, yt)
            h = yt
            backwards = turning and not backwards
        if turning:
            s[given + padded] = ONE if backwards else ZERO
        for k in range(0, given, h_lanes):
            store(s, k, load(every_h, h, k))

    return kernel
