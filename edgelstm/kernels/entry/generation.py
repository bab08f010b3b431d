"""Tokens out of a model that reads its own answers: a step, a token drawn from what it answers, and that token as the next sample.

A draw depends on the seed, the number of steps taken and the answer, and on nothing else: any cut of a text into calls gives the same
text, and so does a snapshot. Everything behind exp and log is arithmetic of integers: the same answers give the same token on every CPU.
"""

import numpy as np
from numba import njit

from .. import activations
from ..activations import HEAVIEST
from ..elementwise_f32 import chunks
from ..simd.addresses import floats_at, peek_i32, poke_i32, run_step, steps_taken
from ..simd.reductions import highest
from ..simd.vectors import load, splat, store

inlined = njit(inline="always")

ZERO, ONE = np.float32(0.0), np.float32(1.0)

#: Bits behind the point of the share that the kept tokens have at least.
SHARE_BITS = 16

#: splitmix64 (Steele, Lea and Flood 2014): increment and multipliers.
GOLDEN, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@inlined
def mixed(given):
    """splitmix64's finaliser of a uint64."""
    first = (given ^ (given >> np.uint64(30))) * FIRST
    second = (first ^ (first >> np.uint64(27))) * SECOND
    return second ^ (second >> np.uint64(31))


@inlined
def random(seed, taken):
    """The random number, uint64, of a step."""
    return mixed(mixed(np.uint64(seed)) + np.uint64(taken) * GOLDEN)


@inlined
def share_of(whole, number):
    """whole * number / 2**64, rounded down, of which the upper half of `number` counts: it moves little where `whole` does."""
    upper = np.int64(number >> np.uint64(32))
    return ((upper * (whole >> 16)) >> 16) + ((upper * (whole & 0xFFFF)) >> 32)


def drawing(size, probabilities):
    """Inlined functions over answers y (size,): the index of the largest; and one drawn, with (size,) floats of scratch."""
    lanes, width, full, rest_lanes, rest = chunks(size)
    weight = activations.probability_weight if probabilities else activations.score_weight

    @inlined
    def largest(y):
        top = highest(load(lanes, y, 0))
        for k in range(width, full, width):
            top = max(top, highest(load(lanes, y, k)))
        if rest:
            top = max(top, highest(load(rest_lanes, y, full)))
        return top

    @inlined
    def likeliest(y):
        top, k = largest(y), 0
        while k < size - 1 and y[k] != top:
            k += 1
        return k

    @inlined
    def weigh(y, z, sharpness):
        top = largest(y)
        for k in range(0, full, width):
            store(z, k, weight(load(lanes, y, k), splat(lanes, top), splat(lanes, sharpness)))
        if rest:
            store(z, full, weight(load(rest_lanes, y, full), splat(rest_lanes, top), splat(rest_lanes, sharpness)))

    @inlined
    def summed(z):
        all_weights = 0
        for k in range(size):
            all_weights += np.int64(np.int32(z[k]))
        return all_weights

    @inlined
    def reached(z, least, counted):
        """How many weights are `least` or more, or what they sum to."""
        found = 0
        for k in range(size):
            found += (1 if counted else np.int64(np.int32(z[k]))) if z[k] >= least else 0
        return found

    @inlined
    def keep(z, wanted, counted):
        """Keep the largest weights until they are `wanted`, in number or in sum, the first of equal ones first; the others become 0."""
        low, high = 1, HEAVIEST
        while low < high:
            middle = (low + high + 1) >> 1
            if reached(z, np.float32(np.int32(middle)), counted) >= wanted:
                low = middle
            else:
                high = middle - 1
        edge = np.float32(np.int32(low))
        found = reached(z, np.float32(np.int32(low + 1)), counted)
        for k in range(size):
            if z[k] == edge and found < wanted:
                found += 1 if counted else np.int64(np.int32(edge))
            elif z[k] <= edge:
                z[k] = ZERO

    @inlined
    def drawn(y, z, sharpness, most, share, number):
        """Index of the weight in which the random number, uint64, falls. most: tokens that are kept; share: of all weights, 1 for all."""
        weigh(y, z, sharpness)
        if 0 < most < size:
            keep(z, most, True)
        if share < ONE:
            parts = np.int64(np.int32(share * np.float32(1 << SHARE_BITS)))
            keep(z, max((parts * summed(z)) >> SHARE_BITS, 1), False)
        left = share_of(summed(z), number)
        k = 0
        while k < size - 1 and left >= np.int64(np.int32(z[k])):
            left -= np.int64(np.int32(z[k]))
            k += 1
        return k

    return likeliest, drawn


def generate(size, sample, output, scratch, probabilities):
    """Kernel of `edgelstm_run_tokens`.

    Parameters
    ----------
    size : int
        Symbols that the model reads, and as many that it answers.
    sample, output, scratch : int
        Byte offsets in the arena of the sample, of the answer, and of `size` floats that no step keeps.
    probabilities : int
        Whether answers are probabilities, not scores or their logarithms.
    """
    likeliest, drawn = drawing(size, probabilities)

    def kernel(w, a, first, tokens, n, stops, stop_count, seed, sharpness, most, share):
        """w, a, tokens, stops: addresses of weights, arena, (n,) int32 and (stop_count,) int32.

        first: the token that is read first; sharpness: 1 / temperature, 0 for the likeliest token each time; most, share: as `drawn` takes
        them. Returns how many tokens were drawn before one of `stops`; that one is not among them. -1: `first` is no index.
        """
        if not 0 <= first < size:
            return -1
        token = first
        for t in range(n):
            floats_at(a + sample)[0] = np.float32(np.int32(token))
            run_step(w, a)
            y = floats_at(a + output)
            if sharpness == ZERO:
                token = likeliest(y)
            else:
                token = drawn(y, floats_at(a + scratch), sharpness, most, share, random(seed, steps_taken(floats_at(a))))
            for k in range(stop_count):
                if peek_i32(stops, 4 * k) == token:
                    return t
            poke_i32(tokens, 4 * t, token)
        return n

    return kernel
