"""Sums of one tile in integers: quantised activations, and products of int8 weights and activations. LSTM and Dense layers share them."""

import numpy as np
from numba import njit

from .activations import magnitude
from .chunks import LONGEST
from .packing import GROUP
from .simd.dots import dot_products, quantised, quantised_store, words_loader
from .simd.reductions import highest
from .simd.sums import added, nothing
from .simd.vectors import Lanes, load, offset

inlined = njit(inline="always")

#: Steps of an activation of magnitude 1, or of the largest x of a timestep, which counts as no smaller than this.
STEPS, SMALLEST = np.float32(127.0), np.float32(1e-30)

#: Forms of x86, for which LLVM unrolls nothing: up to so many times four words are taken without a loop, whose end would be guessed wrong.
#: Measured on Zen 5.
STRAIGHT, LONGEST_STRAIGHT = ("vnni", "pmaddwd"), 8


def quantiser(form, count):
    """An inlined function (place, x, steps): x (count,) to activations at `place`, which it returns."""
    put = quantised_store(form)
    width = min(count, LONGEST)
    full = count // width * width
    lanes, rest, rest_lanes = Lanes(width), count - full, Lanes(count - full or 1)

    @inlined
    def quantise(place, x, steps):
        for k in range(0, full, width):
            put(place, k, load(lanes, x, k), steps)
        if rest:
            put(place, full, load(rest_lanes, x, full), steps)
        return place

    return quantise


def largest(count):
    """An inlined function: the largest magnitude in x (count,)."""
    width = min(count, LONGEST)
    full = count // width * width
    lanes, rest, rest_lanes = Lanes(width), count - full, Lanes(count - full or 1)

    @inlined
    def find(x):
        most = SMALLEST
        for k in range(0, full, width):
            most = max(most, highest(magnitude(load(lanes, x, k))))
        if rest:
            most = max(most, highest(magnitude(load(rest_lanes, x, full))))
        return most

    return find


def summer(form, width, words, apart=False, early=False):
    """Inlined functions that add products of a tile's weights and `words` words of activations to sums, for one timestep and for TOGETHER.

    ``one(sums, w, byte, activations, size)``; ``four(s0, s1, s2, s3, w, byte, activations, stride, size)``, where the activations of the
    next timestep stand `stride` floats further on. apart: whether `one` keeps two sums of each, so that fewer products
    wait for one another; early: as for `dot_products`.
    """
    dot0, dot1, dot2, dot3 = dot_products(form, width, early)
    load_words = words_loader(form)
    group, quads = GROUP[form], words // 4

    @inlined
    def quad(sums, w, byte, activations, k, size):
        """Words k to k + 3."""
        step, v = group * size, load_words(activations, k)
        byte = byte + k * step
        sums = dot0(sums, w, byte, v)
        sums = dot1(sums, w, byte + step, v)
        sums = dot2(sums, w, byte + 2 * step, v)
        return dot3(sums, w, byte + 3 * step, v)

    @inlined
    def quad_apart(both, w, byte, activations, k, size):
        """`quad`, its first and third word to one of two sums, the others to the other."""
        step, v = group * size, load_words(activations, k)
        byte = byte + k * step
        even, odd = both
        even = dot0(even, w, byte, v)
        odd = dot1(odd, w, byte + step, v)
        even = dot2(even, w, byte + 2 * step, v)
        return even, dot3(odd, w, byte + 3 * step, v)

    taken = quad_apart if apart else quad

    def taken_at(k):
        @inlined
        def at_k(sums, w, byte, activations, size):
            return taken(sums, w, byte, activations, k, size)

        return at_k

    if form in STRAIGHT and 0 < quads <= LONGEST_STRAIGHT:
        quads_of = in_a_row([taken_at(4 * q) for q in range(quads)])
    else:

        @inlined
        def quads_of(sums, w, byte, activations, size):
            for q in range(quads):
                sums = taken(sums, w, byte, activations, 4 * q, size)
            return sums

    all_quads = from_apart(quads_of) if apart else quads_of

    @inlined
    def one(sums, w, byte, activations, size):
        sums = all_quads(sums, w, byte, activations, size)
        for k in range(4 * quads, words):
            sums = dot0(sums, w, byte + k * group * size, load_words(activations, k))
        return sums

    @inlined
    def four(s0, s1, s2, s3, w, byte, activations, stride, size):
        a1 = offset(activations, stride)
        a2 = offset(a1, stride)
        a3 = offset(a2, stride)
        for k in range(words):
            at = byte + k * group * size
            s0 = dot0(s0, w, at, load_words(activations, k))
            s1 = dot0(s1, w, at, load_words(a1, k))
            s2 = dot0(s2, w, at, load_words(a2, k))
            s3 = dot0(s3, w, at, load_words(a3, k))
        return s0, s1, s2, s3

    return one, four


def in_a_row(parts):
    """Inlined functions (sums, w, byte, activations, size), one after another, as code without a loop."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    first, second = in_a_row(parts[:half]), in_a_row(parts[half:])

    @inlined
    def both(sums, w, byte, activations, size):
        return second(first(sums, w, byte, activations, size), w, byte, activations, size)

    return both


def from_apart(of_both):
    """An inlined function that adds to sums what `of_both` adds to a pair of them."""

    @inlined
    def add_products(sums, w, byte, activations, size):
        even, odd = of_both((sums, nothing(sums)), w, byte, activations, size)
        return added(even, odd)

    return add_products


def in_registers(form, width, count):
    """What `quantiser` and `summer` (apart) give, for so few activations that they never go to memory (form ``vnni``)."""
    lanes, numbers, group = Lanes(count), quantised(form), GROUP[form]
    dots = dot_products(form, width, held=count // group)

    @inlined
    def quantise(place, x, steps):
        return numbers(load(lanes, x, 0), steps)

    def word(k):
        dot, odd_word = dots[k], k % 2

        @inlined
        def at_k(both, w, byte, activations, size):
            even, odd = both
            if odd_word:
                return even, dot(odd, w, byte + k * group * size, activations)
            return dot(even, w, byte + k * group * size, activations), odd

        return at_k

    return quantise, from_apart(in_a_row([word(k) for k in range(len(dots))]))
