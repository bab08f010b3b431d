"""Bias and input products of several timesteps of a float32 tile: one load of a weight serves all of them."""

import numpy as np
from numba import njit

from .simd.halves import even_row, load_halves, odd_row
from .simd.vectors import Lanes, fma, lane0, lane1, lane2, lane3, load, multiplied, offset, splat, store
from .tiles_f32 import FOUR

inlined = njit(inline="always")

#: Timesteps whose input products share one pass over the input weights. Measured on Zen 4.
TOGETHER = 4

#: What makes up for that woven pairs of rows are too small.
UNIT = np.float32(2.0**112)


def together(size, paired, halves=0, strip=0):
    """An inlined function (w, x, x_stride, z, z_stride, count, steps): bias and input products of `steps` timesteps, to z.

    steps: a multiple of TOGETHER: one load of a weight serves all of these.

    Parameters
    ----------
    size : int
        Floats of a row of sums.
    paired, halves : int
        As `multiplication` takes them. Where loads are paired, values of x multiply as elements of a register.
    strip : int
        Floats of a row whose sums are taken at a time: TOGETHER times as many fill half of the registers. 0: all.
    """
    in_lanes = woven_together if halves == 2 else rows_together(load_halves if halves else load, paired)
    row = size // 2 if halves else size
    strip = min(strip, size) or size
    lanes, rest = Lanes(strip), size % strip
    rest_lanes, whole = Lanes(rest or 4), size - rest

    @inlined
    def inputs_together(w, x, x_stride, z, z_stride, count, steps):
        weights = offset(w, size)
        for at in range(0, whole, strip):
            from_row = offset(weights, at // 2 if halves else at)
            in_lanes(lanes, offset(w, at), from_row, row, x, x_stride, offset(z, at), z_stride, count, steps)
        if rest:
            from_row = offset(weights, whole // 2 if halves else whole)
            in_lanes(rest_lanes, offset(w, whole), from_row, row, x, x_stride, offset(z, whole), z_stride, count, steps)

    return inputs_together


def row_by(lane):
    """An inlined function: a row of weights times one lane of each of four timesteps' values, added to the sums of these."""

    @inlined
    def add_row(lanes, weights, v0, v1, v2, v3, z0, z1, z2, z3):
        z0 = fma(weights, lane(lanes, v0), z0)
        z1 = fma(weights, lane(lanes, v1), z1)
        z2 = fma(weights, lane(lanes, v2), z2)
        z3 = fma(weights, lane(lanes, v3), z3)
        return z0, z1, z2, z3

    return add_row


by_first, by_second, by_third, by_fourth = (row_by(lane) for lane in (lane0, lane1, lane2, lane3))


def rows_together(row_of, paired):
    """An inlined function (lanes, bias, w, row, x, x_stride, z, z_stride, count, steps), of `together` for sums side by side.

    w: their weights, `row` floats from one input's to the next one's, which `row_of` loads.
    """

    @inlined
    def in_lanes(lanes, bias, w, row, x, x_stride, z, z_stride, count, steps):
        for t in range(0, steps, TOGETHER):
            x0 = offset(x, t * x_stride)
            x1 = offset(x0, x_stride)
            x2 = offset(x1, x_stride)
            x3 = offset(x2, x_stride)
            z0 = load(lanes, bias, 0)
            z1 = z0
            z2 = z0
            z3 = z0
            fours = count // 4 * 4 if paired else 0
            for k in range(0, fours, 4):
                v0 = load(FOUR, x0, k)
                v1 = load(FOUR, x1, k)
                v2 = load(FOUR, x2, k)
                v3 = load(FOUR, x3, k)
                z0, z1, z2, z3 = by_first(lanes, row_of(lanes, w, k * row), v0, v1, v2, v3, z0, z1, z2, z3)
                z0, z1, z2, z3 = by_second(lanes, row_of(lanes, w, (k + 1) * row), v0, v1, v2, v3, z0, z1, z2, z3)
                z0, z1, z2, z3 = by_third(lanes, row_of(lanes, w, (k + 2) * row), v0, v1, v2, v3, z0, z1, z2, z3)
                z0, z1, z2, z3 = by_fourth(lanes, row_of(lanes, w, (k + 3) * row), v0, v1, v2, v3, z0, z1, z2, z3)
            for k in range(fours, count):
                weights = row_of(lanes, w, k * row)
                z0 = fma(weights, splat(lanes, x0[k]), z0)
                z1 = fma(weights, splat(lanes, x1[k]), z1)
                z2 = fma(weights, splat(lanes, x2[k]), z2)
                z3 = fma(weights, splat(lanes, x3[k]), z3)
            store(z, t * z_stride, z0)
            store(z, (t + 1) * z_stride, z1)
            store(z, (t + 2) * z_stride, z2)
            store(z, (t + 3) * z_stride, z3)

    return in_lanes


@inlined
def woven_together(lanes, bias, w, row, x, x_stride, z, z_stride, count, steps):
    """`rows_together` with weights in woven pairs of rows."""
    fours, unit = count // 4 * 4, splat(lanes, UNIT)
    for t in range(0, steps, TOGETHER):
        x0 = offset(x, t * x_stride)
        x1 = offset(x0, x_stride)
        x2 = offset(x1, x_stride)
        x3 = offset(x2, x_stride)
        z0 = load(lanes, bias, 0)
        z1 = z0
        z2 = z0
        z3 = z0
        for k in range(0, fours, 2):
            even = multiplied(even_row(lanes, w, k * row), unit)
            odd = multiplied(odd_row(lanes, w, k * row), unit)
            z0 = fma(odd, splat(lanes, x0[k + 1]), fma(even, splat(lanes, x0[k]), z0))
            z1 = fma(odd, splat(lanes, x1[k + 1]), fma(even, splat(lanes, x1[k]), z1))
            z2 = fma(odd, splat(lanes, x2[k + 1]), fma(even, splat(lanes, x2[k]), z2))
            z3 = fma(odd, splat(lanes, x3[k + 1]), fma(even, splat(lanes, x3[k]), z3))
        for k in range(fours, count):
            weights = load_halves(lanes, w, k * row)
            z0 = fma(weights, splat(lanes, x0[k]), z0)
            z1 = fma(weights, splat(lanes, x1[k]), z1)
            z2 = fma(weights, splat(lanes, x2[k]), z2)
            z3 = fma(weights, splat(lanes, x3[k]), z3)
        store(z, t * z_stride, z0)
        store(z, (t + 1) * z_stride, z1)
        store(z, (t + 2) * z_stride, z2)
        store(z, (t + 3) * z_stride, z3)
