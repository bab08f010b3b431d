"""Is an input fit to enter the state? The only question that native code asks of data, and it asks it of every sample."""

import numpy as np

from ..simd.reductions import count_within
from ..simd.vectors import Lanes, load

WIDTH = 16


def first_bad_vector(inputs):
    """Kernel: index of the first timestep with a value that is NaN or beyond +-limit; n where there is none."""
    lanes, quad = Lanes(WIDTH), Lanes(4)

    def kernel(x, limit, n):
        """x: (n, inputs); limit: float32, infinity to refuse NaN and nothing else."""
        size = n * inputs
        at = 0
        while at + WIDTH <= size and count_within(load(lanes, x, at), limit) == WIDTH:
            at += WIDTH
        while at + 4 <= size and count_within(load(quad, x, at), limit) == 4:
            at += 4
        while at < size and abs(x[at]) <= limit:
            at += 1
        if at < size:
            for t in range(n):
                for k in range(inputs):
                    if not abs(x[t * inputs + k]) <= limit:
                        return t
        return n

    return kernel


def first_bad_mixed(inputs, vocabularies):
    """Kernel: index of the first timestep with a value that may not be where it stands; n where there is none.

    vocabularies: (inputs,) how many indices each value may be, 0 for measurements, which may reach +-limit.
    """
    lowest = np.float32(0.0)
    rows = tuple(np.float32(size) for size in vocabularies)

    def kernel(x, limit, n):
        """x: (n, inputs); limit: float32."""
        for t in range(n):
            for k in range(inputs):
                value = x[t * inputs + k]
                if rows[k] == lowest:
                    if not abs(value) <= limit:
                        return t
                elif not (lowest <= value < rows[k] and value == np.float32(np.int32(value))):
                    return t
        return n

    return kernel


def first_bad_index(inputs):
    """Kernel: position of the first value that is no whole number from 0 to limit - 1; n where there is none."""
    lowest = np.float32(0.0)

    def kernel(x, limit, n):
        """x: (n,); limit: float32, the vocabulary's size."""
        for t in range(n):
            if not (lowest <= x[t] < limit and x[t] == np.float32(np.int32(x[t]))):
                return t
        return n

    return kernel
