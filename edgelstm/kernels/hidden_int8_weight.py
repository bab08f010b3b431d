"""GRU and Elman layers with int8 weights and float32 activations.

A tile holds, for its units' gates side by side (`size` = gates * units), as float32: bias, scale of the input weights and of the
recurrent ones; of a GRU whose reset gate comes after the product, also what of the bias of n it multiplies (units,). Then one byte a
weight: for each input, and then each h, all gates; where the reset gate comes before the product, for each h those of r and z, and then
for each h those of n. Zeros fill the last word of a tile. Rows of sigmoid gates come halved in all that is float32, as `gru_cell` wants
them. Where x is an index, bias and input products come from a table, a tile's side by side, and tiles have no weights of inputs.
"""

from numba import njit

from .cells import HALF, ONE, ZERO
from .gru_cell import Cell
from .rnn_f32 import activated
from .simd.rows import first_rows
from .simd.vectors import Lanes, add, fma, load, multiplied, offset, row0, row1, row2, store, zero
from .tiles_f32 import FOUR, multiply_bytes, products_of

inlined = njit(inline="always")


def walker(padded, turning, step, x_stride, y_stride, products):
    """The kernel whose steps of all tiles are `step(w, x, h, y, z, backwards)`. products: as `products_of` gives it."""

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), turn; z: (4*padded,) of some GRUs."""
        h = s
        backwards = turning and s[padded] > HALF
        for t in range(n):
            yt = offset(y, t * y_stride)
            xt = offset(x, t * x_stride)
            step(w, products(w, xt, xt), h, yt, z, backwards)
            h = yt
            backwards = turning and not backwards
        if turning:
            s[padded] = ONE if backwards else ZERO
        for k in range(0, padded, 4):
            store(s, k, load(FOUR, h, k))

    return kernel


def inputs_of(table):
    """An inlined function (x, place): what a tile reads of x, from a place in a row of the table where there is one."""

    @inlined
    def in_table(x, place):
        return offset(x, place)

    @inlined
    def whole(x, place):
        return x

    return in_table if table else whole


def gru_int8_weight(inputs, hidden, padded, units, tail, after, turning, cell, x_stride, y_stride, table=0):
    """Kernel of one GRU layer. Parameters as `gru_f32.Sizes` has them."""
    tiles, of = (padded - tail) // units, inputs_of(table)
    tile, reset_tile, new_tile, tile_floats = _gru_tiles(inputs, hidden, units, after, Cell(*cell), table)
    tail_tile, tail_reset_tile, tail_new_tile, _ = _gru_tiles(inputs, hidden, tail or 4, after, Cell(*cell), table)
    done, last_at = tiles * units, tiles * tile_floats

    @inlined
    def step_after(w, x, h, y, z, backwards):
        for i in range(tiles):
            j = tiles - 1 - i if backwards else i
            tile(offset(w, j * tile_floats), of(x, 3 * j * units), h, offset(h, j * units), offset(y, j * units))
        if tail:
            tail_tile(offset(w, last_at), of(x, 3 * done), h, offset(h, done), offset(y, done))

    @inlined
    def step_before(w, x, h, y, z, backwards):
        reset = offset(z, 3 * padded)
        for i in range(tiles):
            k = i * units
            reset_tile(offset(w, i * tile_floats), of(x, 3 * k), h, offset(h, k), offset(z, 3 * k), offset(reset, k))
        if tail:
            tail_reset_tile(offset(w, last_at), of(x, 3 * done), h, offset(h, done), offset(z, 3 * done), offset(reset, done))
        for i in range(tiles):
            k = i * units
            new_tile(offset(w, i * tile_floats), reset, offset(h, k), offset(y, k), offset(z, 3 * k))
        if tail:
            tail_new_tile(offset(w, last_at), reset, offset(h, done), offset(y, done), offset(z, 3 * done))

    return walker(padded, turning, step_after if after else step_before, x_stride, y_stride, products_of(table, 3 * padded))


def _gru_tiles(inputs, hidden, units, after, cell, table):
    """Inlined functions of tiles of `units` units: a step; its two halves where the reset comes first; and the floats of a tile."""
    gates, two, lanes, size = Lanes(units, 3), Lanes(units, 2), Lanes(units), 3 * units
    next_h, (seen, next_h_of_seen) = cell.after(), cell.before()
    first = 4 * (3 * size + (units if after else 0))  # byte
    recurrent = first + inputs * size
    floats = -(-(recurrent + hidden * size) // 4)

    @inlined
    def from_inputs(w, x):
        if table:
            return load(gates, x, 0)
        return fma(multiply_bytes(gates, w, first, x, inputs, size, zero(gates)), load(gates, w, size), load(gates, w, 0))

    @inlined
    def tile(w, x, h, own, y):
        a = from_inputs(w, x)
        b = multiplied(multiply_bytes(gates, w, recurrent, h, hidden, size, zero(gates)), load(gates, w, 2 * size))
        z, of_bias = add(a, b), add(row2(b), load(lanes, w, 3 * size))
        store(y, 0, next_h(row0(z), row1(z), row2(a), of_bias, load(lanes, own, 0)))

    @inlined
    def reset_tile(w, x, h, own, z, reset):
        a = from_inputs(w, x)
        b = multiply_bytes(two, w, recurrent, h, hidden, 2 * units, zero(two))
        b = fma(b, load(two, w, 2 * size), first_rows(two, a))
        store(reset, 0, seen(row0(b), load(lanes, own, 0)))
        store(z, units, row1(b))
        store(z, 2 * units, row2(a))

    @inlined
    def new_tile(w, reset, own, y, z):
        b = multiply_bytes(lanes, w, recurrent + hidden * 2 * units, reset, hidden, units, zero(lanes))
        n = fma(b, load(lanes, w, 2 * size + 2 * units), load(lanes, z, 2 * units))
        store(y, 0, next_h_of_seen(load(lanes, z, units), n, load(lanes, own, 0)))

    return tile, reset_tile, new_tile, floats


def rnn_int8_weight(inputs, hidden, padded, units, tail, turning, cell, x_stride, y_stride, table=0):
    """Kernel of one Elman layer. Parameters as `rnn_f32` takes them."""
    tiles, new, of = (padded - tail) // units, activated(*cell), inputs_of(table)
    lanes, tail_lanes = Lanes(units), Lanes(tail or 4)
    tile_floats = 3 * units + -(-(inputs + hidden) * units // 4)
    done, last_at = tiles * units, tiles * tile_floats

    @inlined
    def from_inputs(lanes, w, units, x):
        if table:
            return load(lanes, x, 0)
        return fma(multiply_bytes(lanes, w, 12 * units, x, inputs, units, zero(lanes)), load(lanes, w, units), load(lanes, w, 0))

    @inlined
    def tile(lanes, w, units, x, h, y):
        a = from_inputs(lanes, w, units, x)
        b = multiply_bytes(lanes, w, (12 + inputs) * units, h, hidden, units, zero(lanes))
        store(y, 0, new(fma(b, load(lanes, w, 2 * units), a)))

    @inlined
    def step(w, x, h, y, z, backwards):
        for i in range(tiles):
            j = tiles - 1 - i if backwards else i
            tile(lanes, offset(w, j * tile_floats), units, of(x, j * units), h, offset(y, j * units))
        if tail:
            tile(tail_lanes, offset(w, last_at), tail, of(x, done), h, offset(y, done))

    return walker(padded, turning, step, x_stride, y_stride, products_of(table, padded))
