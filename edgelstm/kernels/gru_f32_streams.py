"""One GRU layer in float32 whose reset gate comes after the product, one timestep of four streams: the sibling of `lstm_f32_streams`.

Weights, state and the order of sums are those of `gru_f32`, whose bits this gives.
"""

from numba import njit

from .cells import HALF, ONE, ZERO
from .gru_cell import Cell
from .simd.rows import with_last_row
from .simd.vectors import Lanes, load, offset, row0, row1, row2, store
from .tiles_f32 import products_of
from .tiles_streams import every_row, most_sums, recurrent_of, sums_of_four

inlined = njit(inline="always")


def gru_f32_streams(
    inputs, hidden, padded, units, tail, reset_after, walk, sums, cell, x_stride, y_stride, lanes, registers, table=0
):  # fmt: skip
    """Kernel of one timestep of four streams; parameters as `gru_f32`, and the CPU's lanes and registers."""
    (_, turning), (_, chains, _) = walk, sums
    tiles, size = (padded - tail) // units, 3 * units
    whole = size * (1 + inputs + hidden) + units
    products, next_h = products_of(table, 3 * padded), Cell(*cell).after()
    h_lanes = padded if padded <= 64 else 4
    every_h = Lanes(h_lanes)

    @inlined
    def inputs_of_four(gates, w, at, size, x0, x1, x2, x3, z0, z1, z2, z3):
        """Bias and input products."""
        if table:
            a0, a1, a2, a3 = load(gates, z0, at), load(gates, z1, at), load(gates, z2, at), load(gates, z3, at)
        else:
            a0 = load(gates, w, at)
            a0, a1, a2, a3 = every_row(gates, offset(w, size + at), size, inputs, x0, x1, x2, x3, a0, a0, a0, a0)
        return a0, a1, a2, a3

    def by_all_gates(units, recurrent):
        gates, own, size = Lanes(units, 3), Lanes(units), 3 * units
        behind = size * (1 + inputs + hidden)

        @inlined
        def tile(w, x0, x1, x2, x3, h0, h1, h2, h3, u, y0, y1, y2, y3, z0, z1, z2, z3):
            a, b, c, d = inputs_of_four(gates, w, 0, size, x0, x1, x2, x3, z0, z1, z2, z3)
            last = load(own, w, behind)
            p, q, r, s = with_last_row(a, last), with_last_row(b, last), with_last_row(c, last), with_last_row(d, last)
            p, q, r, s = recurrent(gates, offset(w, size + inputs * size), size, hidden, h0, h1, h2, h3, p, q, r, s)
            store(y0, u, next_h(row0(p), row1(p), row2(a), row2(p), load(own, h0, u)))
            store(y1, u, next_h(row0(q), row1(q), row2(b), row2(q), load(own, h1, u)))
            store(y2, u, next_h(row0(r), row1(r), row2(c), row2(r), load(own, h2, u)))
            store(y3, u, next_h(row0(s), row1(s), row2(d), row2(s), load(own, h3, u)))

        return tile

    def by_one_gate(units, recurrent):
        of_gate = sums_of_four(inputs, hidden, recurrent, table)
        own, size = Lanes(units), 3 * units
        behind = size * (1 + inputs + hidden)

        @inlined
        def tile(w, x0, x1, x2, x3, h0, h1, h2, h3, u, y0, y1, y2, y3, z0, z1, z2, z3):
            r0, r1, r2, r3 = of_gate(own, w, 0, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3)
            u0, u1, u2, u3 = of_gate(own, w, units, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3)
            n0, n1, n2, n3 = inputs_of_four(own, w, 2 * units, size, x0, x1, x2, x3, z0, z1, z2, z3)
            b = load(own, w, behind)
            rows = offset(w, size + inputs * size + 2 * units)
            b0, b1, b2, b3 = recurrent(own, rows, size, hidden, h0, h1, h2, h3, b, b, b, b)
            store(y0, u, next_h(r0, u0, n0, b0, load(own, h0, u)))
            store(y1, u, next_h(r1, u1, n1, b1, load(own, h1, u)))
            store(y2, u, next_h(r2, u2, n2, b2, load(own, h2, u)))
            store(y3, u, next_h(r3, u3, n3, b3, load(own, h3, u)))

        return tile

    def tile_of(units):
        each = 4 * -(-units // lanes)
        gates, by = (3, by_all_gates) if 3 * each <= most_sums(registers) else (1, by_one_gate)
        return by(units, recurrent_of(chains, gates * each, registers))

    full_tile, last_tile = tile_of(units), tile_of(tail or 4)

    @inlined
    def keep(s, y):
        """The new h and the turn into the state."""
        for k in range(0, padded, h_lanes):
            store(s, k, load(every_h, y, k))
        if turning:
            s[padded] = ZERO if s[padded] > HALF else ONE

    def kernel(w, x0, x1, x2, x3, y0, y1, y2, y3, s0, s1, s2, s3):
        """w: packed weights; x: (inputs,) each; y: (padded,) each, the new h; s: h (padded,), turn, each."""
        z0 = products(w, x0, x0)
        z1 = products(w, x1, x1)
        z2 = products(w, x2, x2)
        z3 = products(w, x3, x3)
        for j in range(tiles):
            u, z = j * units, j * size
            p0, p1, p2, p3 = offset(z0, z), offset(z1, z), offset(z2, z), offset(z3, z)
            full_tile(offset(w, j * whole), x0, x1, x2, x3, s0, s1, s2, s3, u, y0, y1, y2, y3, p0, p1, p2, p3)
        if tail:
            u, z = tiles * units, tiles * size
            p0, p1, p2, p3 = offset(z0, z), offset(z1, z), offset(z2, z), offset(z3, z)
            last_tile(offset(w, tiles * whole), x0, x1, x2, x3, s0, s1, s2, s3, u, y0, y1, y2, y3, p0, p1, p2, p3)
        keep(s0, y0)
        keep(s1, y1)
        keep(s2, y2)
        keep(s3, y3)

    return kernel
