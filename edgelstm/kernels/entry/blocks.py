"""Many timesteps: checked, cut into blocks, and handed to the fused model."""

from numba import njit

from ..simd.addresses import find_bad, run_block, steps_taken
from ..simd.vectors import Lanes, load, offset, store
from .rates import values_due

#: Most floats that are copied at once. Kernels read a sample in the same pieces or smaller ones: no load waits for several stores.
#: Measured on Zen 5.
WIDEST = 64


def copier(count):
    """Kernel that copies `count` floats: (target, source)."""
    width = min(count, WIDEST)
    full = count // width * width
    lanes, rest, rest_lanes = Lanes(width), count - full, Lanes(count - full or 1)

    def copy(target, source):
        for k in range(0, full, width):
            store(target, k, load(lanes, source, k))
        if rest:
            store(target, full, load(rest_lanes, source, full))

    return copy


def process(inputs, outputs, block, sample, every, first):
    """Kernel of `process`.

    Parameters
    ----------
    inputs, outputs : int
        Values in a sample and in an answer.
    block : int
        Most timesteps that the fused model takes at once.
    sample : int
        Offset in the arena, in floats, of the sample read last.
    every, first : int
        When answers are due (`layers.wire.Wire`).
    """
    each_step = every == first == 1
    copy = njit(inline="always")(copier(inputs))

    def kernel(w, a, x, y, n, limit, checked):
        """w: weights; a: arena; x: (n, inputs); y: (answers due, outputs); limit: as `checks` take it; checked: 0 to let anything in.

        Returns the index of the first timestep that is not fit to enter the state; nothing has run then. Else n.
        """
        if checked:
            bad = find_bad(x, limit, n)
            if bad < n:
                return bad
        t = 0
        if each_step:
            while t < n:
                count = min(block, n - t)
                run_block(w, a, offset(x, t * inputs), offset(y, t * outputs), count)
                t += count
        else:
            begin = values_due(steps_taken(a), every, first)
            while t < n:
                count = min(block, n - t)
                answered = values_due(steps_taken(a), every, first) - begin
                run_block(w, a, offset(x, t * inputs), offset(y, answered * outputs), count)
                t += count
        if n > 0:
            copy(offset(a, sample), offset(x, (n - 1) * inputs))
        return n

    return kernel
