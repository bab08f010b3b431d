"""How a step of a tile of a float32 LSTM layer begins: the sums of its gates, and when `lstm_ends` gets them.

Each form of a step is an inlined function ``(gates, lanes, w, size, row, x, h, y, c, z, e, ready)``: w: the tile; size: floats of its bias;
row: floats from one row of its weights to the next; x, h: what the products read; y, c, e: as `lstm_ends.ending` takes them; z: input
products, if they are `ready`.
"""

from numba import njit

from .simd.vectors import load, offset, row2, row3, zero
from .tiles_f32 import multiplication

inlined = njit(inline="always")


def products(sizes):
    """Two inlined functions: (gates, w, size, row, x, z, ready) gives bias and input products, and what adds recurrent ones to them.

    The first takes a tile as the steps do; the second is a `multiplication`. sizes: `lstm_f32.Sizes`.
    """
    inputs = sizes.inputs
    multiply = multiplication(sizes.paired, 1, sizes.ahead, sizes.halves)

    @inlined
    def from_inputs(gates, w, size, row, x, z, ready):
        return load(gates, z, 0) if ready else multiply(gates, offset(w, size), x, inputs, row, load(gates, w, 0))

    return from_inputs, multiplication(sizes.paired, sizes.chains, sizes.ahead, sizes.halves)


def tile_of(sizes, finish):
    """The step of most tiles: the new c in place, the new h to y."""
    from_inputs, recurrent = products(sizes)
    inputs, hidden, row_of_o = sizes.inputs, sizes.hidden, row3 if sizes.options.count == 4 else row2

    @inlined
    def tile(gates, lanes, w, size, row, x, h, y, c, z, e, ready):
        a = from_inputs(gates, w, size, row, x, z, ready)
        a = recurrent(gates, offset(w, size + inputs * row), h, hidden, row, a)
        finish(lanes, a, row_of_o(a), c, y, e)

    return tile


def small_tile_of(sizes, finish):
    """The same where the next step waits for this one's h: the new cell, which needs i, f and g, does not wait for the sums of o."""
    from_inputs, recurrent = products(sizes)
    before_o, halves = sizes.lanes_of(sizes.units, sizes.options.count - 1), sizes.halves
    inputs, hidden, at_o = sizes.inputs, sizes.hidden, (sizes.options.count - 1) * sizes.units

    @inlined
    def small_tile(gates, lanes, w, size, row, x, h, y, c, z, e, ready):
        to_rows = size - (at_o - at_o // 2 if halves else 0)
        a = from_inputs(before_o, w, size, row, x, z, ready)
        o = from_inputs(lanes, offset(w, at_o), to_rows, row, x, offset(z, at_o), ready)
        a = recurrent(before_o, offset(w, size + inputs * row), h, hidden, row, a)
        o = recurrent(lanes, offset(w, at_o + to_rows + inputs * row), h, hidden, row, o)
        finish(lanes, a, o, c, y, e)

    return small_tile


def tile_apart_of(sizes, finish):
    """The same where x and h are normalised apart: sums of x to y, and behind them those of h."""
    from_inputs, recurrent = products(sizes)
    inputs, hidden, row_of_o = sizes.inputs, sizes.hidden, row3 if sizes.options.count == 4 else row2
    behind = sizes.options.count * sizes.padded

    @inlined
    def tile_apart(gates, lanes, w, size, row, x, h, y, c, z, e, ready):
        a = from_inputs(gates, w, size, row, x, z, ready)
        finish(lanes, a, row_of_o(a), c, y, e)
        a = recurrent(gates, offset(w, size + inputs * row), h, hidden, row, zero(gates))
        finish(lanes, a, row_of_o(a), c, offset(y, behind), e)

    return tile_apart


def steps_of_tiles(sizes, finish, finish_last):
    """The forms of a full tile's step, and of that of a narrower last one. Of a single tile, `finish_last` is meant."""
    if sizes.options.norm == "torch":
        apart = tile_apart_of(sizes, finish)
        return apart, apart
    last = tile_of(sizes, finish_last)
    if sizes.tail:
        return tile_of(sizes, finish), last
    return (small_tile_of(sizes, finish_last) if sizes.small else last), last
