"""One plain LSTM layer in float32, one timestep of a group of streams: each weight that is read serves a block of them.

Weights, state and the order of sums are those of `lstm_f32`, whose bits this gives. A tile's sums go by way of scratch, gate by gate, the
streams of a block side by side: where one stream's units fill no register, the cells of all are computed side by side.
"""

from numba import njit

from .cells import HALF, ONE, ZERO, cell, finisher, output
from .entry.blocks import copier
from .lstm_f32 import Sizes
from .simd.streams import load_behind, store_behind, store_by_gate
from .simd.vectors import Lanes, load, offset
from .stream_blocks import lstm_f32_scratch
from .tiles_f32 import products_of
from .tiles_streams import Rows, recurrent_adder, state_of

inlined = njit(inline="always")


def sums_of(sizes, rows, block, units):
    """An inlined function (w, row, z, s): the sums of a tile for a block of streams, gate by gate, to s.

    row: of the block's first stream; z: where the tile begins in products from a table.
    """
    chains, size, at_once = sizes.chains, 4 * units, block.gates
    gates = Lanes(units, at_once)
    own = Lanes(4 * units) if block.packed else gates
    every = Lanes(own.vec.lanes, own.vec.rows * block.streams)
    begin, recurrent = rows.of_inputs(), recurrent_adder(rows.stride, chains)
    hidden, recurrent_at, part = sizes.hidden, size * (1 + sizes.inputs), at_once * units
    passes, stored = 4 // at_once, part * block.streams

    @inlined
    def sums(w, row, z, s):
        for i in range(passes):
            at = i * part
            a = begin(every, own, w, at, size, z + at, row)
            a = recurrent(every, own, offset(w, recurrent_at + at), size, hidden, row, a)
            store_by_gate(gates, offset(s, i * stored), a)

    return sums


def cells_of(sizes, block, units):
    """An inlined function (s, u, k, count, places, at): new c and h of a block of streams, `count` at most, from stream k on.

    s: sums of the block; u: first unit of the tile.
    """
    finish, lanes, gate, padded, streams = finisher(sizes.division), Lanes(units), block.streams * units, sizes.padded, block.streams
    side, packed = Lanes(gate), block.packed

    @inlined
    def apart(s, u, k, count, places, at):
        for i in range(min(streams, count)):
            own, t = state_of(places, k + i, at), offset(s, i * units)
            c, h = offset(own, padded + u), offset(own, u)
            finish(lanes, load(lanes, t, 0), load(lanes, t, gate), load(lanes, t, 2 * gate), load(lanes, t, 3 * gate), c, h)

    @inlined
    def side_by_side(s, u, k, places, at):
        of_block, c_at, h_at = places + 8 * k, at + 4 * (padded + u), at + 4 * u
        new = cell(load(side, s, 0), load(side, s, gate), load(side, s, 2 * gate), load_behind(side, lanes, of_block, c_at))
        store_behind(lanes, new, of_block, c_at)
        store_behind(lanes, output(load(side, s, 3 * gate), new), of_block, h_at)

    @inlined
    def cells(s, u, k, count, places, at):
        if packed and count >= streams:
            side_by_side(s, u, k, places, at)
        else:
            apart(s, u, k, count, places, at)

    return cells if packed else apart


def lstm_f32_streams(machine, **constants):
    """Kernel of one timestep of a group of streams. machine: `stream_blocks.Machine`; constants: `lstm_f32.Sizes`, of a plain cell."""
    sizes = Sizes(**constants)
    scratch = lstm_f32_scratch(constants, machine)
    padded, units, tail, tiles, turning, table = sizes.padded, sizes.units, sizes.tail, sizes.tiles, sizes.turning, sizes.table
    whole, stride, sums_at = 4 * units * (1 + sizes.inputs + sizes.hidden), scratch.stride, scratch.sums
    rows = Rows(sizes.inputs, padded, 4 * padded if table else 0, stride)
    gather, copy = rows.gatherer(products_of(table, 4 * padded)), inlined(copier(padded))

    def tile_of(block, units):
        sums = sums_of(sizes, rows, block, units)
        cells, streams = cells_of(sizes, block, units), block.streams

        @inlined
        def tile(w, u, z, count, places, at):
            s = offset(z, sums_at)
            for k in range(0, count, streams):
                sums(w, offset(z, k * stride), 4 * u, s)
                cells(s, u, k, count - k, places, at)

        return tile

    full_tile, last_tile = tile_of(scratch.full, units), tile_of(scratch.last, tail or 4)

    def kernel(w, x, x_stride, y, y_stride, places, at, z, count):
        """w: packed weights; x: (count, x_stride); y: (count, y_stride), the new h; places: as `tiles_streams.state_of`, h (padded,),
        c (padded,), turn, each; z: scratch.
        """
        gather(w, x, x_stride, places, at, z, count)
        for j in range(tiles):
            full_tile(offset(w, j * whole), j * units, z, count, places, at)
        if tail:
            last_tile(offset(w, tiles * whole), tiles * units, z, count, places, at)
        for k in range(count):
            s = state_of(places, k, at)
            copy(offset(y, k * y_stride), s)
            if turning:
                s[2 * padded] = ZERO if s[2 * padded] > HALF else ONE

    return kernel
