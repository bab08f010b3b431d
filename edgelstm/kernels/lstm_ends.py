"""How a step of an LSTM layer ends, once a tile's sums are there: at once, or when those of all tiles are."""

from numba import njit

from .cell_options import Places
from .lstm_cells import finisher, held
from .lstm_norms import cell_walk
from .simd.vectors import Lanes, elementwise, fma, load, offset, row0, row1, row2, store, zero
from .tiles_f32 import multiplication, multiply_bytes

inlined = njit(inline="always")


def keeper(options, padded):
    """In place of `lstm_cells.finisher`: the sums of a tile to y, (count, padded)."""
    four, last = options.count == 4, (options.count - 1) * padded

    @inlined
    def keep(lanes, a, o, c, y, e):
        store(y, 0, row0(a))
        store(y, padded, row1(a))
        if four:
            store(y, 2 * padded, row2(a))
        store(y, last, o)

    return keep


def projector(options, paired):
    """An inlined function (w, h, y): y = w h and its bias, within the limit.

    w: tiles of outputs, each (1 + units, outputs); of bytes, bias and scale of each output, then (units, outputs) bytes.
    """
    units, panel, tail = options.units, options.panel, options.panel_tail
    lanes, tail_lanes = Lanes(panel or 4), Lanes(tail or 4)
    full = options.projection - tail
    multiply = multiplication(paired and options.panel_chains < 4, options.panel_chains, 0)
    within = elementwise(lambda r: held(r, options.projection_limit))

    in_bytes = options.panel_bytes

    @inlined
    def output(lanes, w, outputs, h, y, k):
        """A tile of outputs, from output k on."""
        if in_bytes:
            at = offset(w, (8 + units) * (k // 4))
            a = multiply_bytes(lanes, at, 8 * outputs, h, units, outputs, zero(lanes))
            store(y, k, within(fma(a, load(lanes, at, outputs), load(lanes, at, 0))))
        else:
            at = offset(w, (1 + units) * k)
            store(y, k, within(multiply(lanes, offset(at, outputs), h, units, outputs, load(lanes, at, 0))))

    @inlined
    def project(w, h, y):
        for k in range(0, full, panel):
            output(lanes, w, panel, h, y, k)
        if tail:
            output(tail_lanes, w, tail, h, y, full)

    return project


def ending(options, division, padded, paired):
    """Two inlined functions: (lanes, a, o, c, y, e) takes a tile's sums, (z, c, e, y) ends the step when all tiles have been taken.

    The first writes to the y of the second where there is neither norm nor projection, and to z otherwise. e: what belongs to the units,
    as `Places` has it, from the tile's units on in the first.
    """
    if options.norm:
        walk = cell_walk(options, division, padded)
    projected, normed, at = bool(options.projection), bool(options.norm), Places(options, padded).projection
    if projected:
        project = projector(options, paired)
    h_at = options.work(padded) - padded

    if normed and projected:

        @inlined
        def end(z, c, e, y):
            walk(z, c, e, offset(z, h_at))
            project(offset(e, at), offset(z, h_at), y)

    elif normed:
        end = walk

    elif projected:

        @inlined
        def end(z, c, e, y):
            project(offset(e, at), z, y)

    else:

        @inlined
        def end(z, c, e, y):
            pass

    return keeper(options, padded) if normed else finisher(options, division, padded), end
