"""When values are due, in native code: `runtime.rates`, from the step counter in the state."""

from numba import njit

inlined = njit(inline="always")


@inlined
def values_due(taken, every, first):
    """How many values are due within the first `taken` steps; `taken` is not negative."""
    return 0 if taken < first else (taken - first) // every + 1


@inlined
def rows_passed_over(before, stride, first):
    """How many of a layer's next rows give no answer, until one does: it has read `before` rows, and answers row `first` (from 1) first."""
    past = before - first + 1
    return -past if past < 0 else (stride - past % stride) % stride


def due(every, first):
    """Kernel: how many values are due within the first `taken` steps."""

    def kernel(taken):
        return values_due(taken, every, first)

    return kernel
