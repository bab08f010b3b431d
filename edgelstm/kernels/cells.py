"""Cells: a tile's gates and old state -> its new state. What the walks of all number forms share.

Pre-activations of sigmoid gates come halved: the factor is folded into the packed weights.
"""

import numpy as np
from numba import njit

from .activations import TANH, tanh_parts
from .simd.vectors import elementwise, load, row0, row1, store, storing

inlined = njit(inline="always")

#: The two values that tell which way to take the tiles, and what tells them apart: whatever a restored state holds, it is one of them.
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)


def cell_ratio(coefficients, i, f, g, c):
    """sigmoid(2f) c + sigmoid(2i) tanh(g) as numerator and denominator: one division for all three gates."""
    i, pi, qi = tanh_parts(i, coefficients)
    f, pf, qf = tanh_parts(f, coefficients)
    g, pg, qg = tanh_parts(g, coefficients)
    qig = qi * qg
    kept = f.fma(pf, qf) * c
    added = i.fma(pi, qi) * (g * pg)
    return kept.fma(qig, added * qf), (qf + qf) * qig


def output_ratio(coefficients, o, c):
    """sigmoid(2o) tanh(c) as numerator and denominator."""
    o, po, qo = tanh_parts(o, coefficients)
    c, pc, qc = tanh_parts(c, coefficients)
    return o.fma(po, qo) * (c * pc), (qo + qo) * qc


def _cell(i, f, g, c):
    """sigmoid(2f) c + sigmoid(2i) tanh(g)."""
    numerator, denominator = cell_ratio(TANH, i, f, g, c)
    return numerator / denominator


def _output(o, c):
    """sigmoid(2o) tanh(c)."""
    numerator, denominator = output_ratio(TANH, o, c)
    return numerator / denominator


def quotient_of(division):
    """How a numerator is divided by a denominator: `division` as `advance` takes it."""

    def quotient(numerator, denominator):
        return numerator.by_estimate(denominator) if division == "frecpe" else numerator / denominator

    return quotient


def advance(division):
    """`cell` and `output` of AArch64 in one intrinsic: i, f, g, o and c -> two rows, the new c and the new h.

    Parameters
    ----------
    division : str
        ``"fdiv"``; or ``"frecpe"`` for cores that are quicker without divisions, whose answers differ in the last bits. In both cases
        constants stand in lanes of registers.
    """
    quotient = quotient_of(division)

    def formula(i, f, g, o, c):
        coefficients = i.in_lanes(TANH)
        new = quotient(*cell_ratio(coefficients, i, f, g, c))
        return new, quotient(*output_ratio(coefficients, o, new))

    return elementwise(formula, rows=2)


cell = elementwise(_cell)
output = elementwise(_output)


def finisher(division, kept=0):
    """An inlined function (lanes, i, f, g, o, c, y): new c in place and new h to y. division: as `advance` takes it.

    kept: how many lanes are stored; 0: all.
    """
    next_state, put = advance(division), storing(kept) if kept else store
    if division:

        @inlined
        def finish(lanes, i, f, g, o, c, y):
            both = next_state(i, f, g, o, load(lanes, c, 0))
            put(c, 0, row0(both))
            put(y, 0, row1(both))

    else:

        @inlined
        def finish(lanes, i, f, g, o, c, y):
            new = cell(i, f, g, load(lanes, c, 0))
            put(c, 0, new)
            put(y, 0, output(o, new))

    return finish
