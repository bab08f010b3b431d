"""One GRU layer in float32, one timestep of a group of streams: the sibling of `lstm_f32_streams`.

Weights, state and the order of sums are those of `gru_f32`, whose bits this gives. A tile's sums go by way of scratch, part by part, the
streams of a block side by side: r, z, what r does not multiply of n, and what it does.
"""

from numba import njit

from .cells import HALF, ONE, ZERO
from .entry.blocks import copier
from .gru_cell import Cell
from .gru_f32 import Sizes
from .simd.streams import load_each, spread, store_by_gate
from .simd.vectors import Lanes, load, offset, store
from .stream_blocks import gru_f32_scratch
from .tiles_f32 import products_of
from .tiles_streams import Rows, recurrent_adder, state_of

inlined = njit(inline="always")


def sums_of_gates(sizes, rows, block, units):
    """An inlined function (w, z, row, s): sums of r and z, and bias and input products of n, of a tile for a block of streams.

    row: of the block's first stream; z: where the tile begins in products from a table.
    """
    at_once, streams, size, hidden = block.gates, block.streams, 3 * units, sizes.hidden
    own, lanes = Lanes(units, at_once), Lanes(units)
    every, every_n = Lanes(units, at_once * streams), Lanes(units, streams)
    begin, recurrent = rows.of_inputs(), recurrent_adder(rows.stride, sizes.sums[1])
    passes, part, stored, behind = 2 // at_once, at_once * units, at_once * units * streams, size * (1 + sizes.inputs)
    step = size if sizes.reset_after else 2 * units

    @inlined
    def sums(w, z, row, s):
        for i in range(passes):
            at = i * part
            a = begin(every, own, w, at, size, z + at, row)
            store_by_gate(own, offset(s, i * stored), recurrent(every, own, offset(w, behind + at), step, hidden, row, a))
        store_by_gate(lanes, offset(s, 2 * units * streams), begin(every_n, lanes, w, 2 * units, size, z + 2 * units, row))

    return sums


def after_product(sizes, rows, block, units):
    """An inlined function (w, u, z, k, count, s, y, y_stride): a tile's step of the block of streams from stream k on."""
    sums, recurrent, next_h = (
        sums_of_gates(sizes, rows, block, units),
        recurrent_adder(rows.stride, sizes.sums[1]),
        Cell(*sizes.cell).after(),
    )
    size, hidden, streams, stride, gate = 3 * units, sizes.hidden, block.streams, rows.stride, block.streams * units
    lanes, every, behind = Lanes(units), Lanes(units, streams), size * (1 + sizes.inputs)
    last = behind + size * hidden

    @inlined
    def step(w, u, z, k, count, s, y, y_stride):
        row = offset(z, k * stride)
        sums(w, 3 * u, row, s)
        start = spread(every, load(lanes, w, last))
        store_by_gate(lanes, offset(s, 3 * gate), recurrent(every, lanes, offset(w, behind + 2 * units), size, hidden, row, start))
        for i in range(min(streams, count - k)):
            t = offset(s, i * units)
            n, b = load(lanes, t, 2 * gate), load(lanes, t, 3 * gate)
            new = next_h(load(lanes, t, 0), load(lanes, t, gate), n, b, load(lanes, row, i * stride + u))
            store(y, (k + i) * y_stride + u, new)

    return step


def before_product(sizes, rows, block, units):
    """The two halves of a step whose reset gate comes before the product, of a tile and the block of streams from stream k on.

    (w, u, z, k, count, s): what passes the reset gate, z and n so far to the rows; (w, u, z, k, count, s, y, y_stride): the new h.
    """
    sums, second = sums_of_gates(sizes, rows, block, units), recurrent_adder(rows.stride, 2)
    seen, next_h = Cell(*sizes.cell).before()
    size, hidden, streams, stride, padded, gate = 3 * units, sizes.hidden, block.streams, rows.stride, sizes.padded, block.streams * units
    lanes, every, behind = Lanes(units), Lanes(units, streams), size * (1 + sizes.inputs) + 2 * units * hidden
    reset = padded + (rows.products or sizes.inputs)
    kept, so_far = reset + padded, reset + 2 * padded

    @inlined
    def begin(w, u, z, k, count, s):
        row = offset(z, k * stride)
        sums(w, 3 * u, row, s)
        for i in range(min(streams, count - k)):
            t, own = offset(s, i * units), offset(row, i * stride + u)
            store(own, reset, seen(load(lanes, t, 0), load(lanes, own, 0)))
            store(own, kept, load(lanes, t, gate))
            store(own, so_far, load(lanes, t, 2 * gate))

    @inlined
    def end(w, u, z, k, count, s, y, y_stride):
        row = offset(z, k * stride)
        start = load_each(every, lanes, offset(row, so_far + u), stride)
        store_by_gate(lanes, s, second(every, lanes, offset(w, behind), units, hidden, offset(row, reset), start))
        for i in range(min(streams, count - k)):
            own = offset(row, i * stride + u)
            store(y, (k + i) * y_stride + u, next_h(load(lanes, own, kept), load(lanes, s, i * units), load(lanes, own, 0)))

    return begin, end


def gru_f32_streams(machine, **constants):
    """Kernel of one timestep of a group of streams. machine: `stream_blocks.Machine`; constants: `gru_f32.Sizes`, in float32."""
    sizes, scratch = Sizes(**constants), gru_f32_scratch(constants, machine)
    inputs, padded, units, tail, tiles, table = sizes.inputs, sizes.padded, sizes.units, sizes.tail, sizes.tiles, sizes.table
    turning, stride, sums_at, after = sizes.walk[1], scratch.stride, scratch.sums, sizes.reset_after
    rows = Rows(inputs, padded, 3 * padded if table else 0, stride)
    gather, copy, whole = rows.gatherer(products_of(table, 3 * padded)), inlined(copier(padded)), sizes.gates_of(units)[3]
    full_streams, last_streams = scratch.full.streams, scratch.last.streams
    if after:
        full_step, last_step = after_product(sizes, rows, scratch.full, units), after_product(sizes, rows, scratch.last, tail or 4)
    else:
        full_begin, full_end = before_product(sizes, rows, scratch.full, units)
        last_begin, last_end = before_product(sizes, rows, scratch.last, tail or 4)

    @inlined
    def all_after(w, z, count, s, y, y_stride):
        for j in range(tiles):
            for k in range(0, count, full_streams):
                full_step(offset(w, j * whole), j * units, z, k, count, s, y, y_stride)
        if tail:
            for k in range(0, count, last_streams):
                last_step(offset(w, tiles * whole), tiles * units, z, k, count, s, y, y_stride)

    @inlined
    def all_before(w, z, count, s, y, y_stride):
        for j in range(tiles):
            for k in range(0, count, full_streams):
                full_begin(offset(w, j * whole), j * units, z, k, count, s)
        if tail:
            for k in range(0, count, last_streams):
                last_begin(offset(w, tiles * whole), tiles * units, z, k, count, s)
        for j in range(tiles):
            for k in range(0, count, full_streams):
                full_end(offset(w, j * whole), j * units, z, k, count, s, y, y_stride)
        if tail:
            for k in range(0, count, last_streams):
                last_end(offset(w, tiles * whole), tiles * units, z, k, count, s, y, y_stride)

    walk = all_after if after else all_before

    def kernel(w, x, x_stride, y, y_stride, places, at, z, count):
        """w: packed weights; x: (count, x_stride); y: (count, y_stride), the new h; places: as `tiles_streams.state_of`, h (padded,), turn,
        each; z: scratch.
        """
        gather(w, x, x_stride, places, at, z, count)
        walk(w, z, count, offset(z, sums_at), y, y_stride)
        for k in range(count):
            s = state_of(places, k, at)
            copy(s, offset(y, k * y_stride))
            if turning:
                s[padded] = ZERO if s[padded] > HALF else ONE

    return kernel
