"""One GRU layer in float32.

Weights are packed in tiles of some units. A tile holds, for each row k of [bias, inputs], the three gates r z n of its units side by
side: `size` = 3 * units floats a row. Where the reset gate comes after the product, rows of recurrent weights follow in the same form,
and behind them what of the bias of n it multiplies; where it comes before, rows of r and z alone, and then those of n.
A tile's pre-activations stay in registers over all k. They are summed in the order bias, inputs, recurrent on every path below, so that
any cut of a sequence into blocks gives the same bits. Rows of sigmoid gates come halved, as `gru_cell` wants them.
Rows of inputs and recurrent weights may be in half precision: half as many floats. All else is float32.
"""

from typing import NamedTuple

from numba import njit

from .cells import HALF, ONE, ZERO
from .gru_steps import after_product, before_product
from .simd.vectors import Lanes, load, offset, store
from .tiles_f32 import products_of
from .together_f32 import TOGETHER, together

inlined = njit(inline="always")


class Sizes(NamedTuple):
    """Constants of a layer.

    Parameters
    ----------
    inputs, hidden : int
        Sizes of x and h.
    padded : int
        hidden, rounded up to what the tiles cover.
    units, tail : int
        Units of the full tiles, and of the last, narrower one (0: none).
    reset_after : int
        Whether the reset gate multiplies the product with h, or h itself.
    walk : tuple of int
        hoisted, turning: as `lstm_f32.Sizes` has them.
    sums : tuple of int
        paired, chains, ahead: as `tiles_f32.multiplication` takes them.
    cell : tuple
        What `gru_cell.Cell` takes.
    x_stride, y_stride : int
        Floats from one timestep to the next.
    halves : int
        Whether weights are in half precision.
    table : int
        As `tiles_f32.products_of` takes it. x is then an index, and tiles have no rows of inputs.
    filled : int
        As `lstm_f32.Sizes` has it.
    """

    inputs: int
    hidden: int
    padded: int
    units: int
    tail: int
    reset_after: int
    walk: tuple
    sums: tuple
    cell: tuple
    x_stride: int
    y_stride: int
    halves: int = 0
    table: int = 0
    filled: int = 0

    @property
    def tiles(self):
        """Full tiles."""
        return (self.padded - self.tail) // self.units

    @property
    def z_row(self):
        """Floats of scratch for a timestep."""
        return (3 if self.reset_after else 4) * self.padded

    @property
    def last(self):
        """Units of the last tile."""
        return self.tail or self.units

    def lanes_of(self, units, rows=1):
        """Lanes of some of a tile's gates."""
        return Lanes((units or 4) + (self.filled if units == self.last else 0), rows, units or 4)

    def gates_of(self, units):
        """Lanes of all gates of a tile, floats of its bias, floats of a row of its weights, and of the whole tile."""
        size = 3 * units
        row = size // 2 if self.halves else size
        return self.lanes_of(units, 3), size, row, size + (self.inputs + self.hidden) * row + (units if self.reset_after else 0)


def hoister(sizes):
    """An inlined function (w, x, z, steps): bias and input products of so many timesteps of a block, a multiple of TOGETHER, to z."""
    tiles, tail, inputs, x_stride, z_row = sizes.tiles, sizes.tail, sizes.inputs, sizes.x_stride, sizes.z_row
    (_, size, _, whole), (_, tail_size, _, _) = sizes.gates_of(sizes.units), sizes.gates_of(tail)
    of_tile, of_tail = (together(floats or 4, sizes.sums[0], sizes.halves, sizes.walk[0]) for floats in (size, tail_size))

    @inlined
    def hoist(w, x, z, steps):
        for j in range(tiles):
            of_tile(offset(w, j * whole), x, x_stride, offset(z, j * size), z_row, inputs, steps)
        if tail:
            of_tail(offset(w, tiles * whole), x, x_stride, offset(z, tiles * size), z_row, inputs, steps)

    return hoist


def gru_f32(**constants):
    """Kernel of one layer. constants: `Sizes`."""
    sizes = Sizes(**constants)
    (hoisted, turning), table, padded, x_stride, y_stride = sizes.walk, sizes.table, sizes.padded, sizes.x_stride, sizes.y_stride
    z_stride = sizes.z_row if hoisted else 0
    hoist, step, products = hoister(sizes), (after_product if sizes.reset_after else before_product)(sizes), products_of(table, 3 * padded)
    h_lanes = padded if padded <= 64 else 4
    every_h = Lanes(h_lanes)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), turn; z: (n or 1, z_row)."""
        ready_steps = n // TOGETHER * TOGETHER if hoisted else 0
        if hoisted:
            hoist(w, x, z, ready_steps)
        h = s
        backwards = turning and s[padded] > HALF
        for t in range(n):
            yt = offset(y, t * y_stride)
            xt, zt = offset(x, t * x_stride), offset(z, t * z_stride)
            step(w, xt, h, yt, products(w, xt, zt), zt, table or t < ready_steps, backwards)
            h = yt
            backwards = turning and not backwards
        if turning:
            s[padded] = ONE if backwards else ZERO
        for k in range(0, padded, h_lanes):
            store(s, k, load(every_h, h, k))

    return kernel
