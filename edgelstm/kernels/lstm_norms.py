"""Layer normalisation inside a cell: sums of all gates, which must be whole before any unit can go on, -> the new cell and h.

Sums lie gate by gate, `padded` floats each. All is summed in one order whatever the width of tiles: the same bits on every CPU.
"""

import numpy as np
from numba import njit

from .cell_options import Places
from .lstm_cells import advances, held, with_cell
from .simd.reductions import total
from .simd.vectors import Lanes, elementwise, fma, load, multiplied, offset, splat, store, subtracted, zero

inlined = njit(inline="always")

#: Values that are summed side by side.
WIDTH = 16

ONE = Lanes(1)


def chunks(padded):
    """Lanes of what is taken side by side and of the rest, with the number of values before the rest and in it."""
    rest = padded % WIDTH
    return Lanes(WIDTH), Lanes(rest or 4), padded - rest, rest


def _inverse_root(x):
    """1 / sqrt(x) of a positive number: four of Newton's steps from an estimate by halving the exponent. No CPU needs a library for it."""
    y = x.inverse_root_estimate()
    for _ in range(4):
        y = y * ((x * -0.5 * y).fma(y, 1.5))
    return y


inverse_root = elementwise(_inverse_root)


def normaliser(units, padded, epsilon):
    """Two inlined functions.

    ``normalise(z, mask, rows, w, b, out)``: (z - mean) / sqrt(variance + epsilon) * w + b, all arrays (rows, padded); mean and variance
    are those of all rows together. mask: (padded,), 1 for a unit and 0 for padding.
    ``each(rows, z, mask, w, b)``: the same for each row on its own, in place.
    """
    lanes, rest_lanes, full, rest = chunks(padded)
    small = np.float32(epsilon)

    @inlined
    def deviation(lanes, z, mask, k, mean):
        return multiplied(subtracted(load(lanes, z, k), splat(lanes, mean)), load(lanes, mask, k))

    @inlined
    def summed(z, mask, rows):
        a, b = zero(lanes), zero(rest_lanes)
        for row in range(rows):
            at = offset(z, row * padded)
            for k in range(0, full, WIDTH):
                a = fma(load(lanes, at, k), load(lanes, mask, k), a)
            if rest:
                b = fma(load(rest_lanes, at, full), load(rest_lanes, mask, full), b)
        return total(a) + total(b)

    @inlined
    def squared(z, mask, rows, mean):
        a, b = zero(lanes), zero(rest_lanes)
        for row in range(rows):
            at = offset(z, row * padded)
            for k in range(0, full, WIDTH):
                d = deviation(lanes, at, mask, k, mean)
                a = fma(d, d, a)
            if rest:
                d = deviation(rest_lanes, at, mask, full, mean)
                b = fma(d, d, b)
        return total(a) + total(b)

    @inlined
    def scaled(lanes, z, k, mean, inverse, w, b, out):
        d = multiplied(subtracted(load(lanes, z, k), splat(lanes, mean)), splat(lanes, inverse))
        store(out, k, fma(d, load(lanes, w, k), load(lanes, b, k)))

    def normalise(z, mask, rows, w, b, out):
        share = np.float32(1.0) / np.float32(rows * units)
        mean = summed(z, mask, rows) * share
        variance = squared(z, mask, rows, mean) * share
        inverse = total(inverse_root(splat(ONE, variance + small)))
        for row in range(rows):
            at = row * padded
            zr, wr, br, to = offset(z, at), offset(w, at), offset(b, at), offset(out, at)
            for k in range(0, full, WIDTH):
                scaled(lanes, zr, k, mean, inverse, wr, br, to)
            if rest:
                scaled(rest_lanes, zr, full, mean, inverse, wr, br, to)

    normalise = inlined(normalise)

    @inlined
    def each(rows, z, mask, w, b):
        for row in range(rows):
            at = row * padded
            normalise(offset(z, at), mask, 1, offset(w, at), offset(b, at), offset(z, at))

    return normalise, each


def across(padded, function):
    """An inlined function (z, c, e, y): `function(lanes, z, c, e, y, k)` on all units, some from k on at a time."""
    lanes, rest_lanes, full, rest = chunks(padded)

    @inlined
    def everywhere(z, c, e, y):
        for k in range(0, full, WIDTH):
            function(lanes, z, c, e, y, k)
        if rest:
            function(rest_lanes, z, c, e, y, full)

    return everywhere


def cell_walk(options, division, padded):
    """An inlined function (z, c, e, y) for the rest of a step: sums of all gates -> new c in place, h to y.

    z: (count, padded), destroyed; behind it with "torch" the sums of h, as many; e: what belongs to the units, as `Places` has it.
    """
    add_cell, add_new_cell, to_cell, to_h = (across(padded, f) for f in _parts(options, division, padded))
    normalise, each = normaliser(options.units, padded, options.epsilon)
    at, count = Places(options, padded), options.count
    apart, joint, inside = options.norm == "torch", options.norm == "joint", options.norm == "tflite"
    stored, on_the_way = options.cell_norm == "state", options.cell_norm == "output"
    weights, biases, of_h, of_cell, last = at.weights, at.biases, at.of_h, at.of_cell, at.last

    @inlined
    def walk(z, c, e, y):
        w, b = offset(e, weights), offset(e, biases)
        if apart:
            normalise(z, e, count, w, b, z)
            normalise(offset(z, count * padded), e, count, offset(e, of_h), z, z)
        elif joint:
            normalise(z, e, count, w, b, z)
        elif inside:
            add_cell(z, c, e, y)
            each(count - 1, z, e, w, b)
        else:
            each(count, z, e, w, b)
        to_cell(z, c, e, y)
        if inside:
            add_new_cell(z, c, e, y)
            each(1, offset(z, last), e, offset(w, last), offset(b, last))
        elif stored:
            normalise(c, e, 1, offset(e, of_cell), offset(e, of_cell + padded), c)
        if on_the_way:
            normalise(c, e, 1, offset(e, of_cell), offset(e, of_cell + padded), z)
        to_h(z, c, e, y)

    return walk


def _parts(options, division, padded):
    """Inlined functions (lanes, z, c, e, y, k) on units from k on.

    The cell into the sums that are to be normalised with it, of i and f, and of o; sums -> new c; new c within its limit, and h.
    """
    inside = options.norm == "tflite"
    seen, kept = with_cell(options.peephole and inside), options.kept * padded
    stored, on_the_way = options.cell_norm == "state", options.cell_norm == "output"
    before_norm = options._replace(cell_limit=0.0) if stored else options
    next_cell, next_h = advances(before_norm, division, padded, options.peephole and not inside)
    within = elementwise(lambda c: held(c, options.cell_limit))
    at, both = Places(options, padded), not options.coupled
    second, third, last, peepholes = at.second, at.third, at.last, at.peepholes

    @inlined
    def add_cell(lanes, z, c, e, y, k):
        p, old = offset(e, peepholes + k), load(lanes, c, k)
        store(z, k, seen(lanes, load(lanes, z, k), old, p, kept))
        if both:
            store(z, padded + k, seen(lanes, load(lanes, z, padded + k), old, p, padded))

    @inlined
    def add_new_cell(lanes, z, c, e, y, k):
        store(z, last + k, seen(lanes, load(lanes, z, last + k), load(lanes, c, k), offset(e, peepholes + k), 2 * padded))

    @inlined
    def to_cell(lanes, z, c, e, y, k):
        i, f, g = load(lanes, z, k), load(lanes, z, second + k), load(lanes, z, third + k)
        store(c, k, next_cell(lanes, i, f, g, load(lanes, c, k), offset(e, peepholes + k)))

    @inlined
    def to_h(lanes, z, c, e, y, k):
        if on_the_way:
            new = load(lanes, z, k)
        else:
            new = within(load(lanes, c, k))
            store(c, k, new)
        store(y, k, next_h(lanes, load(lanes, z, last + k), new, offset(e, peepholes + k)))

    return add_cell, add_new_cell, to_cell, to_h
