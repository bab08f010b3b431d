"""Sums of one tile in float32: gates of any number, weights packed row by row, `size` floats a row.

Weights may be in half precision, two in the place of a float32, or bytes: each is converted as it is loaded. The bias is float32.
"""

import numpy as np
from numba import njit

from .simd.addresses import fetch
from .simd.halves import even_row, load_halves, odd_row
from .simd.sums import load_scaled_bytes
from .simd.vectors import Lanes, add, fma, lane0, lane1, lane2, lane3, load, multiplied, offset, opaque, splat, zero

inlined = njit(inline="always")

FOUR = Lanes(4)

#: In steps half of it: values come multiplied by the first, and sums by the second. So values below 2**71 do not overflow, and sums
#: above 2**-70 are rounded as without.
LARGER, SMALLER = np.float32(2.0**56), np.float32(2.0**-56)

#: Values of x from which on they too keep a base of their own. Counted on Cortex-A72 and A76.
LONG = 64


def products_of(table, row):
    """An inlined function (w, x, z): where the input products of a timestep are ready.

    Parameters
    ----------
    table : int
        Where behind w the products of each index begin, in floats; 0: none, and they are in z.
    row : int
        Floats for each index.
    """

    @inlined
    def in_table(w, x, z):
        return offset(w, table + int(np.int32(x[0])) * row)

    @inlined
    def in_scratch(w, x, z):
        return z

    return in_table if table else in_scratch


def multiplication(paired, chains, ahead, halves=0):
    """An inlined function (gates, w, x, count, size, a): a + w x. w: rows of weights, `size` floats from one to the next; x: (count,).

    Parameters
    ----------
    paired : int
        Whether loads keep bases of their own (`vectors.opaque`): each reaches four rows of a tile of 16 units.
    chains : int
        In how many parts, 1, 2 or 4, rows are summed apart: more than one for tiles too narrow to hide a multiply-add's latency.
    ahead : int
        How many floats ahead weights are fetched; 0: never.
    halves : int
        Whether weights are in half precision; 2: in woven pairs of rows, as many as four rows at a time take up.
    """
    if halves == 2:
        return woven_multiplication(chains, ahead)
    row = load_halves if halves else load

    @inlined
    def base(pointer):
        return opaque(pointer) if paired else pointer

    @inlined
    def four_rows(gates, w, size, v, a, b, c, d):
        """Four rows times the lanes of v, each added to the sums of its chain."""
        if ahead and halves:  # what two rows take up
            fetch(gates, w, ahead)
            fetch(gates, w, ahead + 2 * size)
        elif ahead:
            fetch(gates, w, ahead)
            fetch(gates, w, ahead + size)
            fetch(gates, w, ahead + 2 * size)
            fetch(gates, w, ahead + 3 * size)
        a = fma(row(gates, w, 0), lane0(gates, v), a)
        if chains == 4:
            b = fma(row(gates, w, size), lane1(gates, v), b)
            c = fma(row(gates, w, 2 * size), lane2(gates, v), c)
            d = fma(row(gates, w, 3 * size), lane3(gates, v), d)
        elif chains == 2:
            b = fma(row(gates, w, size), lane1(gates, v), b)
            a = fma(row(gates, w, 2 * size), lane2(gates, v), a)
            b = fma(row(gates, w, 3 * size), lane3(gates, v), b)
        else:
            a = fma(row(gates, w, size), lane1(gates, v), a)
            a = fma(row(gates, w, 2 * size), lane2(gates, v), a)
            a = fma(row(gates, w, 3 * size), lane3(gates, v), a)
        return a, b, c, d

    @inlined
    def multiply(gates, w, x, count, size, a):
        b = zero(gates)
        c = b
        d = b
        eights, fours, ones = count // 8 * 8 if paired else 0, count // 4 * 4, count % 4
        if eights:
            rows = base(w)
            values = base(x) if count > LONG else x
            for k in range(0, eights, 8):
                q = offset(rows, k * size)
                a, b, c, d = four_rows(gates, q, size, load(FOUR, values, k), a, b, c, d)
                a, b, c, d = four_rows(gates, base(offset(q, 4 * size)), size, load(FOUR, values, k + 4), a, b, c, d)
        if fours > eights:
            rows = base(offset(w, eights * size))
            for k in range(eights, fours, 4):
                a, b, c, d = four_rows(gates, offset(rows, (k - eights) * size), size, load(FOUR, x, k), a, b, c, d)
        if ones:
            rows = base(offset(w, fours * size))
            for k in range(ones):
                a = fma(row(gates, rows, k * size), splat(gates, x[fours + k]), a)
        if chains == 4:
            a = add(add(a, b), add(c, d))
        elif chains == 2:
            a = add(a, b)
        return a

    return multiply


def woven_multiplication(chains, ahead):
    """`multiplication` with weights in woven pairs of rows."""

    @inlined
    def four_rows(gates, w, size, v, a, b, c, d):
        if ahead:
            fetch(gates, w, ahead)
            fetch(gates, w, ahead + 2 * size)
        second = offset(w, 2 * size)
        a = fma(even_row(gates, w, 0), lane0(gates, v), a)
        if chains == 4:
            b = fma(odd_row(gates, w, 0), lane1(gates, v), b)
            c = fma(even_row(gates, second, 0), lane2(gates, v), c)
            d = fma(odd_row(gates, second, 0), lane3(gates, v), d)
        elif chains == 2:
            b = fma(odd_row(gates, w, 0), lane1(gates, v), b)
            a = fma(even_row(gates, second, 0), lane2(gates, v), a)
            b = fma(odd_row(gates, second, 0), lane3(gates, v), b)
        else:
            a = fma(odd_row(gates, w, 0), lane1(gates, v), a)
            a = fma(even_row(gates, second, 0), lane2(gates, v), a)
            a = fma(odd_row(gates, second, 0), lane3(gates, v), a)
        return a, b, c, d

    @inlined
    def multiply(gates, w, x, count, size, a):
        larger, fours = splat(FOUR, LARGER), count // 4 * 4
        b = zero(gates)
        c = b
        d = b
        a = multiplied(a, splat(gates, SMALLER))
        for k in range(0, fours, 4):
            a, b, c, d = four_rows(gates, offset(w, k * size), size, multiplied(load(FOUR, x, k), larger), a, b, c, d)
        for k in range(fours, count):
            a = fma(load_halves(gates, w, k * size), splat(gates, x[k] * SMALLER), a)
        if chains == 4:
            a = add(add(a, b), add(c, d))
        elif chains == 2:
            a = add(a, b)
        return multiplied(a, splat(gates, LARGER))

    return multiply


@inlined
def multiply_bytes(gates, w, byte, x, count, size, a):
    """a + w x with int8 weights and float32 x. w: (count, size) bytes from `byte`; x: (count,)."""
    for k in range(count // 4):
        v = load(FOUR, x, 4 * k)
        at = byte + 4 * k * size
        a = fma(load_scaled_bytes(gates, w, at), lane0(gates, v), a)
        a = fma(load_scaled_bytes(gates, w, at + size), lane1(gates, v), a)
        a = fma(load_scaled_bytes(gates, w, at + 2 * size), lane2(gates, v), a)
        a = fma(load_scaled_bytes(gates, w, at + 3 * size), lane3(gates, v), a)
    for k in range(count // 4 * 4, count):
        a = fma(load_scaled_bytes(gates, w, byte + k * size), splat(gates, x[k]), a)
    return a
