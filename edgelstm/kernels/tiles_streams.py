"""Sums of one tile for four streams in float32: each row of weights is loaded once, and multiplied by a value of every stream.

Every stream's sums are taken in the order of `tiles_f32`, so that they have the same bits.
"""

from numba import njit

from .simd.vectors import add, fma, load, offset, splat, zero

inlined = njit(inline="always")


@inlined
def products_of_four(gates, w, size, count, x0, x1, x2, x3, a0, a1, a2, a3):
    """a + w x of four streams. w: (count, size), of which `gates` are taken; x: (count,) each."""
    for k in range(count):
        row = load(gates, w, k * size)
        a0 = fma(row, splat(gates, x0[k]), a0)
        a1 = fma(row, splat(gates, x1[k]), a1)
        a2 = fma(row, splat(gates, x2[k]), a2)
        a3 = fma(row, splat(gates, x3[k]), a3)
    return a0, a1, a2, a3


@inlined
def products_in_two_chains(gates, w, size, count, x0, x1, x2, x3, a0, a1, a2, a3):
    """The same with odd rows summed apart, as `tiles_f32.multiplication` sums them."""
    b0 = b1 = b2 = b3 = zero(gates)
    fours = count // 4 * 4
    for k in range(0, fours, 2):
        row = load(gates, w, k * size)
        a0 = fma(row, splat(gates, x0[k]), a0)
        a1 = fma(row, splat(gates, x1[k]), a1)
        a2 = fma(row, splat(gates, x2[k]), a2)
        a3 = fma(row, splat(gates, x3[k]), a3)
        row = load(gates, w, (k + 1) * size)
        b0 = fma(row, splat(gates, x0[k + 1]), b0)
        b1 = fma(row, splat(gates, x1[k + 1]), b1)
        b2 = fma(row, splat(gates, x2[k + 1]), b2)
        b3 = fma(row, splat(gates, x3[k + 1]), b3)
    for k in range(fours, count):
        row = load(gates, w, k * size)
        a0 = fma(row, splat(gates, x0[k]), a0)
        a1 = fma(row, splat(gates, x1[k]), a1)
        a2 = fma(row, splat(gates, x2[k]), a2)
        a3 = fma(row, splat(gates, x3[k]), a3)
    return add(a0, b0), add(a1, b1), add(a2, b2), add(a3, b3)


def sums_of_four(inputs, hidden, two_chains, table):
    """An inlined function: the sums of some gates of a tile for four streams.

    (gates, w, at, size, x0 … x3, h0 … h3, z0 … z3): `gates` from float `at` of each row on; z: input products, where they are ready.
    """
    recurrent = products_in_two_chains if two_chains else products_of_four

    @inlined
    def sums(gates, w, at, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3):
        if table:
            a0, a1, a2, a3 = load(gates, z0, at), load(gates, z1, at), load(gates, z2, at), load(gates, z3, at)
        else:
            a0 = load(gates, w, at)
            a0, a1, a2, a3 = products_of_four(gates, offset(w, size + at), size, inputs, x0, x1, x2, x3, a0, a0, a0, a0)
        rows = offset(w, size + inputs * size + at)
        return recurrent(gates, rows, size, hidden, h0, h1, h2, h3, a0, a1, a2, a3)

    return sums
