"""GRU and Elman layers with int8 weights and quantised activations: the siblings of `gru_f32` and `rnn_f32`.

A tile holds, for its units' gates side by side (`size` = gates * units), as float32: bias, scale of the sums of x, scale of the sums of
h; of a GRU whose reset gate comes after the product, also what of the bias of n it multiplies (units,). Then, where activations are
offset, what the sums of x and of h begin at, as int32. Then the weights' bytes, inputs before recurrent; where the reset gate comes
before the product, recurrent ones of r and z before those of n. Before the tiles stand integers a unit of x and of h.
Rows of sigmoid gates come halved in all that is float32, as `gru_cell` wants them. Integer sums are exact, so that their order does not
matter; they become float32 apart for x and h. Where x is an index, the sums of x come from a table.
"""

from numba import njit

from .cells import HALF, ONE, ZERO
from .gru_cell import Cell
from .hidden_sums_int8 import Sizes, Sums
from .packing import HEADER
from .rnn_f32 import activated
from .simd.rows import first_rows
from .simd.vectors import Lanes, add, load, offset, row0, row1, row2, store
from .tiles_f32 import products_of
from .together_f32 import TOGETHER

inlined = njit(inline="always")


def walker(sizes, sums, together, tail_together, step):
    """The kernel whose steps of all tiles are `step(w, at, h, y, zx, zt, ready, backwards)`; the others take its input products."""
    padded, tiles, row = sizes.padded, sizes.tiles, sizes.row
    hoisted, turning, x_stride, y_stride = sizes.hoisted, sizes.turning, sizes.x_stride, sizes.y_stride
    size, tail, tile_floats = sizes.gates * sizes.units, sizes.tail, sizes.tile_floats
    prepare, table, products = sums.preparation(), sizes.table, products_of(sizes.table, sizes.gates * padded)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), turn; z: (n, row)."""
        steps = n // TOGETHER * TOGETHER if hoisted else 0
        tiles_at = offset(w, HEADER)
        for t in range(0 if table else n):
            prepare(w, offset(x, t * x_stride), offset(z, t * row))
        if hoisted:
            for j in range(tiles):
                together(offset(tiles_at, j * tile_floats), z, j * size, steps)
            if tail:
                tail_together(offset(tiles_at, tiles * tile_floats), z, tiles * size, steps)
        backwards = turning and s[padded] > HALF
        for t in range(n):
            zt = offset(z, t * row)
            zx = products(w, offset(x, t * x_stride), zt)
            step(w, tiles_at, s, offset(y, t * y_stride), zx, zt, table or t < steps, backwards)
            backwards = turning and not backwards
        if turning:
            s[padded] = ONE if backwards else ZERO

    return kernel


def gru_int8_dynamic(**constants):
    """Kernel of one GRU layer. constants: `hidden_sums_int8.Sizes`."""
    sizes = Sizes(**constants)
    sums = Sums(sizes)
    together, tile, reset_tile, new_tile = _gru_tiles(sizes, sums, sizes.units)
    tail_together, tail_tile, tail_reset_tile, tail_new_tile = _gru_tiles(sizes, sums, sizes.tail or 4)
    units, tail, tiles, tile_floats = sizes.units, sizes.tail, sizes.tiles, sizes.tile_floats
    quantise, hq_at, reset_at = sums.quantise_h, sizes.hq_at, sizes.reset_at
    done, last_at = tiles * units, tiles * tile_floats

    @inlined
    def after(w, at, h, y, zx, zt, ready, backwards):
        of_h = quantise(offset(zt, hq_at), h, w[1])
        for i in range(tiles):
            j = tiles - 1 - i if backwards else i
            k = j * units
            tile(offset(at, j * tile_floats), of_h, offset(h, k), offset(y, k), zx, zt, 3 * k, ready)
        if tail:
            tail_tile(offset(at, last_at), of_h, offset(h, done), offset(y, done), zx, zt, 3 * done, ready)

    @inlined
    def before(w, at, h, y, zx, zt, ready, backwards):
        of_h = quantise(offset(zt, hq_at), h, w[1])
        for i in range(tiles):
            k = i * units
            reset_tile(offset(at, i * tile_floats), of_h, offset(h, k), zx, zt, 3 * k, reset_at + k, ready)
        if tail:
            tail_reset_tile(offset(at, last_at), of_h, offset(h, done), zx, zt, 3 * done, reset_at + done, ready)
        of_h = quantise(offset(zt, hq_at), offset(zt, reset_at), w[1])
        for i in range(tiles):
            k = i * units
            new_tile(offset(at, i * tile_floats), of_h, offset(h, k), offset(y, k), zt, 3 * k)
        if tail:
            tail_new_tile(offset(at, last_at), of_h, offset(h, done), offset(y, done), zt, 3 * done)

    return walker(sizes, sums, together, tail_together, after if sizes.after else before)


def _gru_tiles(sizes, sums, units):
    """Inlined functions of tiles of `units` units: input products of many steps; a step; and its two halves if the reset comes first."""
    gates, two, lanes, size = Lanes(units, 3), Lanes(units, 2), Lanes(units), 3 * units
    one, together = sums.of_inputs(gates, units)
    all_rows, of_r_and_z, of_n = sums.of_state(gates, units, 3), sums.of_state(two, units, 2), sums.of_state(lanes, units, 1, 2)
    cell = Cell(*sizes.cell)
    next_h, (seen, next_h_of_seen) = cell.after(), cell.before()

    @inlined
    def tile(w, of_h, h, y, zx, zt, place, ready):
        a = load(gates, zx, place) if ready else one(w, zt)
        b = all_rows(w, of_h)
        z, of_bias = add(a, b), add(row2(b), load(lanes, w, 3 * size))
        new = next_h(row0(z), row1(z), row2(a), of_bias, load(lanes, h, 0))
        store(h, 0, new)
        store(y, 0, new)

    @inlined
    def reset_tile(w, of_h, h, zx, zt, place, reset_at, ready):
        a = load(gates, zx, place) if ready else one(w, zt)
        z = add(first_rows(two, a), of_r_and_z(w, of_h))
        store(zt, reset_at, seen(row0(z), load(lanes, h, 0)))
        store(zt, place + units, row1(z))
        store(zt, place + 2 * units, row2(a))

    @inlined
    def new_tile(w, of_h, h, y, zt, place):
        n = add(load(lanes, zt, place + 2 * units), of_n(w, of_h))
        new = next_h_of_seen(load(lanes, zt, place + units), n, load(lanes, h, 0))
        store(h, 0, new)
        store(y, 0, new)

    return together, tile, reset_tile, new_tile


def rnn_int8_dynamic(**constants):
    """Kernel of one Elman layer. constants: `hidden_sums_int8.Sizes`."""
    sizes = Sizes(**constants)
    sums, new = Sums(sizes), activated(*sizes.cell)
    (together, tile), (tail_together, tail_tile) = (_rnn_tiles(sizes, sums, units, new) for units in (sizes.units, sizes.tail or 4))
    units, tail, tiles, tile_floats, quantise, hq_at = sizes.units, sizes.tail, sizes.tiles, sizes.tile_floats, sums.quantise_h, sizes.hq_at
    done, last_at = tiles * units, tiles * tile_floats

    @inlined
    def step(w, at, h, y, zx, zt, ready, backwards):
        of_h = quantise(offset(zt, hq_at), h, w[1])
        for i in range(tiles):
            j = tiles - 1 - i if backwards else i
            tile(offset(at, j * tile_floats), of_h, offset(h, j * units), offset(y, j * units), zx, zt, j * units, ready)
        if tail:
            tail_tile(offset(at, last_at), of_h, offset(h, done), offset(y, done), zx, zt, done, ready)

    return walker(sizes, sums, together, tail_together, step)


def _rnn_tiles(sizes, sums, units, new):
    """Inlined functions of tiles of `units` units: input products of many steps, and a step."""
    lanes = Lanes(units)
    one, together = sums.of_inputs(lanes, units)
    products = sums.of_state(lanes, units, 1)

    @inlined
    def tile(w, of_h, h, y, zx, zt, place, ready):
        a = load(lanes, zx, place) if ready else one(w, zt)
        value = new(add(a, products(w, of_h)))
        store(h, 0, value)
        store(y, 0, value)

    return together, tile
