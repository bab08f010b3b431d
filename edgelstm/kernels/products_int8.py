"""Quantised activations, and products of int8 weights and activations for one tile of a layer: what `lstm_int8` and `dense_int8` share."""

import numpy as np
from numba import njit

from .activations import magnitude
from .packing import GROUP
from .simd import Lanes, highest, load, offset
from .simd_int8 import dot_products, quantised, quantised_store, words_loader
from .sums_int8 import added, nothing

inlined = njit(inline="always")

SMALLEST = np.float32(1e-30)
LONGEST = 64

#: Forms of x86, for which LLVM unrolls nothing: up to so many times four words are taken without a loop, whose end would be guessed wrong.
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
        """Four words from word k on, whose weights begin at `byte`."""
        step = group * size
        v = load_words(activations, k)
        sums = dot0(sums, w, byte, v)
        sums = dot1(sums, w, byte + step, v)
        sums = dot2(sums, w, byte + 2 * step, v)
        return dot3(sums, w, byte + 3 * step, v)

    @inlined
    def quad_apart(both, w, byte, activations, k, size):
        """`quad`, its first and third word to one of two sums, the others to the other."""
        step, v = group * size, load_words(activations, k)
        even, odd = both
        even = dot0(even, w, byte, v)
        odd = dot1(odd, w, byte + step, v)
        even = dot2(even, w, byte + 2 * step, v)
        return even, dot3(odd, w, byte + 3 * step, v)

    taken = quad_apart if apart else quad
    if form in STRAIGHT and 0 < quads <= LONGEST_STRAIGHT:
        quads_of = in_a_row(taken, quads, group)
    else:

        @inlined
        def quads_of(sums, w, byte, activations, k, size):
            for q in range(quads):
                sums = taken(sums, w, byte + 4 * q * group * size, activations, 4 * q, size)
            return sums

    if apart:

        @inlined
        def all_quads(sums, w, byte, activations, k, size):
            even, odd = quads_of((sums, nothing(sums)), w, byte, activations, k, size)
            return added(even, odd)

    else:
        all_quads = quads_of

    @inlined
    def one(sums, w, byte, activations, size):
        sums = all_quads(sums, w, byte, activations, 0, size)
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


def in_a_row(quad, count, group):
    """`quad` for `count` times four words, as code without a loop."""
    if count == 1:
        return quad
    first, second = in_a_row(quad, count // 2, group), in_a_row(quad, count - count // 2, group)
    done = 4 * (count // 2)

    @inlined
    def both(sums, w, byte, activations, k, size):
        sums = first(sums, w, byte, activations, k, size)
        return second(sums, w, byte + done * group * size, activations, k + done, size)

    return both


def in_registers(form, width, count):
    """What `quantiser` and `summer` give, for so few activations that they never go to memory (form ``vnni``)."""
    lanes, numbers = Lanes(count), quantised(form)
    dots = dot_products(form, width, held=count // GROUP[form])

    @inlined
    def quantise(place, x, steps):
        return numbers(load(lanes, x, 0), steps)

    def of_words(first, last):
        """The products of words `first` to `last` - 1, the even ones' sums apart from the odd ones'."""
        if last - first > 1:
            low, high = of_words(first, (first + last) // 2), of_words((first + last) // 2, last)

            @inlined
            def both(sums, w, byte, activations, size):
                return high(low(sums, w, byte, activations, size), w, byte, activations, size)

            return both
        dot, ahead, odd = dots[first], first * GROUP[form], first % 2

        @inlined
        def single(sums, w, byte, activations, size):
            evens, odds = sums
            if odd:
                return evens, dot(odds, w, byte + ahead * size, activations)
            return dot(evens, w, byte + ahead * size, activations), odds

        return single

    every = of_words(0, len(dots))

    @inlined
    def add_products(sums, w, byte, activations, size):
        evens, odds = every((sums, nothing(sums)), w, byte, activations, size)
        return added(evens, odds)

    return quantise, add_products
