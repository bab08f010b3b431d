"""Sums of one tile for a block of streams in float32: each row of weights is loaded once, and multiplied by a value of every stream.

Every stream's sums are taken in the order of `tiles_f32`, so that they have the same bits.
"""

from numba import njit

from .entry.blocks import copier
from .simd.addresses import floats_at, peek_i64
from .simd.streams import add_row, load_each, spread
from .simd.vectors import add, load, offset, zero

inlined = njit(inline="always")


@inlined
def state_of(places, k, at):
    """The state of stream k of a group. places: address of the addresses of arenas; at: bytes before the layer's state in each."""
    return floats_at(peek_i64(places, 8 * k) + at)


def adder(stride, step=1):
    """An inlined function (every, gates, w, size, count, x, sums): `sums` plus the products of weights and the values of each stream.

    every, gates: tags of the sums of all streams and of one; w: (count, size), of which `gates` are taken; x: (count,) of each stream,
    `stride` floats apart. Of rows and values every `step`-th counts.
    """

    @inlined
    def multiply(every, gates, w, size, count, x, sums):
        for k in range(0, count, step):
            sums = add_row(gates, w, k * size, x, k, stride, sums)
        return sums

    return multiply


def recurrent_adder(stride, chains):
    """The same of recurrent products. chains: 1 or 2, as `tiles_f32.multiplication` takes it; the second one in a pass of its own."""
    every_row, every_other = adder(stride), adder(stride, 2)
    if chains == 1:
        return every_row

    @inlined
    def in_two_passes(every, gates, w, size, count, x, sums):
        fours = count // 4 * 4
        even = every_other(every, gates, w, size, fours, x, sums)
        even = every_row(every, gates, offset(w, fours * size), size, count - fours, offset(x, fours), even)
        return add(even, every_other(every, gates, offset(w, size), size, fours, offset(x, 1), zero(every)))

    return in_two_passes


class Rows:
    """What the streams of a group are multiplied by, row by row in scratch: h (padded,), and x (inputs,) or its products from a table.

    Parameters
    ----------
    inputs, padded : int
    products : int
        Floats of a row of the table; 0: there is none.
    stride : int
        Floats from one row to the next.
    """

    def __init__(self, inputs, padded, products, stride):
        self.inputs, self.padded, self.products, self.stride = inputs, padded, products, stride

    def gatherer(self, place_of):
        """An inlined function (w, x, x_stride, places, at, z, count): rows of `count` streams to z. place_of: `tiles_f32.products_of`."""
        copy_h, copy_x, stride, padded = (
            inlined(copier(self.padded)),
            inlined(copier(self.products or self.inputs)),
            self.stride,
            self.padded,
        )

        @inlined
        def gather(w, x, x_stride, places, at, z, count):
            for k in range(count):
                row, xk = offset(z, k * stride), offset(x, k * x_stride)
                copy_h(row, state_of(places, k, at))
                copy_x(offset(row, padded), place_of(w, xk, xk))

        return gather

    def of_inputs(self):
        """An inlined function (every, gates, w, at, size, products, row): bias and input products of some gates for a block of streams.

        every, gates: tags of the sums of all streams and of one; at: float of the gates in a row of weights, `size` floats long;
        products: the same in products from a table.
        """
        inputs, padded, stride, looked_up, multiply = self.inputs, self.padded, self.stride, self.products > 0, adder(self.stride)

        @inlined
        def begin(every, gates, w, at, size, products, row):
            if looked_up:
                return load_each(every, gates, offset(row, padded + products), stride)
            start = spread(every, load(gates, w, at))
            return multiply(every, gates, offset(w, size + at), size, inputs, offset(row, padded), start)

        return begin
