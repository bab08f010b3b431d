"""Quantised activations, and sums of products as float32, of GRU and Elman layers: what `hidden_int8` walks over.

`Sizes` has the constants of such a layer, and where its weights and its scratch keep things.
"""

from typing import NamedTuple

from numba import njit

from .cells import ONE
from .packing import GROUP, OFFSET
from .simd.sums import as_floats, load_sums, no_sums
from .simd.vectors import fma, load, multiplied, offset, splat, store
from .tiles_int8 import STEPS, largest, quantiser, summer
from .together_f32 import TOGETHER

inlined = njit(inline="always")


class Sizes(NamedTuple):
    """Constants of a layer.

    Parameters
    ----------
    inputs, hidden, padded, units, tail : int
        As `gru_f32.Sizes` has them.
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
        As `gru_f32.Sizes` has them.
    cell : tuple
        What the cell takes.
    row : int
        Floats of scratch for a timestep: input products (gates*padded,), r h (padded,), quantised x, x's step, quantised h.
    table : int
        As `tiles_f32.products_of` takes it. x is then an index, and tiles have no weights of inputs.
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
    table: int = 0

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


class Sums:
    """Inlined functions that quantise, and that multiply: input and recurrent products of a tile as float32."""

    def __init__(self, sizes):
        self.sizes = sizes
        apart = sizes.form == "vnni" and (sizes.width > 8 or not sizes.turning)
        early = apart and bool(sizes.turning)
        self.add_x, self.add_x_together = summer(sizes.form, sizes.width, sizes.input_words, apart, early)
        self.add_h = summer(sizes.form, sizes.width, sizes.hidden_words, apart, early)[0]
        self.quantise_h = quantiser(sizes.form, sizes.padded)

    def preparation(self):
        """An inlined function (w, x, row of scratch): quantise a timestep's x. w: the layer's header."""
        sizes = self.sizes
        inputs = sizes.inputs or 1  # none where a table has the products
        quantise, largest_of = quantiser(sizes.form, inputs), largest(inputs)
        calibrated, xq_at, step_at = sizes.calibrated, sizes.xq_at, sizes.hq_at - 1

        @inlined
        def prepare(w, x, zt):
            most = STEPS if calibrated else largest_of(x)
            quantise(offset(zt, xq_at), x, w[0] if calibrated else STEPS / most)
            zt[step_at] = ONE if calibrated else most / STEPS

        return prepare

    def of_inputs(self, gates, units):
        """(one, together): bias and input products of a tile, of one timestep and of many, to scratch."""
        sizes, add_x, add_x_together = self.sizes, self.add_x, self.add_x_together
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
            return floats(w, add_x(begin(w), w, at, offset(zt, xq_at), size), zt)

        @inlined
        def together(w, z, place, steps):
            for t in range(0, steps, TOGETHER):
                z0 = offset(z, t * row)
                z1 = offset(z0, row)
                z2 = offset(z1, row)
                z3 = offset(z2, row)
                start = begin(w)
                s0, s1, s2, s3 = add_x_together(start, start, start, start, w, at, offset(z0, xq_at), row, size)
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
