"""One LSTM layer with int8 weights and float32 activations.

A tile holds, for its units' four gates i f g o side by side (`size` = 4 * units), as float32: bias, scale of the input weights and of the
recurrent ones; then one byte a weight: for each input and then each h, the four gates. What belongs to i, f and o comes halved, as
`cells.cell` wants it. `CellOptions` change what a tile's sums become, as in `lstm_f32`.
"""

from numba import njit

from .cell_options import PLAIN
from .cells import HALF, ONE, ZERO
from .lstm_ends import ending
from .simd.vectors import Lanes, fma, load, offset, row2, row3, store, zero
from .tiles_f32 import FOUR, multiply_bytes, products_of

inlined = njit(inline="always")


def lstm_int8_weight(inputs, hidden, padded, units, tail, turning, division, x_stride, y_stride, options=PLAIN, table=0):
    """Kernel of a layer with int8 weights and float32 activations. Parameters as for `lstm_f32` and `lstm_int8_dynamic`."""
    tiles, count, work = (padded - tail) // units, options.count, options.work(padded)
    gates, lanes, tail_gates, tail_lanes = Lanes(units, count), Lanes(units), Lanes(tail or 4, count), Lanes(tail or 4)
    size, tail_size, given = count * units, count * tail, options.projection or padded
    tile_floats = 3 * size + (inputs + hidden) * size // 4
    all_floats = 3 * count * padded + (inputs + hidden) * count * padded // 4
    finish, end = ending(options, division, padded, 0)
    row_of_o, products = row3 if count == 4 else row2, products_of(table, count * padded)

    @inlined
    def from_inputs(gates, w, size, x):
        return fma(multiply_bytes(gates, w, 12 * size, x, inputs, size, zero(gates)), load(gates, w, size), load(gates, w, 0))

    @inlined
    def tile(gates, lanes, w, size, x, unit, h, c, y, e):
        """One step of the tile that begins at `unit`. x: a row of the table where there is one."""
        a = load(gates, x, count * unit) if table else from_inputs(gates, w, size, x)
        from_h = multiply_bytes(gates, w, (12 + inputs) * size, h, hidden, size, zero(gates))
        a = fma(from_h, load(gates, w, 2 * size), a)
        finish(lanes, a, row_of_o(a), c, y, e)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (given,), c (padded,), turn; z: (work,)."""
        h = s
        c = offset(s, given)
        e = offset(w, all_floats)
        backwards = turning and s[given + padded] > HALF
        for t in range(n):
            xt = products(w, offset(x, t * x_stride), offset(x, t * x_stride))
            yt = offset(y, t * y_stride)
            to = z if work else yt
            for i in range(tiles):
                j = tiles - 1 - i if backwards else i
                u = j * units
                tile(gates, lanes, offset(w, j * tile_floats), size, xt, u, h, offset(c, u), offset(to, u), offset(e, u))
            if tail:
                u = tiles * units
                tile(tail_gates, tail_lanes, offset(w, tiles * tile_floats), tail_size, xt, u, h, offset(c, u), offset(to, u), offset(e, u))
            end(to, c, e, yt)
            h = yt
            backwards = turning and not backwards
        if turning:
            s[given + padded] = ONE if backwards else ZERO
        for k in range(0, given, 4):
            store(s, k, load(FOUR, h, k))

    return kernel
