"""Cells with options: a tile's sums and old state -> the new cell and h. The siblings of `cells.cell` and `cells.output`.

Where gates pass sigmoids and cells tanh, several functions share a division, as in the plain cell; sigmoid pre-activations then come
halved, and so do their peepholes and limits.
"""

from numba import njit

from .activations import TANH, formula, tanh_parts
from .cells import cell_ratio, output_ratio, quotient_of
from .cells import finisher as plain_finisher
from .simd.vectors import elementwise, fma, load, row0, row1, row2, store

inlined = njit(inline="always")


def held(x, limit):
    """x within +-limit, where there is one; a NaN stays."""
    return x.above(-limit).below(limit) if limit else x


def _coupled_ratio(coefficients, k, g, c, derived_keeps):
    """k = sigmoid(2k) weighs one of tanh(g) and c, 1 - k the other: numerator and denominator."""
    k, pk, qk = tanh_parts(k, coefficients)
    g, pg, qg = tanh_parts(g, coefficients)
    weight, rest = k.fma(pk, qk), qk - k * pk
    of_c, of_g = (rest, weight) if derived_keeps else (weight, rest)
    return (of_c * c).fma(qg, of_g * (g * pg)), (qk + qk) * qg


def cells_of(options, division):
    """The intrinsics (i, f, g, c) -> new c, or (k, g, c) where gates are coupled, and (o, c) -> h, with all limits but the projection's."""
    quotient = quotient_of(division)
    f_derived = options.coupled == "f=1-i"
    half = options.gate_limit / 2

    def coefficients(x):
        return x.in_lanes(TANH) if division else TANH

    def ratio(i, f, g, c):
        i, f, g = held(i, half), held(f, half), held(g, options.gate_limit)
        return held(quotient(*cell_ratio(coefficients(i), i, f, g, c)), options.cell_limit)

    def coupled_ratio(k, g, c):
        k, g = held(k, half), held(g, options.gate_limit)
        return held(quotient(*_coupled_ratio(coefficients(k), k, g, c, f_derived)), options.cell_limit)

    def output_of_ratio(o, c):
        o = held(o, half)
        return quotient(*output_ratio(coefficients(o), o, c))

    if options.sigmoidal:
        return elementwise(coupled_ratio if options.coupled else ratio), elementwise(output_of_ratio)

    of_i, of_f, of_o = (formula(word) for word in options.gates)
    of_g, of_c = formula(options.candidate), formula(options.output)

    def general(i, f, g, c):
        i, f, g = (held(z, options.gate_limit) for z in (i, f, g))
        return held(of_f(f).fma(c, of_i(i) * of_g(g)), options.cell_limit)

    def coupled_general(k, g, c):
        k, g = held(k, options.gate_limit), held(g, options.gate_limit)
        k = of_i(k) if f_derived else of_f(k)
        rest = k * -1.0 + 1.0
        f, i = (rest, k) if f_derived else (k, rest)
        return held(f.fma(c, i * of_g(g)), options.cell_limit)

    def output_of(o, c):
        return held(of_o(held(o, options.gate_limit)) * of_c(c), options.output_limit)

    return elementwise(coupled_general if options.coupled else general), elementwise(output_of)


def with_cell(peephole):
    """An inlined function (lanes, z, c, e, at): pre-activations z, plus c times its peepholes at e[at] if there are any."""
    if peephole:

        @inlined
        def seen(lanes, z, c, e, at):
            return fma(load(lanes, e, at), c, z)

    else:

        @inlined
        def seen(lanes, z, c, e, at):
            return z

    return seen


def advances(options, division, padded, peephole):
    """Two inlined functions: (lanes, i, f, g, c, e) -> new c, and (lanes, o, c, e) -> h.

    i, f: both the one that has sums, where gates are coupled; c: the old cell, and the new one; e: peepholes of i, f and o, `padded` apart.
    """
    cell, output = cells_of(options, division)
    seen, kept = with_cell(peephole), options.kept * padded

    if options.coupled:

        @inlined
        def next_cell(lanes, i, f, g, c, e):
            return cell(seen(lanes, i, c, e, kept), g, c)

    else:

        @inlined
        def next_cell(lanes, i, f, g, c, e):
            return cell(seen(lanes, i, c, e, 0), seen(lanes, f, c, e, padded), g, c)

    @inlined
    def next_h(lanes, o, c, e):
        return output(seen(lanes, o, c, e, 2 * padded), c)

    return next_cell, next_h


def finisher(options, division, padded, kept=0):
    """An inlined function (lanes, a, o, c, y, e): new c in place and h to y.

    a: sums of i, f and g, or of what coupling leaves of them; o: those of o; e: what belongs to the units: peepholes of i, f and o,
    `padded` apart; kept: of a plain cell, how many lanes are stored; 0: all.
    """
    rows = (row0, row1, row2)
    second, third = rows[options.count - 3], rows[options.count - 2]
    if options.plain_cell:
        plain = plain_finisher(division, kept)

        @inlined
        def finish(lanes, a, o, c, y, e):
            plain(lanes, row0(a), second(a), third(a), o, c, y)

    else:
        next_cell, next_h = advances(options, division, padded, options.peephole)

        @inlined
        def finish(lanes, a, o, c, y, e):
            new = next_cell(lanes, row0(a), second(a), third(a), load(lanes, c, 0), e)
            store(c, 0, new)
            store(y, 0, next_h(lanes, o, new, e))

    return finish
