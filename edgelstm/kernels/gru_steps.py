"""One timestep of all tiles of a float32 GRU layer: the reset gate after the recurrent product, or before it.

Each is an inlined function ``(w, x, h, y, zx, z, ready, backwards)``: w: the tiles; zx: input products, if they are `ready`; z: scratch of
the step; backwards: whether tiles are taken from the last to the first.
"""

from numba import njit

from .gru_cell import Cell
from .simd.rows import first_rows, with_last_row
from .simd.vectors import Lanes, load, offset, row0, row1, row2, store, storing
from .tiles_f32 import multiplication

inlined = njit(inline="always")


def input_sums(sizes):
    """An inlined function (gates, w, size, row, x, z, ready): bias and input products of a tile, which z holds where they are ready."""
    inputs, (paired, _, ahead) = sizes.inputs, sizes.sums
    multiply = multiplication(paired, 1, ahead, sizes.halves)

    @inlined
    def from_inputs(gates, w, size, row, x, z, ready):
        return load(gates, z, 0) if ready else multiply(gates, offset(w, size), x, inputs, row, load(gates, w, 0))

    return from_inputs


def after_product(sizes):
    """The step where the reset gate multiplies the product with h."""
    inputs, hidden, units, tail, tiles = sizes.inputs, sizes.hidden, sizes.units, sizes.tail, sizes.tiles
    (gates, size, row, whole), (tail_gates, tail_size, tail_row, _) = sizes.gates_of(units), sizes.gates_of(tail)
    lanes, tail_lanes, next_h, from_inputs = sizes.lanes_of(units), sizes.lanes_of(tail), Cell(*sizes.cell).after(), input_sums(sizes)
    recurrent = multiplication(*sizes.sums, sizes.halves)

    def tile_of(put):
        @inlined
        def tile(gates, lanes, w, size, row, x, h, own, y, z, ready):
            """One tile's step: from h, of which `own` is the tile's part, the new one to y."""
            a = from_inputs(gates, w, size, row, x, z, ready)
            b = with_last_row(a, load(lanes, w, size + (inputs + hidden) * row))
            b = recurrent(gates, offset(w, size + inputs * row), h, hidden, row, b)
            put(y, 0, next_h(row0(b), row1(b), row2(a), row2(b), load(lanes, own, 0)))

        return tile

    last_tile = tile_of(storing(sizes.last) if sizes.filled else store)
    tile = tile_of(store) if tail else last_tile

    @inlined
    def step(w, x, h, y, zx, z, ready, backwards):
        for i in range(tiles):
            j = tiles - 1 - i if backwards else i
            at = j * units
            tile(gates, lanes, offset(w, j * whole), size, row, x, h, offset(h, at), offset(y, at), offset(zx, j * size), ready)
        if tail:
            at = tiles * units
            last = offset(w, tiles * whole)
            zl = offset(zx, tiles * size)
            last_tile(tail_gates, tail_lanes, last, tail_size, tail_row, x, h, offset(h, at), offset(y, at), zl, ready)

    return step


def halves_of_tile(sizes):
    """Two inlined functions: a tile's step up to the product that reads the part of h which passes the reset gate, and from it on."""
    inputs, hidden, halves, (paired, chains, ahead) = sizes.inputs, sizes.hidden, sizes.halves, sizes.sums
    seen, next_h = Cell(*sizes.cell).before()
    from_inputs, recurrent = input_sums(sizes), multiplication(paired, chains, ahead, halves)
    second = multiplication(paired, 2, ahead, halves)

    @inlined
    def reset_tile(gates, two, lanes, w, units, row, x, h, own, zx, z, reset, ready):
        """The part of h that passes the reset gate to `reset`, and what z and n are so far to z."""
        a = from_inputs(gates, w, 3 * units, row, x, zx, ready)
        b = recurrent(two, offset(w, 3 * units + inputs * row), h, hidden, units if halves else 2 * units, first_rows(two, a))
        store(reset, 0, seen(row0(b), load(lanes, own, 0)))
        store(z, units, row1(b))
        store(z, 2 * units, row2(a))

    @inlined
    def new_tile(lanes, w, units, row, own, y, z, reset):
        """The new h to y."""
        at = 3 * units + inputs * row + hidden * (units if halves else 2 * units)
        n = second(lanes, offset(w, at), reset, hidden, units // 2 if halves else units, load(lanes, z, 2 * units))
        store(y, 0, next_h(load(lanes, z, units), n, load(lanes, own, 0)))

    return reset_tile, new_tile


def before_product(sizes):
    """The step where the reset gate multiplies h itself."""
    units, tail, tiles, padded = sizes.units, sizes.tail, sizes.tiles, sizes.padded
    (gates, _, row, whole), (tail_gates, _, tail_row, _) = sizes.gates_of(units), sizes.gates_of(tail)
    two, lanes, tail_two, tail_lanes = Lanes(units, 2), Lanes(units), Lanes(tail or 4, 2), Lanes(tail or 4)
    reset_tile, new_tile = halves_of_tile(sizes)

    @inlined
    def step(w, x, h, y, zx, z, ready, backwards):
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

    return step
