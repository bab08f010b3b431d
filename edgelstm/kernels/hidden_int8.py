"""GRU and Elman layers with int8 weights and quantised activations: the siblings of `gru_f32` and `rnn_f32`.

A tile holds, for its units' gates side by side (`size` = gates * units), as float32: bias, scale of the sums of x, scale of the sums of
h; of a GRU whose reset gate comes after the product, also what of the bias of n it multiplies (units,). Then, where activations are
offset, what the sums of x and of h begin at, as int32. Then the weights' bytes, inputs before recurrent; where the reset gate comes
before the product, recurrent ones of r and z before those of n. Before the tiles stand integers a unit of x and of h.
Rows of sigmoid gates come halved in all that is float32, as `gru_cell` wants them. Integer sums are exact, so that their order does not
matter; they become float32 apart for x and h.
"""

from typing import NamedTuple

from numba import njit

from .cells import HALF, ONE, ZERO
from .gru_cell import Cell
from .packing import GROUP, HEADER, OFFSET
from .rnn_f32 import activated
from .simd.rows import first_rows
from .simd.sums import as_floats, load_sums, no_sums
from .simd.vectors import Lanes, add, fma, load, multiplied, offset, opaque, row0, row1, row2, splat, store
from .tiles_f32 import TOGETHER
from .tiles_int8 import STEPS, largest, quantiser, summer

inlined = njit(inline="always")


class Sizes(NamedTuple):
    """Constants of a layer.

    Parameters
    ----------
    inputs, hidden, padded, units, tail : int
        As `gru_f32` takes them.
    gates : int
        3, or 1 of an Elman layer.
    after : int
        Whether it is a GRU whose reset gate comes after the product.
    input_words, hidden_words : int
        Words of quantised x and h.
    form, width : str, int
        Of the dot products, and lanes of a register.
    calibrated : int
        Whether the weights begin with the integers a unit of x; else the largest magnitude of each step becomes 127.
    hoisted, turning : int
        As `gru_f32` takes them.
    cell : tuple
        What the cell takes.
    row : int
        Floats of scratch for a timestep: input products (gates*padded,), r h (padded,), quantised x, x's step, quantised h.
    """

    inputs: int
    hidden: int
    padded: int
    units: int
    tail: int
    gates: int
    after: int
    input_words: int
    hidden_words: int
    form: str
    width: int
    calibrated: int
    hoisted: int
    turning: int
    cell: tuple
    row: int
    x_stride: int
    y_stride: int

    @property
    def tiles(self):
        """Full tiles."""
        return (self.padded - self.tail) // self.units

    @property
    def offset(self):
        """Whether activations are offset, so that sums begin below zero."""
        return OFFSET[self.form] != 0

    def starts_at(self, units):
        """Floats of a tile before what its sums begin at."""
        return 3 * self.gates * units + (units if self.after else 0)

    def weights_at(self, units):
        """Bytes of a tile before its weights."""
        return 4 * (self.starts_at(units) + (2 * self.gates * units if self.offset else 0))

    def recurrent_at(self, units):
        """Bytes of a tile before its recurrent weights."""
        return self.weights_at(units) + self.input_words * GROUP[self.form] * self.gates * units

    @property
    def tile_floats(self):
        """Floats of a full tile."""
        return self.recurrent_at(self.units) // 4 + self.hidden_words * GROUP[self.form] * self.gates * self.units // 4

    @property
    def reset_at(self):
        """Where a row of scratch has the product of r and h, in floats."""
        return self.gates * self.padded

    @property
    def xq_at(self):
        """Where it has the quantised x."""
        return self.reset_at + self.padded

    @property
    def hq_at(self):
        """Where it has the quantised h; before it stands x's step."""
        return self.xq_at + (self.input_words + 3) // 4 * 4 + 4


def placement(form):
    """An inlined function (place): where activations are read from.

    Without vectors LLVM 22 reads wrong numbers on RISC-V where it sees that words are bytes just written.
    """

    @inlined
    def placed(place):
        return opaque(place) if form == "generic" else place

    return placed


class Sums:
    """Inlined functions that quantise, and that multiply: input and recurrent products of a tile as float32."""

    def __init__(self, sizes):
        self.sizes = sizes
        apart = sizes.form == "vnni" and (sizes.width > 8 or not sizes.turning)
        early = apart and bool(sizes.turning)
        self.add_x, self.add_x_together = summer(sizes.form, sizes.width, sizes.input_words, apart, early)
        self.add_h = summer(sizes.form, sizes.width, sizes.hidden_words, apart, early)[0]
        self.placed = placement(sizes.form)
        quantise, placed = quantiser(sizes.form, sizes.padded), self.placed

        @inlined
        def quantise_h(place, h, steps):
            return placed(quantise(place, h, steps))

        self.quantise_h = quantise_h

    def preparation(self):
        """An inlined function (w, x, row of scratch): quantise a timestep's x. w: the layer's header."""
        sizes = self.sizes
        quantise, largest_of = quantiser(sizes.form, sizes.inputs), largest(sizes.inputs)
        calibrated, xq_at, step_at = sizes.calibrated, sizes.xq_at, sizes.hq_at - 1

        @inlined
        def prepare(w, x, zt):
            most = STEPS if calibrated else largest_of(x)
            quantise(offset(zt, xq_at), x, w[0] if calibrated else STEPS / most)
            zt[step_at] = ONE if calibrated else most / STEPS

        return prepare

    def of_inputs(self, gates, units):
        """(one, together): bias and input products of a tile, of one timestep and of many, to scratch."""
        sizes, add_x, add_x_together, placed = self.sizes, self.add_x, self.add_x_together, self.placed
        size, at, row = sizes.gates * units, sizes.weights_at(units), sizes.row
        starts_at, offset_activations, xq_at, step_at = sizes.starts_at(units), sizes.offset, sizes.xq_at, sizes.hq_at - 1

        @inlined
        def begin(w):
            return load_sums(gates, w, starts_at) if offset_activations else no_sums(gates)

        @inlined
        def floats(w, sums, zt):
            return fma(as_floats(sums), multiplied(load(gates, w, size), splat(gates, zt[step_at])), load(gates, w, 0))

        @inlined
        def one(w, zt):
            return floats(w, add_x(begin(w), w, at, placed(offset(zt, xq_at)), size), zt)

        @inlined
        def together(w, z, place, steps):
            for t in range(0, steps, TOGETHER):
                z0 = offset(z, t * row)
                z1 = offset(z0, row)
                z2 = offset(z1, row)
                z3 = offset(z2, row)
                start = begin(w)
                s0, s1, s2, s3 = add_x_together(start, start, start, start, w, at, placed(offset(z0, xq_at)), row, size)
                store(z0, place, floats(w, s0, z0))
                store(z1, place, floats(w, s1, z1))
                store(z2, place, floats(w, s2, z2))
                store(z3, place, floats(w, s3, z3))

        return one, together

    def of_state(self, gates, units, rows, first=0):
        """An inlined function (w, of_h): recurrent products of `rows` gates of a tile from gate `first` on, times their scales."""
        sizes, add_h = self.sizes, self.add_h
        byte = sizes.recurrent_at(units) + sizes.hidden_words * GROUP[sizes.form] * first * units
        starts_at = sizes.starts_at(units) + (sizes.gates + first) * units
        scale_at, offset_activations = (2 * sizes.gates + first) * units, sizes.offset

        @inlined
        def products(w, of_h):
            start = load_sums(gates, w, starts_at) if offset_activations else no_sums(gates)
            return multiplied(as_floats(add_h(start, w, byte, of_h, rows * units)), load(gates, w, scale_at))

        return products


def walker(sizes, sums, together, tail_together, step):
    """The kernel whose steps of all tiles are `step(w, h, y, zt, ready, backwards)`, and whose input products are taken by the others."""
    padded, tiles, row = sizes.padded, sizes.tiles, sizes.row
    hoisted, turning, x_stride, y_stride = sizes.hoisted, sizes.turning, sizes.x_stride, sizes.y_stride
    size, tail, tile_floats = sizes.gates * sizes.units, sizes.tail, sizes.tile_floats
    prepare = sums.preparation()

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), turn; z: (n, row)."""
        steps = n // TOGETHER * TOGETHER if hoisted else 0
        tiles_at = offset(w, HEADER)
        for t in range(n):
            prepare(w, offset(x, t * x_stride), offset(z, t * row))
        if hoisted:
            for j in range(tiles):
                together(offset(tiles_at, j * tile_floats), z, j * size, steps)
            if tail:
                tail_together(offset(tiles_at, tiles * tile_floats), z, tiles * size, steps)
        backwards = turning and s[padded] > HALF
        for t in range(n):
            step(w, tiles_at, s, offset(y, t * y_stride), offset(z, t * row), t < steps, backwards)
            backwards = turning and not backwards
        if turning:
            s[padded] = ONE if backwards else ZERO

    return kernel


def gru_int8_dynamic(**constants):
    """Kernel of one GRU layer. constants: `Sizes`."""
    sizes = Sizes(**constants)
    sums = Sums(sizes)
    together, tile, reset_tile, new_tile = _gru_tiles(sizes, sums, sizes.units)
    tail_together, tail_tile, tail_reset_tile, tail_new_tile = _gru_tiles(sizes, sums, sizes.tail or 4)
    units, tail, tiles, tile_floats = sizes.units, sizes.tail, sizes.tiles, sizes.tile_floats
    quantise, hq_at, reset_at = sums.quantise_h, sizes.hq_at, sizes.reset_at
    done, last_at = tiles * units, tiles * tile_floats

    @inlined
    def after(w, at, h, y, zt, ready, backwards):
        of_h = quantise(offset(zt, hq_at), h, w[1])
        for i in range(tiles):
            j = tiles - 1 - i if backwards else i
            k = j * units
            tile(offset(at, j * tile_floats), of_h, offset(h, k), offset(y, k), zt, 3 * k, ready)
        if tail:
            tail_tile(offset(at, last_at), of_h, offset(h, done), offset(y, done), zt, 3 * done, ready)

    @inlined
    def before(w, at, h, y, zt, ready, backwards):
        of_h = quantise(offset(zt, hq_at), h, w[1])
        for i in range(tiles):
            k = i * units
            reset_tile(offset(at, i * tile_floats), of_h, offset(h, k), zt, 3 * k, reset_at + k, ready)
        if tail:
            tail_reset_tile(offset(at, last_at), of_h, offset(h, done), zt, 3 * done, reset_at + done, ready)
        of_h = quantise(offset(zt, hq_at), offset(zt, reset_at), w[1])
        for i in range(tiles):
            k = i * units
            new_tile(offset(at, i * tile_floats), of_h, offset(h, k), offset(y, k), zt, 3 * k)
        if tail:
            tail_new_tile(offset(at, last_at), of_h, offset(h, done), offset(y, done), zt, 3 * done)

    return walker(sizes, sums, together, tail_together, after if sizes.after else before)


def _gru_tiles(sizes, sums, units):
    """Inlined functions of tiles of `units` units: input products of many steps; a step; and its two halves if the reset comes first."""
    gates, two, lanes, size = Lanes(units, 3), Lanes(units, 2), Lanes(units), 3 * units
    one, together = sums.of_inputs(gates, units)
    all_rows, of_r_and_z, of_n = sums.of_state(gates, units, 3), sums.of_state(two, units, 2), sums.of_state(lanes, units, 1, 2)
    cell = Cell(*sizes.cell)
    next_h, (seen, next_h_of_seen) = cell.after(), cell.before()

    @inlined
    def tile(w, of_h, h, y, zt, place, ready):
        a = load(gates, zt, place) if ready else one(w, zt)
        b = all_rows(w, of_h)
        z, of_bias = add(a, b), add(row2(b), load(lanes, w, 3 * size))
        new = next_h(row0(z), row1(z), row2(a), of_bias, load(lanes, h, 0))
        store(h, 0, new)
        store(y, 0, new)

    @inlined
    def reset_tile(w, of_h, h, zt, place, reset_at, ready):
        a = load(gates, zt, place) if ready else one(w, zt)
        z = add(first_rows(two, a), of_r_and_z(w, of_h))
        store(zt, reset_at, seen(row0(z), load(lanes, h, 0)))
        store(zt, place + units, row1(z))
        store(zt, place + 2 * units, row2(a))

    @inlined
    def new_tile(w, of_h, h, y, zt, place):
        n = add(load(lanes, zt, place + 2 * units), of_n(w, of_h))
        new = next_h_of_seen(load(lanes, zt, place + units), n, load(lanes, h, 0))
        store(h, 0, new)
        store(y, 0, new)

    return together, tile, reset_tile, new_tile


def rnn_int8_dynamic(**constants):
    """Kernel of one Elman layer. constants: `Sizes`."""
    sizes = Sizes(**constants)
    sums, new = Sums(sizes), activated(*sizes.cell)
    (together, tile), (tail_together, tail_tile) = (_rnn_tiles(sizes, sums, units, new) for units in (sizes.units, sizes.tail or 4))
    units, tail, tiles, tile_floats, quantise, hq_at = sizes.units, sizes.tail, sizes.tiles, sizes.tile_floats, sums.quantise_h, sizes.hq_at
    done, last_at = tiles * units, tiles * tile_floats

    @inlined
    def step(w, at, h, y, zt, ready, backwards):
        of_h = quantise(offset(zt, hq_at), h, w[1])
        for i in range(tiles):
            j = tiles - 1 - i if backwards else i
            tile(offset(at, j * tile_floats), of_h, offset(h, j * units), offset(y, j * units), zt, j * units, ready)
        if tail:
            tail_tile(offset(at, last_at), of_h, offset(h, done), offset(y, done), zt, done, ready)

    return walker(sizes, sums, together, tail_together, step)


def _rnn_tiles(sizes, sums, units, new):
    """Inlined functions of tiles of `units` units: input products of many steps, and a step."""
    lanes = Lanes(units)
    one, together = sums.of_inputs(lanes, units)
    products = sums.of_state(lanes, units, 1)

    @inlined
    def tile(w, of_h, h, y, zt, place, ready):
        a = load(lanes, zt, place) if ready else one(w, zt)
        value = new(add(a, products(w, of_h)))
        store(h, 0, value)
        store(y, 0, value)

    return together, tile
