"""Is an input fit to enter the state? The only question that native code asks of data, and it asks it of every sample."""

from math import floor

import numpy as np


def first_bad_vector(inputs):
    """Kernel: index of the first timestep with a value that is NaN or beyond +-limit; n where there is none."""

    def kernel(x, limit, n):
        """x: (n, inputs); limit: float32, infinity to refuse NaN and nothing else."""
        for t in range(n):
            good = 0
            for k in range(inputs):
                if abs(x[t * inputs + k]) <= limit:
                    good += 1
            if good != inputs:
                return t
        return n

    return kernel


def first_bad_index(inputs):
    """Kernel: position of the first value that is no whole number from 0 to limit - 1; n where there is none."""
    lowest = np.float32(0.0)

    def kernel(x, limit, n):
        """x: (n,); limit: float32, the vocabulary's size."""
        for t in range(n):
            if not (lowest <= x[t] < limit and x[t] == np.float32(floor(x[t]))):
                return t
        return n

    return kernel
