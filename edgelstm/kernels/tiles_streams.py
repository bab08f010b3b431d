"""Sums of one tile for four streams in float32: each row of weights is loaded once, and multiplied by a value of every stream.

Every stream's sums are taken in the order of `tiles_f32`, so that they have the same bits.
"""

from numba import njit

from .simd.vectors import add, fma, load, offset, splat, zero

inlined = njit(inline="always")


def products_of_four(step=1):
    """An inlined function (gates, w, size, count, x0 … x3, a0 … a3): a + w x of four streams.

    w: (count, size), of which `gates` are taken; x: (count,) each. Of rows and values only every `step`-th counts.
    """

    @inlined
    def multiply(gates, w, size, count, x0, x1, x2, x3, a0, a1, a2, a3):
        for k in range(0, count, step):
            row = load(gates, w, k * size)
            a0 = fma(row, splat(gates, x0[k]), a0)
            a1 = fma(row, splat(gates, x1[k]), a1)
            a2 = fma(row, splat(gates, x2[k]), a2)
            a3 = fma(row, splat(gates, x3[k]), a3)
        return a0, a1, a2, a3

    return multiply


every_row, every_other = products_of_four(), products_of_four(2)


@inlined
def in_one_pass(gates, w, size, count, x0, x1, x2, x3, a0, a1, a2, a3):
    """`every_row` with odd rows summed apart, as `tiles_f32.multiplication` does in two chains."""
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
    at, ones = offset(w, fours * size), count - fours
    p0, p1, p2, p3 = offset(x0, fours), offset(x1, fours), offset(x2, fours), offset(x3, fours)
    a0, a1, a2, a3 = every_row(gates, at, size, ones, p0, p1, p2, p3, a0, a1, a2, a3)
    return add(a0, b0), add(a1, b1), add(a2, b2), add(a3, b3)


@inlined
def in_two_passes(gates, w, size, count, x0, x1, x2, x3, a0, a1, a2, a3):
    """The same, the odd rows in a pass of their own: half as many sums at a time."""
    fours = count // 4 * 4
    a0, a1, a2, a3 = every_other(gates, w, size, fours, x0, x1, x2, x3, a0, a1, a2, a3)
    at, ones = offset(w, fours * size), count - fours
    p0, p1, p2, p3 = offset(x0, fours), offset(x1, fours), offset(x2, fours), offset(x3, fours)
    a0, a1, a2, a3 = every_row(gates, at, size, ones, p0, p1, p2, p3, a0, a1, a2, a3)
    q0, q1, q2, q3 = offset(x0, 1), offset(x1, 1), offset(x2, 1), offset(x3, 1)
    b0 = zero(gates)
    b0, b1, b2, b3 = every_other(gates, offset(w, size), size, fours, q0, q1, q2, q3, b0, b0, b0, b0)
    return add(a0, b0), add(a1, b1), add(a2, b2), add(a3, b3)


def recurrent_of(chains, sums, registers):
    """How recurrent products are summed. chains: 1 or 2, as `tiles_f32.multiplication` takes it.

    sums: registers that hold those of all gates that are taken at a time, for four streams.
    """
    if chains == 1:
        return every_row
    return in_one_pass if 2 * sums <= most_sums(registers) else in_two_passes


def most_sums(registers):
    """How many registers may hold sums: others hold weights and what they are multiplied by."""
    return registers * 5 // 8


def sums_of_four(inputs, hidden, recurrent, table):
    """An inlined function: the sums of some gates of a tile for four streams.

    (gates, w, at, size, x0 … x3, h0 … h3, z0 … z3): `gates` from float `at` of each row on; z: input products, where they are ready.
    """

    @inlined
    def sums(gates, w, at, size, x0, x1, x2, x3, h0, h1, h2, h3, z0, z1, z2, z3):
        if table:
            a0, a1, a2, a3 = load(gates, z0, at), load(gates, z1, at), load(gates, z2, at), load(gates, z3, at)
        else:
            a0 = load(gates, w, at)
            a0, a1, a2, a3 = every_row(gates, offset(w, size + at), size, inputs, x0, x1, x2, x3, a0, a0, a0, a0)
        rows = offset(w, size + inputs * size + at)
        return recurrent(gates, rows, size, hidden, h0, h1, h2, h3, a0, a1, a2, a3)

    return sums
