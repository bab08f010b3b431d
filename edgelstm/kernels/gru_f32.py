"""One GRU layer in float32.

Weights are packed in tiles of some units. A tile holds, for each row k of [bias, inputs], the three gates r z n of its units side by
side: `size` = 3 * units floats a row. Where the reset gate comes after the product, rows of recurrent weights follow in the same form,
and behind them what of the bias of n it multiplies; where it comes before, rows of r and z alone, and then those of n.
A tile's pre-activations stay in registers over all k. They are summed in the order bias, inputs, recurrent on every path below, so that
any cut of a sequence into blocks gives the same bits. Rows of sigmoid gates come halved, as `gru_cell` wants them.
Rows of inputs and recurrent weights may be in half precision: half as many floats. All else is float32.
"""

from numba import njit

from .cells import HALF, ONE, ZERO
from .gru_cell import Cell
from .simd.rows import first_rows, with_last_row
from .simd.vectors import Lanes, load, offset, row0, row1, row2, store
from .tiles_f32 import TOGETHER, multiplication, products_of
from .tiles_f32 import together as together_of

inlined = njit(inline="always")


def gru_f32(inputs, hidden, padded, units, tail, reset_after, walk, sums, cell, x_stride, y_stride, halves=0, table=0):
    """Kernel of one layer.

    Parameters
    ----------
    inputs, hidden : int
        Sizes of x and h.
    padded : int
        hidden, rounded up to what the tiles cover.
    units, tail : int
        Units of the full tiles, and of the last, narrower one (0: none).
    reset_after : int
        Whether the reset gate multiplies the product with h, or h itself.
    walk : tuple of int
        hoisted, turning: as `lstm_f32` takes them.
    sums : tuple of int
        paired, chains, ahead: as `tiles_f32.multiplication` takes them.
    cell : tuple
        What `gru_cell.Cell` takes.
    x_stride, y_stride : int
        Floats from one timestep to the next.
    halves : int
        Whether weights are in half precision.
    table : int
        As `products_of` takes it. x is then an index, and tiles have no rows of inputs.
    """
    (hoisted, turning), (paired, chains, ahead) = walk, sums
    gates, two, lanes, size = Lanes(units, 3), Lanes(units, 2), Lanes(units), 3 * units
    tail_gates, tail_two, tail_lanes, tail_size = Lanes(tail or 4, 3), Lanes(tail or 4, 2), Lanes(tail or 4), 3 * tail
    tiles = (padded - tail) // units
    row, tail_row = (size // 2, tail_size // 2) if halves else (size, tail_size)
    whole = size + (inputs + hidden) * row + (units if reset_after else 0)  # floats of one tile
    z_row = (3 if reset_after else 4) * padded
    z_stride = z_row if hoisted else 0
    multiply, recurrent = multiplication(paired, 1, ahead, halves), multiplication(paired, chains, ahead, halves)
    second = multiplication(paired, 2, ahead, halves)
    inputs_together, products = together_of(halves), products_of(table, 3 * padded)
    next_h = Cell(*cell).after()
    seen, next_h_of_seen = Cell(*cell).before()
    h_lanes = padded if padded <= 64 else 4
    every_h = Lanes(h_lanes)

    @inlined
    def from_inputs(gates, w, size, row, x, z, ready):
        """Bias and input products, which z holds where they are ready."""
        return load(gates, z, 0) if ready else multiply(gates, offset(w, size), x, inputs, row, load(gates, w, 0))

    @inlined
    def tile(gates, lanes, w, size, row, x, h, own, y, z, ready):
        """One tile's step: from h, of which `own` is the tile's part, the new one to y."""
        a = from_inputs(gates, w, size, row, x, z, ready)
        b = with_last_row(a, load(lanes, w, size + (inputs + hidden) * row))
        b = recurrent(gates, offset(w, size + inputs * row), h, hidden, row, b)
        store(y, 0, next_h(row0(b), row1(b), row2(a), row2(b), load(lanes, own, 0)))

    @inlined
    def reset_tile(gates, two, lanes, w, units, row, x, h, own, zx, z, reset, ready):
        """The first half of a step: the part of h that passes the reset gate to `reset`, and what z and n are so far to z."""
        a = from_inputs(gates, w, 3 * units, row, x, zx, ready)
        b = recurrent(two, offset(w, 3 * units + inputs * row), h, hidden, units if halves else 2 * units, first_rows(two, a))
        store(reset, 0, seen(row0(b), load(lanes, own, 0)))
        store(z, units, row1(b))
        store(z, 2 * units, row2(a))

    @inlined
    def new_tile(lanes, w, units, row, own, y, z, reset):
        """The second half: the new h to y."""
        at = 3 * units + inputs * row + hidden * (units if halves else 2 * units)
        n = second(lanes, offset(w, at), reset, hidden, units // 2 if halves else units, load(lanes, z, 2 * units))
        store(y, 0, next_h_of_seen(load(lanes, z, units), n, load(lanes, own, 0)))

    @inlined
    def after(w, x, h, y, zx, z, ready, backwards):
        """One step of all tiles, the reset gate after the product."""
        for i in range(tiles):
            j = tiles - 1 - i if backwards else i
            at = j * units
            tile(gates, lanes, offset(w, j * whole), size, row, x, h, offset(h, at), offset(y, at), offset(zx, j * size), ready)
        if tail:
            at = tiles * units
            last = offset(w, tiles * whole)
            tile(tail_gates, tail_lanes, last, tail_size, tail_row, x, h, offset(h, at), offset(y, at), offset(zx, tiles * size), ready)

    @inlined
    def before(w, x, h, y, zx, z, ready, backwards):
        """One step of all tiles, the reset gate before the product."""
        reset, at = offset(z, 3 * padded), tiles * units
        last = offset(w, tiles * whole)
        for i in range(tiles):
            k = i * units
            own, zu = offset(h, k), offset(z, 3 * k)
            reset_tile(gates, two, lanes, offset(w, i * whole), units, row, x, h, own, offset(zx, 3 * k), zu, offset(reset, k), ready)
        if tail:
            own, zu, ru = offset(h, at), offset(z, 3 * at), offset(reset, at)
            reset_tile(tail_gates, tail_two, tail_lanes, last, tail, tail_row, x, h, own, offset(zx, 3 * at), zu, ru, ready)
        for i in range(tiles):
            k = i * units
            new_tile(lanes, offset(w, i * whole), units, row, offset(h, k), offset(y, k), offset(z, 3 * k), reset)
        if tail:
            new_tile(tail_lanes, last, tail, tail_row, offset(h, at), offset(y, at), offset(z, 3 * at), reset)

    step = after if reset_after else before

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), turn; z: (n or 1, z_row)."""
        together = n // TOGETHER * TOGETHER if hoisted else 0
        if hoisted:
            for j in range(tiles):
                inputs_together(gates, offset(w, j * whole), x, x_stride, offset(z, j * size), z_row, inputs, size, together)
            if tail:
                last = offset(w, tiles * whole)
                inputs_together(tail_gates, last, x, x_stride, offset(z, tiles * size), z_row, inputs, tail_size, together)
        h = s
        backwards = turning and s[padded] > HALF
        for t in range(n):
            yt = offset(y, t * y_stride)
            xt, zt = offset(x, t * x_stride), offset(z, t * z_stride)
            step(w, xt, h, yt, products(w, xt, zt), zt, table or t < together, backwards)
            h = yt
            backwards = turning and not backwards
        if turning:
            s[padded] = ONE if backwards else ZERO
        for k in range(0, padded, h_lanes):
            store(s, k, load(every_h, h, k))

    return kernel
