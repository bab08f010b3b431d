"""Many timesteps: checked, cut into blocks, and handed to the fused model."""

from .memory import find_bad, run_block
from .simd import offset


def process(inputs, outputs, block, sample):
    """Kernel of `process`.

    Parameters
    ----------
    inputs, outputs : int
        Values in a sample and in an answer.
    block : int
        Most timesteps that the fused model takes at once.
    sample : int
        Offset in the arena, in floats, of the sample read last.
    """

    def kernel(w, a, x, y, n, limit, checked):
        """w: weights; a: arena; x: (n, inputs); y: (n, outputs); limit: as `checks` take it; checked: 0 to let anything in.

        Returns the index of the first timestep that is not fit to enter the state; nothing has run then. Else n.
        """
        if checked:
            first = find_bad(x, limit, n)
            if first < n:
                return first
        t = 0
        while t < n:
            count = min(block, n - t)
            run_block(w, a, offset(x, t * inputs), offset(y, t * outputs), count)
            t += count
        if n > 0:
            for k in range(inputs):
                a[sample + k] = x[(n - 1) * inputs + k]
        return n

    return kernel
