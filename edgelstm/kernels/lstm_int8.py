"""One LSTM layer with int8 weights, quantised activations and a float32 cell: the sibling of `lstm_f32`.

A tile holds, for its units' four gates i f g o side by side (`size` = 4 * units): what sums begin at, as int32; scale of the sums, as
float32; then the weights' bytes, inputs before recurrent. Before the tiles stand integers a unit of x and of h, and what multiplies the
sums of an uncalibrated x's products, times x's step. Input products are 2**shift times as large as recurrent ones of the same
integers.
Scales of i, f and o come halved, as `cells.cell` wants them. Integer sums are exact, so that their order does not matter.
"""

from numba import njit

from .cells import HALF, ONE, ZERO, finisher
from .join_int8 import Sizes, float_join, input_products, integer_join, preparation, recurrent_products
from .packing import HEADER
from .simd.vectors import Lanes, load, multiplied, offset, opaque, row0, row1, row2, row3, store
from .tiles_f32 import TOGETHER

inlined = njit(inline="always")


def lstm_int8_dynamic(**constants):
    """Kernel of one layer. constants: `join_int8.Sizes`."""
    sizes = Sizes(**constants)
    padded, units, tail, tiles, row = sizes.padded, sizes.units, sizes.tail, sizes.tiles, sizes.row
    hoisted, turning, x_stride, y_stride = sizes.hoisted, sizes.turning, sizes.x_stride, sizes.y_stride
    gates, lanes, tail_gates, tail_lanes = Lanes(units, 4), Lanes(units), Lanes(tail or 4, 4), Lanes(tail or 4)
    size, tail_size, tile_floats, hq_at = 4 * units, 4 * tail, sizes.tile_floats, sizes.hq_at
    h_byte = 4 * sizes.weights_at + sizes.input_words * sizes.group  # of a tile's recurrent weights, times its size
    quantise_h, add_h = recurrent_products(sizes)
    begin, of_x, with_h, keep, kept = (integer_join if sizes.calibrated else float_join)(sizes, add_h)
    prepare_x = preparation(sizes)
    inputs_together, from_x = input_products(sizes, begin, of_x, keep, kept)
    finish = finisher(sizes.division)

    @inlined
    def tile(gates, lanes, w, size, unit, zt, of_h, h, c, y, ready):
        """One step of the tile that begins at `unit`: new h and c in place, h to y too."""
        a = with_h(gates, from_x(gates, w, size, zt, 4 * unit, ready), w, h_byte * size, of_h, size)
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
            now = opaque(tiles_at)
            for i in range(tiles):
                j = tiles - 1 - i if backwards else i
                tile(gates, lanes, offset(now, j * tile_floats), size, j * units, zt, of_h, h, c, yt, ready)
            if tail:
                tile(tail_gates, tail_lanes, offset(now, last_at), tail_size, done, zt, of_h, h, c, yt, ready)
            backwards = turning and not backwards
        if turning:
            s[2 * padded] = ONE if backwards else ZERO

    return kernel
