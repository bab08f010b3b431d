"""One plain LSTM layer in float32, one timestep of four streams: each weight that is read serves all of them.

Weights, state and the order of sums are those of `lstm_f32`, whose bits this gives. Registers hold the sums of some gates of four
streams; where one stream's units fill no register, the cells of all four are computed side by side.
"""

from numba import njit

from .cells import HALF, ONE, ZERO, cell, finisher, output
from .lstm_f32 import Sizes
from .simd.across import across0, across1, across2, across3, quarter0, quarter1, quarter2, quarter3
from .simd.vectors import Lanes, load, offset, row0, row1, row2, row3, store
from .tiles_f32 import products_of
from .tiles_streams import most_sums, recurrent_of, sums_of_four

inlined = njit(inline="always")


def together(units, sums):
    """An inlined function: a tile of four streams whose cells are computed side by side. units: 4, 8 or 16."""
    whole, lanes, size = Lanes(4 * units), Lanes(units), 4 * units

    @inlined
    def tile(w, x0, x1, x2, x3, h0, h1, h2, h3, c0, c1, c2, c3, y0, y1, y2, y3, z0, z1, z2, z3):
        a, b, c, d = sums(whole, w, 0, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3)
        old = across0(lanes, load(lanes, c0, 0), load(lanes, c1, 0), load(lanes, c2, 0), load(lanes, c3, 0))
        new = cell(across0(lanes, a, b, c, d), across1(lanes, a, b, c, d), across2(lanes, a, b, c, d), old)
        h = output(across3(lanes, a, b, c, d), new)
        store(c0, 0, quarter0(new))
        store(c1, 0, quarter1(new))
        store(c2, 0, quarter2(new))
        store(c3, 0, quarter3(new))
        store(y0, 0, quarter0(h))
        store(y1, 0, quarter1(h))
        store(y2, 0, quarter2(h))
        store(y3, 0, quarter3(h))

    return tile


def by_all_gates(units, sums, finish):
    """An inlined function: a tile of four streams, the sums of all gates in one pass over its weights."""
    gates, lanes, size = Lanes(units, 4), Lanes(units), 4 * units

    @inlined
    def tile(w, x0, x1, x2, x3, h0, h1, h2, h3, c0, c1, c2, c3, y0, y1, y2, y3, z0, z1, z2, z3):
        a, b, c, d = sums(gates, w, 0, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3)
        finish(lanes, row0(a), row1(a), row2(a), row3(a), c0, y0)
        finish(lanes, row0(b), row1(b), row2(b), row3(b), c1, y1)
        finish(lanes, row0(c), row1(c), row2(c), row3(c), c2, y2)
        finish(lanes, row0(d), row1(d), row2(d), row3(d), c3, y3)

    return tile


def by_two_gates(units, sums, finish):
    """The same in two passes over half of each row."""
    pair, lanes, size = Lanes(units, 2), Lanes(units), 4 * units

    @inlined
    def tile(w, x0, x1, x2, x3, h0, h1, h2, h3, c0, c1, c2, c3, y0, y1, y2, y3, z0, z1, z2, z3):
        a, b, c, d = sums(pair, w, 0, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3)
        p, q, r, s = sums(pair, w, 2 * units, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3)
        finish(lanes, row0(a), row1(a), row0(p), row1(p), c0, y0)
        finish(lanes, row0(b), row1(b), row0(q), row1(q), c1, y1)
        finish(lanes, row0(c), row1(c), row0(r), row1(r), c2, y2)
        finish(lanes, row0(d), row1(d), row0(s), row1(s), c3, y3)

    return tile


def by_one_gate(units, sums, finish):
    """The same in four passes, over a gate each."""
    lanes, size = Lanes(units), 4 * units

    @inlined
    def tile(w, x0, x1, x2, x3, h0, h1, h2, h3, c0, c1, c2, c3, y0, y1, y2, y3, z0, z1, z2, z3):
        i0, i1, i2, i3 = sums(lanes, w, 0, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3)
        f0, f1, f2, f3 = sums(lanes, w, units, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3)
        g0, g1, g2, g3 = sums(lanes, w, 2 * units, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3)
        o0, o1, o2, o3 = sums(lanes, w, 3 * units, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3)
        finish(lanes, i0, f0, g0, o0, c0, y0)
        finish(lanes, i1, f1, g1, o1, c1, y1)
        finish(lanes, i2, f2, g2, o2, c2, y2)
        finish(lanes, i3, f3, g3, o3, c3, y3)

    return tile


def tile_of(units, lanes, registers, sums_in, division):
    """The tile of four streams that suits a CPU with so many registers of so many lanes.

    sums_in: gives `sums_of_four`, for so many registers of sums.
    """
    if not division and units < lanes and units in (4, 8):
        return together(units, sums_in(4 * -(-4 * units // lanes)))
    each, most = 4 * -(-units // lanes), most_sums(registers)
    gates, by = (4, by_all_gates) if 4 * each <= most else (2, by_two_gates) if 2 * each <= most else (1, by_one_gate)
    return by(units, sums_in(gates * each), finisher(division))


def lstm_f32_streams(lanes, registers, **constants):
    """Kernel of one timestep of four streams. lanes, registers: of the CPU; constants: `lstm_f32.Sizes`, of a plain cell in float32."""
    sizes = Sizes(**constants)
    inputs, hidden, padded, units, tail = sizes.inputs, sizes.hidden, sizes.padded, sizes.units, sizes.tail
    turning, table, division = sizes.turning, sizes.table, sizes.division
    tiles, size = sizes.tiles, 4 * units
    whole = size * (1 + inputs + hidden)
    products = products_of(table, 4 * padded)

    def sums_in(count):
        return sums_of_four(inputs, hidden, recurrent_of(sizes.chains, count, registers), table)

    full_tile = tile_of(units, lanes, registers, sums_in, division)
    last_tile = tile_of(tail or 4, lanes, registers, sums_in, division)
    h_lanes = padded if padded <= 64 else 4
    every_h = Lanes(h_lanes)

    @inlined
    def keep(s, y):
        """The new h and the turn into the state."""
        for k in range(0, padded, h_lanes):
            store(s, k, load(every_h, y, k))
        if turning:
            s[2 * padded] = ZERO if s[2 * padded] > HALF else ONE

    def kernel(w, x0, x1, x2, x3, y0, y1, y2, y3, s0, s1, s2, s3):
        """w: packed weights; x: (inputs,) each; y: (padded,) each, the new h; s: h (padded,), c (padded,), turn, each."""
        z0 = products(w, x0, x0)
        z1 = products(w, x1, x1)
        z2 = products(w, x2, x2)
        z3 = products(w, x3, x3)
        for j in range(tiles):
            u, z = j * units, j * size
            c, at = padded + u, offset(w, j * whole)
            c0, c1, c2, c3 = offset(s0, c), offset(s1, c), offset(s2, c), offset(s3, c)
            v0, v1, v2, v3 = offset(y0, u), offset(y1, u), offset(y2, u), offset(y3, u)
            p0, p1, p2, p3 = offset(z0, z), offset(z1, z), offset(z2, z), offset(z3, z)
            full_tile(at, x0, x1, x2, x3, s0, s1, s2, s3, c0, c1, c2, c3, v0, v1, v2, v3, p0, p1, p2, p3)
        if tail:
            u, z = tiles * units, tiles * size
            c, at = padded + u, offset(w, tiles * whole)
            c0, c1, c2, c3 = offset(s0, c), offset(s1, c), offset(s2, c), offset(s3, c)
            v0, v1, v2, v3 = offset(y0, u), offset(y1, u), offset(y2, u), offset(y3, u)
            p0, p1, p2, p3 = offset(z0, z), offset(z1, z), offset(z2, z), offset(z3, z)
            last_tile(at, x0, x1, x2, x3, s0, s1, s2, s3, c0, c1, c2, c3, v0, v1, v2, v3, p0, p1, p2, p3)
        keep(s0, y0)
        keep(s1, y1)
        keep(s2, y2)
        keep(s3, y3)

    return kernel
