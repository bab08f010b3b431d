"""One LSTM layer in float32.

Weights are packed in tiles of some units. A tile holds, for each row k of [bias, inputs, recurrent], the four gates i f g o of its
units side by side: `size` = 4 * units floats a row. A tile's pre-activations stay in registers over all k. They are summed in the
order bias, inputs, recurrent on every path below, so that any cut of a sequence into blocks gives the same bits.
Rows of i, f and o come halved, as `cells.cell` wants them.

`CellOptions` change what a tile's sums become. Where gates are coupled, three of them have rows. Where a norm needs the sums of all tiles,
tiles leave them in scratch, and the bias is not among them; where there is a projection, h waits there for it. What options have in
numbers stands behind the tiles: what `lstm_ends.ending` takes.

Rows of inputs and recurrent weights may be in half precision: half as many floats. All else is float32.
"""

from typing import NamedTuple

from numba import njit

from .cell_options import PLAIN, CellOptions
from .cells import HALF, ONE, ZERO
from .lstm_cells import finisher
from .lstm_ends import ending
from .lstm_sums import steps_of_tiles
from .range_rounding import range_rounder
from .simd.vectors import Lanes, load, offset, store
from .tiles_f32 import products_of
from .together_f32 import TOGETHER, together

inlined = njit(inline="always")


class Sizes(NamedTuple):
    """Constants of a layer.

    Parameters
    ----------
    inputs, hidden : int
        Sizes of x and of h as the layer gives it.
    padded : int
        Units of the cell, rounded up to what the tiles cover.
    units, tail : int
        Units of the full tiles, and of the last, narrower one (0: none).
    small : int
        Whether the layer is one tile of one register a gate.
    chains : int
        Of recurrent products, as `tiles_f32.multiplication` takes it.
    ahead : int
        As `tiles_f32.multiplication` takes it.
    hoisted : int
        0, or in strips of how many floats blocks take their input products together, as `tiles_f32.together` takes it.
    turning : int
        Whether every other step takes the tiles backwards, so that the weights read last, still cached, are read first.
    paired : int
        Whether the CPU loads two registers with one instruction near a base.
    division : str
        As `cells.advance` takes it.
    x_stride, y_stride : int
        Floats from one timestep to the next.
    options : CellOptions, optional
    halves : int
        Whether weights are in half precision.
    table : int
        As `tiles_f32.products_of` takes it. x is then an index, and tiles have no rows of inputs.
    filled : int
        Lanes that are computed beyond the units of the last tile, so that it takes fewer registers.
    """

    inputs: int
    hidden: int
    padded: int
    units: int
    tail: int
    small: int
    chains: int
    ahead: int
    hoisted: int
    turning: int
    paired: int
    division: str
    x_stride: int
    y_stride: int
    options: CellOptions = PLAIN
    halves: int = 0
    table: int = 0
    filled: int = 0

    @property
    def tiles(self):
        """Full tiles."""
        return (self.padded - self.tail) // self.units

    @property
    def given(self):
        """Floats of h as the layer gives it, padded."""
        return self.options.projection or self.padded

    @property
    def z_row(self):
        """Floats of scratch for each timestep of a block."""
        return self.options.count * self.padded + self.options.room(self.padded) if self.hoisted else 0

    @property
    def work_at(self):
        """Where in them a step has what its options need."""
        return self.options.count * self.padded if self.hoisted else 0

    def lanes_of(self, units, rows=1):
        """Lanes of some of a tile's gates."""
        return Lanes((units or 4) + (self.filled if units == self.last else 0), rows, units or 4)

    @property
    def last(self):
        """Units of the last tile."""
        return self.tail or self.units

    def gates_of(self, units):
        """Lanes of all gates of a tile, floats of its bias, floats of a row of its weights, and of the whole tile."""
        size = self.options.count * units
        row = size // 2 if self.halves else size
        return self.lanes_of(units, self.options.count), size, row, size + (self.inputs + self.hidden) * row


def hoister(sizes):
    """An inlined function (w, x, z, steps): bias and input products of so many timesteps of a block, a multiple of TOGETHER, to z."""
    tiles, tail, inputs, x_stride, z_row = sizes.tiles, sizes.tail, sizes.inputs, sizes.x_stride, sizes.z_row
    (_, size, _, whole), (_, tail_size, _, _) = sizes.gates_of(sizes.units), sizes.gates_of(tail)
    of_tile, of_tail = (together(floats or 4, sizes.paired, sizes.halves, sizes.hoisted) for floats in (size, tail_size))

    @inlined
    def hoist(w, x, z, steps):
        for j in range(tiles):
            of_tile(offset(w, j * whole), x, x_stride, offset(z, j * size), z_row, inputs, steps)
        if tail:
            of_tail(offset(w, tiles * whole), x, x_stride, offset(z, tiles * size), z_row, inputs, steps)

    return hoist


def walker(sizes, finish, finish_last):
    """An inlined function (w, x, h, y, c, z, e, ready, backwards): one timestep of all tiles."""
    tiles, tail, units = sizes.tiles, sizes.tail, sizes.units
    (gates, size, row, whole), (tail_gates, tail_size, tail_row, _) = sizes.gates_of(units), sizes.gates_of(tail)
    lanes, tail_lanes = sizes.lanes_of(units), sizes.lanes_of(tail)
    full_tile, last_tile = steps_of_tiles(sizes, finish, finish_last)

    @inlined
    def walk(w, x, h, y, c, z, e, ready, backwards):
        for i in range(tiles):
            j = tiles - 1 - i if backwards else i
            u = j * units
            full_tile(
                gates, lanes, offset(w, j * whole), size, row, x, h, offset(y, u), offset(c, u), offset(z, j * size), offset(e, u), ready
            )
        if tail:
            at = offset(w, tiles * whole)
            u = tiles * units
            zu = offset(z, tiles * size)
            last_tile(tail_gates, tail_lanes, at, tail_size, tail_row, x, h, offset(y, u), offset(c, u), zu, offset(e, u), ready)

    return walk


def reader(sizes):
    """An inlined function (h, z): what recurrent products read, h or what it is rounded to in z."""
    round_h, rounded = range_rounder(sizes.hidden, 0, 0), sizes.options.rounded
    z_rounded = sizes.work_at + sizes.options.work(sizes.padded)

    @inlined
    def read(h, z):
        if rounded:
            seen = offset(z, z_rounded)
            round_h(h, seen, 1)
        else:
            seen = h
        return seen

    return read


def lstm_f32(**constants):
    """Kernel of one layer. constants: `Sizes`."""
    sizes = Sizes(**constants)
    hoisted, turning, table, x_stride, y_stride = sizes.hoisted, sizes.turning, sizes.table, sizes.x_stride, sizes.y_stride
    padded, given, z_row, work_at, work = sizes.padded, sizes.given, sizes.z_row, sizes.work_at, sizes.options.work(sizes.padded)
    behind = sizes.tiles * sizes.gates_of(sizes.units)[3] + sizes.gates_of(sizes.tail)[3]
    finish, end = ending(sizes.options, sizes.division, padded, sizes.paired)
    last = finisher(sizes.options, sizes.division, padded, sizes.last) if sizes.filled else finish
    hoist, walk, read = hoister(sizes), walker(sizes, finish, last), reader(sizes)
    products = products_of(table, sizes.options.count * padded)
    h_lanes = given if given <= 64 else 4
    every_h = Lanes(h_lanes)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (given,), c (padded,), turn; z: (n, z_row)."""
        ready_steps = n // TOGETHER * TOGETHER if hoisted else 0
        if hoisted:
            hoist(w, x, z, ready_steps)
        h = s
        c = offset(s, given)
        e = offset(w, behind)
        backwards = turning and s[given + padded] > HALF
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            zt = offset(z, t * z_row)
            to = offset(zt, work_at) if work else yt
            walk(w, xt, read(h, zt), to, c, products(w, xt, zt), e, table or t < ready_steps, backwards)
            end(to, c, e, yt)
            h = yt
            backwards = turning and not backwards
        if turning:
            s[given + padded] = ONE if backwards else ZERO
        for k in range(0, given, h_lanes):
            store(s, k, load(every_h, h, k))

    return kernel
