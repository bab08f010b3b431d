"""One LSTM layer with int8 weights, quantised activations and a float32 cell: the sibling of `lstm_f32`.

A tile holds, for its units' four gates i f g o side by side (`size` = 4 * units): what sums begin at, as int32; scale of the sums, as
float32; then the weights' bytes, inputs before recurrent. Before the tiles stand integers a unit of x and of h, and what multiplies the
sums of an uncalibrated x's products, times x's step. Input products are 2**shift times as large as recurrent ones of the same
integers.
Scales of i, f and o come halved, as `cells.cell` wants them. Integer sums are exact, so that their order does not matter.
`CellOptions` change what a tile's sums become, as in `lstm_f32`.
"""

from numba import njit

from .cells import HALF, ONE, ZERO
from .join_int8 import Sizes, float_join, input_products, integer_join, preparation, recurrent_products
from .lstm_ends import ending
from .packing import HEADER
from .simd.vectors import Lanes, load, multiplied, offset, opaque, row2, row3, store
from .tiles_f32 import FOUR, products_of
from .together_f32 import TOGETHER

inlined = njit(inline="always")


def lstm_int8_dynamic(**constants):
    """Kernel of one layer. constants: `join_int8.Sizes`."""
    sizes = Sizes(**constants)
    padded, units, tail, tiles, row = sizes.padded, sizes.units, sizes.tail, sizes.tiles, sizes.row
    hoisted, turning, x_stride, y_stride = sizes.hoisted, sizes.turning, sizes.x_stride, sizes.y_stride
    count, given, work, work_at = sizes.count, sizes.given, sizes.options.work(padded), sizes.work_at
    gates, lanes, tail_gates, tail_lanes = Lanes(units, count), Lanes(units), Lanes(tail or 4, count), Lanes(tail or 4)
    size, tail_size, tile_floats, hq_at = count * units, count * tail, sizes.tile_floats, sizes.hq_at
    h_byte = 4 * sizes.weights_at + sizes.input_words * sizes.group  # of a tile's recurrent weights, times its size
    all_floats = count * padded * sizes.weights_at + (sizes.input_words + sizes.hidden_words) * sizes.group * count * padded // 4
    quantise_h, add_h = recurrent_products(sizes)
    begin, of_x, with_h, keep, kept = (integer_join if sizes.calibrated else float_join)(sizes, add_h)
    prepare_x, table, products = preparation(sizes, sizes.xq_at, hq_at - 1), sizes.table, products_of(sizes.table, count * padded)
    inputs_together, from_x = input_products(sizes, begin, of_x, keep, kept)
    finish, end = ending(sizes.options, sizes.division, padded, 0)
    row_of_o = row3 if count == 4 else row2

    @inlined
    def tile(gates, lanes, w, size, unit, zx, of_h, h, c, y, e, ready):
        """One step of the tile that begins at `unit`: new h and c in place, h to y too."""
        a = with_h(gates, from_x(gates, w, size, zx, count * unit, ready), w, h_byte * size, of_h, size)
        a = multiplied(a, load(gates, w, size))
        finish(lanes, a, row_of_o(a), offset(c, unit), offset(y, unit), offset(e, unit))
        if not work:
            store(h, unit, load(lanes, y, unit))

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (given,), c (padded,), turn; z: (n, row)."""
        together = n // TOGETHER * TOGETHER if hoisted else 0
        tiles_at = offset(w, HEADER)
        e = offset(tiles_at, all_floats)
        last_at = tiles * tile_floats
        done = tiles * units
        for t in range(0 if table else n):
            prepare_x(w, offset(x, t * x_stride), offset(z, t * row))
        if hoisted:
            for j in range(tiles):
                inputs_together(gates, offset(tiles_at, j * tile_floats), size, z, j * size, together)
            if tail:
                inputs_together(tail_gates, offset(tiles_at, last_at), tail_size, z, tiles * size, together)
        h = s
        c = offset(s, given)
        backwards = turning and s[given + padded] > HALF
        for t in range(n):
            yt = offset(y, t * y_stride)
            zt = offset(z, t * row)
            to = offset(zt, work_at) if work else yt
            of_h = quantise_h(offset(zt, hq_at), h, w[1])
            ready = table or t < together
            zx = products(w, offset(x, t * x_stride), zt)
            now = opaque(tiles_at)
            for i in range(tiles):
                j = tiles - 1 - i if backwards else i
                tile(gates, lanes, offset(now, j * tile_floats), size, j * units, zx, of_h, h, c, to, e, ready)
            if tail:
                tile(tail_gates, tail_lanes, offset(now, last_at), tail_size, done, zx, of_h, h, c, to, e, ready)
            end(to, c, e, yt)
            if work:
                for k in range(0, given, 4):
                    store(h, k, load(FOUR, yt, k))
            backwards = turning and not backwards
        if turning:
            s[given + padded] = ONE if backwards else ZERO

    return kernel
