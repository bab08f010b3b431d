"""One Elman layer in float32.

Weights are packed in tiles of some units: for each row k of [bias, inputs, recurrent] the weights of its units. A tile's
pre-activations stay in registers over all k. They are summed in the order bias, inputs, recurrent on every path below, so that any cut
of a sequence into blocks gives the same bits.
"""

from numba import njit

from .activations import TANH
from .cells import HALF, ONE, ZERO
from .gru_cell import function
from .simd.vectors import Lanes, elementwise, load, offset, store
from .tiles_f32 import multiplication, products_of
from .together_f32 import TOGETHER, together

inlined = njit(inline="always")


def activated(word, clip, most, division):
    """The intrinsic of a layer's function. clip, most: of its argument and its value; 0: none."""
    value = function(word, division, clip=clip, most=most)
    return elementwise(lambda z: value(z, z.in_lanes(TANH) if division else TANH))


def rnn_f32(inputs, hidden, padded, units, tail, walk, sums, cell, x_stride, y_stride, table=0):
    """Kernel of one layer.

    Parameters
    ----------
    inputs, hidden, padded, units, tail : int
        As `gru_f32.Sizes` has them.
    walk, sums : tuple of int
        As `gru_f32.Sizes` has them.
    cell : tuple
        What `activated` takes.
    x_stride, y_stride : int
        Floats from one timestep to the next.
    table : int
        As `products_of` takes it. x is then an index, and tiles have no rows of inputs.
    """
    (hoisted, turning), (paired, chains, ahead) = walk, sums
    lanes, tail_lanes = Lanes(units), Lanes(tail or 4)
    tiles = (padded - tail) // units
    rows = 1 + inputs + hidden
    multiply, recurrent = multiplication(paired, 1, ahead), multiplication(paired, chains, ahead)
    new, products = activated(*cell), products_of(table, padded)
    of_tile, of_tail = together(units, paired, 0, hoisted), together(tail or 4, paired, 0, hoisted)
    h_lanes = padded if padded <= 64 else 4
    every_h = Lanes(h_lanes)

    @inlined
    def tile(lanes, w, units, x, h, y, z, ready):
        """One tile's step: its new h to y. z: input products, if they are ready."""
        a = load(lanes, z, 0) if ready else multiply(lanes, offset(w, units), x, inputs, units, load(lanes, w, 0))
        store(y, 0, new(recurrent(lanes, offset(w, (1 + inputs) * units), h, hidden, units, a)))

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), turn; z: (n, padded)."""
        ready_steps = n // TOGETHER * TOGETHER if hoisted else 0
        last, done = offset(w, tiles * rows * units), tiles * units
        if hoisted:
            for j in range(tiles):
                of_tile(offset(w, j * rows * units), x, x_stride, offset(z, j * units), padded, inputs, ready_steps)
            if tail:
                of_tail(last, x, x_stride, offset(z, done), padded, inputs, ready_steps)
        h = s
        backwards = turning and s[padded] > HALF
        for t in range(n):
            xt, yt, zt = offset(x, t * x_stride), offset(y, t * y_stride), offset(z, t * padded)
            zx, ready = products(w, xt, zt), table or t < ready_steps
            for i in range(tiles):
                j = tiles - 1 - i if backwards else i
                tile(lanes, offset(w, j * rows * units), units, xt, h, offset(yt, j * units), offset(zx, j * units), ready)
            if tail:
                tile(tail_lanes, last, tail, xt, h, offset(yt, done), offset(zx, done), ready)
            h = yt
            backwards = turning and not backwards
        if turning:
            s[padded] = ONE if backwards else ZERO
        for k in range(0, padded, h_lanes):
            store(s, k, load(every_h, h, k))

    return kernel
