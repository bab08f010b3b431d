"""One plain LSTM layer with int8 weights and quantised activations, one timestep of a group of streams: `lstm_f32_streams` in integers.

Weights and state are those of `lstm_int8`, whose bits this gives: integer sums are exact in any order, and what follows is the same.
"""

from numba import njit

from .cells import HALF, ONE, ZERO
from .entry.blocks import copier
from .join_int8 import Sizes, preparation
from .lstm_f32_streams import cells_of
from .packing import HEADER
from .simd.dots_streams import spread_sums, word_adder
from .simd.streams import multiply_each, spread, store_by_gate
from .simd.sums import added, as_floats, load_sums, no_sums, shifted
from .simd.vectors import Lanes, add, load, multiplied, offset
from .stream_blocks import lstm_int8_dynamic_scratch, up_to
from .tiles_int8 import quantiser
from .tiles_streams import state_of

inlined = njit(inline="always")


def sums_of(sizes, stride, block, units):
    """An inlined function (w, row, s): the sums of a tile for a block of streams, gate by gate, to s. row: of the block's first stream."""
    at_once, streams, size, group, weights_at = block.gates, block.streams, 4 * units, sizes.group, sizes.weights_at
    gates = Lanes(units, at_once)
    own = Lanes(size) if block.packed else gates
    every = Lanes(own.vec.lanes, own.vec.rows * streams)
    passes, part, stored, add_word = 4 // at_once, at_once * units, at_once * units * streams, word_adder(sizes.form, sizes.width)
    hidden_words, input_words, calibrated, shift, begins = (
        sizes.hidden_words,
        sizes.input_words,
        sizes.calibrated,
        sizes.shift,
        sizes.offset,
    )
    x_at, x_byte, step = up_to(4, hidden_words), 4 * weights_at * size, group * size
    h_byte, factor_at = x_byte + input_words * step, x_at + up_to(4, input_words)

    @inlined
    def products(w, byte, words, x, sums):
        for k in range(words):
            sums = add_word(own, w, byte + k * step, x, k, stride, sums)
        return sums

    @inlined
    def starts(w, at):
        return spread_sums(every, load_sums(own, w, at))

    @inlined
    def in_integers(w, at, row):
        """Where x is calibrated."""
        a = products(w, x_byte + group * at, input_words, offset(row, x_at), no_sums(every) if begins else starts(w, at))
        a = shifted(a, shift)
        if begins:
            a = added(a, starts(w, at))
        return as_floats(products(w, h_byte + group * at, hidden_words, row, a))

    @inlined
    def in_floats(w, at, row):
        """Where it is not."""
        a = starts(w, 2 * size + at) if begins else no_sums(every)
        a = as_floats(products(w, x_byte + group * at, input_words, offset(row, x_at), a))
        a = multiply_each(own, a, offset(row, factor_at), stride)
        return add(as_floats(products(w, h_byte + group * at, hidden_words, row, starts(w, at))), a)

    total = in_integers if calibrated else in_floats

    @inlined
    def sums(w, row, s):
        for i in range(passes):
            at = i * part
            a = multiplied(total(w, at, row), spread(every, load(own, w, size + at)))
            store_by_gate(gates, offset(s, i * stored), a)

    return sums


def lstm_int8_streams(machine, **constants):
    """Kernel of one timestep of a group of streams. machine: `stream_blocks.Machine`; constants: `join_int8.Sizes`, of a plain cell."""
    sizes, scratch = Sizes(**constants), lstm_int8_dynamic_scratch(constants, machine)
    padded, units, tail, tiles, turning = sizes.padded, sizes.units, sizes.tail, sizes.tiles, sizes.turning
    whole, stride, sums_at = sizes.tile_floats, scratch.stride, scratch.sums
    x_at = up_to(4, sizes.hidden_words)
    prepare, quantise = preparation(sizes, x_at, x_at + up_to(4, sizes.input_words)), quantiser(sizes.form, padded)
    copy = inlined(copier(padded))

    def tile_of(block, units):
        sums = sums_of(sizes, stride, block, units)
        cells, streams = cells_of(sizes, block, units), block.streams

        @inlined
        def tile(w, u, z, count, places, at):
            s = offset(z, sums_at)
            for k in range(0, count, streams):
                sums(w, offset(z, k * stride), s)
                cells(s, u, k, count - k, places, at)

        return tile

    full_tile, last_tile = tile_of(scratch.full, units), tile_of(scratch.last, tail or 4)

    def kernel(w, x, x_stride, y, y_stride, places, at, z, count):
        """As `lstm_f32_streams`."""
        for k in range(count):
            row = offset(z, k * stride)
            prepare(w, offset(x, k * x_stride), row)
            quantise(row, state_of(places, k, at), w[1])
        tiles_at = offset(w, HEADER)
        for j in range(tiles):
            full_tile(offset(tiles_at, j * whole), j * units, z, count, places, at)
        if tail:
            last_tile(offset(tiles_at, tiles * whole), tiles * units, z, count, places, at)
        for k in range(count):
            s = state_of(places, k, at)
            copy(offset(y, k * y_stride), s)
            if turning:
                s[2 * padded] = ZERO if s[2 * padded] > HALF else ONE

    return kernel
