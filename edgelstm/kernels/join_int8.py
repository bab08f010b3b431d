"""How the integer products of x and of h of an LSTM layer meet: as integers where x is calibrated, as float32 where it is not.

`Sizes` has the constants of such a layer, and where its weights and its scratch keep things.
"""

from typing import NamedTuple

from numba import njit

from .cell_options import PLAIN, CellOptions
from .packing import GROUP, OFFSET
from .simd.sums import added, as_floats, load_sums, no_sums, shifted, store_sums
from .simd.vectors import add, load, multiplied, offset, splat, store
from .tiles_int8 import STEPS, in_registers, largest, quantiser, summer
from .together_f32 import TOGETHER

inlined = njit(inline="always")


class Sizes(NamedTuple):
    """Constants of an LSTM layer with quantised activations.

    Parameters
    ----------
    inputs, hidden, padded, units, tail, hoisted, turning, division, x_stride, y_stride : int, str
        As for `lstm_f32`.
    input_words, hidden_words : int
        Words of quantised x and h.
    form, width : str, int
        Of the dot products, and lanes of a register.
    shift : int
        With a calibrated x: recurrent products are added to input products times 2**shift, in integers.
    calibrated : int
        Whether the weights begin with the integers a unit of x; else the largest magnitude of each step becomes 127.
    row : int
        Floats of scratch for a timestep: input products (count*padded,), quantised x, what its sums are multiplied by, quantised h, and
        what the options need.
    options : CellOptions, optional
    table : int, optional
        As `tiles_f32.products_of` takes it. x is then an index, and tiles have no weights of inputs.
    """

    inputs: int
    hidden: int
    padded: int
    units: int
    tail: int
    input_words: int
    hidden_words: int
    form: str
    width: int
    shift: int
    calibrated: int
    hoisted: int
    turning: int
    division: str
    row: int
    x_stride: int
    y_stride: int
    options: CellOptions = PLAIN
    table: int = 0

    @property
    def count(self):
        """Gates that have sums."""
        return self.options.count

    @property
    def given(self):
        """Floats of h as the layer gives it, padded."""
        return self.options.projection or self.padded

    @property
    def work_at(self):
        """Where a row of scratch has what the options need, in floats."""
        return self.row - self.options.work(self.padded)

    @property
    def tiles(self):
        """Full tiles."""
        return (self.padded - self.tail) // self.units

    @property
    def group(self):
        """Activations in a word."""
        return GROUP[self.form]

    @property
    def offset(self):
        """Whether activations are offset, so that sums begin below zero."""
        return OFFSET[self.form] != 0

    @property
    def apart(self):
        """Whether words are summed in two chains: VNNI's latency is the longest; 16 registers would spill the sums of a large layer.

        Measured on Zen 5.
        """
        return self.form == "vnni" and (self.width > 8 or not self.turning)

    @property
    def early(self):
        """Whether weights, which no first-level cache holds, are loaded apart from their product."""
        return self.apart and bool(self.turning)

    @property
    def weights_at(self):
        """Rows of ``count * units`` words that stand before a tile's weights."""
        return 3 if self.offset and not self.calibrated else 2

    @property
    def tile_floats(self):
        """Floats of a full tile: these rows and the weights."""
        size = self.count * self.units
        return self.weights_at * size + (self.input_words + self.hidden_words) * self.group * size // 4

    @property
    def xq_at(self):
        """Where a row of scratch has the quantised x, in floats."""
        return self.count * self.padded

    @property
    def hq_at(self):
        """Where it has the quantised h. Before it stands what the sums of an uncalibrated x are multiplied by."""
        return self.xq_at + (self.input_words + 3) // 4 * 4 + 4


def recurrent_products(sizes):
    """(quantise, add): h to quantised activations, and their products to sums; in registers alone where the layer is small."""
    form, width = sizes.form, sizes.width
    if sizes.apart and sizes.given == sizes.padded == sizes.units <= 2 * width:  # words of more units would take registers from their sums
        return in_registers(form, width, sizes.padded)
    return quantiser(form, sizes.given), summer(form, width, sizes.hidden_words, sizes.apart, sizes.early)[0]


def preparation(sizes, xq_at, factor_at):
    """An inlined function (w, x, row of scratch): quantise a timestep's x. w: the layer's header; xq_at, factor_at: where to."""
    quantise, largest_of = quantiser(sizes.form, max(sizes.inputs, 1)), largest(max(sizes.inputs, 1))
    calibrated = sizes.calibrated

    @inlined
    def prepare(w, x, zt):
        most = STEPS if calibrated else largest_of(x)
        quantise(offset(zt, xq_at), x, w[0] if calibrated else STEPS / most)
        if not calibrated:
            zt[factor_at] = most / STEPS * w[2]

    return prepare


def integer_join(sizes, add_h):
    """(begin, of_x, with_h, keep, kept) where x is calibrated: all products are one integer sum.

    begin: where sums of input products start; of_x: input products as recurrent ones are added to them; with_h: both together, as
    float32; keep, kept: input products to and from scratch.
    """
    offset_activations, shift = sizes.offset, sizes.shift

    @inlined
    def begin(gates, w, size):
        return no_sums(gates) if offset_activations else load_sums(gates, w, 0)

    @inlined
    def of_x(gates, sums, zt):
        return shifted(sums, shift)

    @inlined
    def with_h(gates, products, w, byte, of_h, size):
        if offset_activations:  # in a single step h need not wait for x
            return as_floats(added(add_h(load_sums(gates, w, 0), w, byte, of_h, size), products))
        return as_floats(add_h(products, w, byte, of_h, size))

    return begin, of_x, with_h, store_sums, load_sums


def float_join(sizes, add_h):
    """The same where x is not calibrated: its products become float32 by the step's own factor."""
    offset_activations, factor_at = sizes.offset, sizes.hq_at - 1

    @inlined
    def begin(gates, w, size):
        return load_sums(gates, w, 2 * size) if offset_activations else no_sums(gates)

    @inlined
    def of_x(gates, sums, zt):
        return multiplied(as_floats(sums), splat(gates, zt[factor_at]))

    @inlined
    def with_h(gates, products, w, byte, of_h, size):
        return add(as_floats(add_h(load_sums(gates, w, 0), w, byte, of_h, size)), products)

    return begin, of_x, with_h, store, load


def input_products(sizes, begin, of_x, keep, kept):
    """(together, from_x): a tile's input products of many timesteps to scratch, and of one timestep, from there where they are ready."""
    add_x, add_x_together = summer(sizes.form, sizes.width, sizes.input_words, sizes.apart, sizes.early)
    weights_at, row, xq_at = sizes.weights_at, sizes.row, sizes.xq_at

    @inlined
    def together(gates, w, size, z, at, steps):
        """`steps` timesteps, a multiple of TOGETHER, to float `at` of their rows; a weight is loaded once for so many."""
        for t in range(0, steps, TOGETHER):
            z0 = offset(z, t * row)
            z1 = offset(z0, row)
            z2 = offset(z1, row)
            z3 = offset(z2, row)
            start = begin(gates, w, size)
            s0, s1, s2, s3 = add_x_together(start, start, start, start, w, 4 * weights_at * size, offset(z0, xq_at), row, size)
            keep(z0, at, of_x(gates, s0, z0))
            keep(z1, at, of_x(gates, s1, z1))
            keep(z2, at, of_x(gates, s2, z2))
            keep(z3, at, of_x(gates, s3, z3))

    @inlined
    def from_x(gates, w, size, zt, at, ready):
        if ready:
            return kept(gates, zt, at)
        return of_x(gates, add_x(begin(gates, w, size), w, 4 * weights_at * size, offset(zt, xq_at), size), zt)

    return together, from_x
