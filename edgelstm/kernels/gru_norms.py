"""One GRU layer in float32 with layer normalisation inside: sums of all gates must be whole before any unit can go on.

Sums lie gate by gate, `padded` floats each. Their weights come in tiles of outputs, row by row: those of x, each tile with what is added
inside the norm as its first row, then those of h; where the reset gate meets h itself, those of h and n stand apart, behind the others.
Behind the tiles stand the mask of units that count, (padded,), weights and bias of the norm, (3, padded) each, and, where x and h are
normalised apart, those of h. Where h has a norm of its own, its tiles too begin with what is added inside.
Rows of sigmoid gates come halved out of the norm, as `gru_cell` wants them.
"""

from typing import NamedTuple

from numba import njit

from .gru_cell import Cell
from .lstm_norms import across, normaliser
from .simd.vectors import Lanes, add, load, offset, store, zero
from .tiles_f32 import multiplication, products_of

inlined = njit(inline="always")


class Sizes(NamedTuple):
    """Constants of a layer.

    Parameters
    ----------
    inputs, hidden : int
        Sizes of x and h.
    padded : int
        hidden, rounded up to whole vectors.
    panel : int
        Outputs of the full tiles.
    groups : tuple of int
        How many gates, of r z n in their order, each norm is over.
    apart : int
        Whether sums of x and of h have norms of their own.
    reset_after : int
        Whether the reset gate multiplies what the norm gives for n, or h itself.
    epsilon : float
    sums : tuple of int
        paired, chains, ahead: as `tiles_f32.multiplication` takes them.
    cell : tuple
        What `gru_cell.Cell` takes.
    x_stride, y_stride : int
        Floats from one timestep to the next.
    units : int
        `padded`: a table of input products is one tile.
    table : int
        As `tiles_f32.products_of` takes it. x is then an index, and no tiles of x are there.
    """

    inputs: int
    hidden: int
    padded: int
    panel: int
    groups: tuple
    apart: int
    reset_after: int
    epsilon: float
    sums: tuple
    cell: tuple
    x_stride: int
    y_stride: int
    units: int = 0
    table: int = 0


def products(sizes, count, gates, begun):
    """An inlined function (w, v, z): sums of so many gates, of `count` values, to z. begun: whether they are added to what z holds."""
    outputs, first = gates * sizes.padded, 0 if begun else 1
    panel = min(sizes.panel, outputs)
    tail = outputs % panel
    lanes, tail_lanes, multiply = Lanes(panel), Lanes(tail or 4), multiplication(*sizes.sums)
    full, rows = outputs - tail, count + first

    @inlined
    def tile(lanes, w, size, v, z):
        a = load(lanes, z, 0) if begun else load(lanes, w, 0)
        store(z, 0, multiply(lanes, offset(w, first * size), v, count, size, a))

    @inlined
    def every(w, v, z):
        for k in range(0, full, panel):
            tile(lanes, offset(w, rows * k), panel, v, offset(z, k))
        if tail:
            tile(tail_lanes, offset(w, rows * full), tail, v, offset(z, full))

    return every


def input_sums(sizes):
    """An inlined function (w, x, z): sums of x and what is added inside the norm, of all gates, to z."""
    if not sizes.table:
        return products(sizes, sizes.inputs, 3, 0)
    size, ready, four = 3 * sizes.padded, products_of(sizes.table, 3 * sizes.padded), Lanes(4)

    @inlined
    def copied(w, x, z):
        found = ready(w, x, z)
        for k in range(0, size, 4):
            store(z, k, load(four, found, k))

    return copied


def norms(sizes, groups, gate):
    """An inlined function (z, e, mask): norms of some of the groups, the first of which begins with this gate, in place.

    e: weights and biases of all gates.
    """
    normalise, _ = normaliser(sizes.hidden, sizes.padded, sizes.epsilon)
    first, second, third = (*groups, 0, 0)[:3]
    padded, rows = sizes.padded, 3 * sizes.padded

    @inlined
    def of_gates(z, e, mask, gate, count):
        at = gate * padded
        normalise(offset(z, at), mask, count, offset(e, at), offset(e, rows + at), offset(z, at))

    @inlined
    def every(z, e, mask):
        of_gates(z, e, mask, gate, first)
        if second:
            of_gates(z, e, mask, gate + first, second)
        if third:
            of_gates(z, e, mask, gate + first + second, third)

    return every


def after_norm(sizes):
    """An inlined function (u, e, h, z, y): a step behind the sums of x, where the reset gate multiplies what the norm gives."""
    padded, apart, next_h = sizes.padded, sizes.apart, Cell(*sizes.cell).after()
    from_h, normalised = products(sizes, sizes.hidden, 3, not apart), norms(sizes, sizes.groups, 0)
    second, third, rows = padded, 2 * padded, 3 * padded

    @inlined
    def unit(lanes, z, h, e, y, k):
        r, u, n = load(lanes, z, k), load(lanes, z, second + k), load(lanes, z, third + k)
        if apart:
            own = offset(z, rows + k)
            r, u, b = add(r, load(lanes, own, 0)), add(u, load(lanes, own, second)), load(lanes, own, third)
        else:
            n, b = zero(lanes), n
        store(y, k, next_h(r, u, n, b, load(lanes, h, k)))

    units = across(padded, unit)

    @inlined
    def step(u, e, h, z, y):
        mask, given = e, offset(e, padded)
        if apart:
            from_h(u, h, offset(z, rows))
            normalised(z, given, mask)
            normalised(offset(z, rows), offset(given, 2 * rows), mask)
        else:
            from_h(u, h, z)
            normalised(z, given, mask)
        units(z, h, e, y)

    return step


def before_product(sizes):
    """An inlined function (u, e, h, z, y): a step behind the sums of x, where the reset gate multiplies h itself."""
    padded, hidden = sizes.padded, sizes.hidden
    seen, next_h = Cell(*sizes.cell).before()
    of_gates, of_candidate = products(sizes, hidden, 2, 1), products(sizes, hidden, 1, 1)
    gates, candidate = norms(sizes, sizes.groups[:-1], 0), norms(sizes, (1,), 2)
    second, third, last = padded, 2 * padded, 2 * padded * hidden

    @inlined
    def reset(lanes, z, h, e, y, k):
        store(y, k, seen(load(lanes, z, k), load(lanes, h, k)))

    @inlined
    def unit(lanes, z, h, e, y, k):
        store(y, k, next_h(load(lanes, z, second + k), load(lanes, z, third + k), load(lanes, h, k)))

    resets, units = across(padded, reset), across(padded, unit)

    @inlined
    def step(u, e, h, z, y):
        mask, given, passed = e, offset(e, padded), offset(z, third + padded)
        of_gates(u, h, z)
        gates(z, given, mask)
        resets(z, h, e, passed)
        of_candidate(offset(u, last), passed, offset(z, third))
        candidate(z, given, mask)
        units(z, h, e, y)

    return step


def gru_norms_f32(**constants):
    """Kernel of one layer. constants: `Sizes`."""
    sizes = Sizes(**constants)
    from_x, step = input_sums(sizes), (after_norm if sizes.reset_after else before_product)(sizes)
    padded, hidden, x_stride, y_stride = sizes.padded, sizes.hidden, sizes.x_stride, sizes.y_stride
    of_h = 0 if sizes.table else 3 * padded * (1 + sizes.inputs)
    behind = of_h + 3 * padded * (hidden + sizes.apart)
    four = Lanes(4)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,); z: scratch of a step."""
        h, u, e = s, offset(w, of_h), offset(w, behind)
        for t in range(n):
            yt = offset(y, t * y_stride)
            from_x(w, offset(x, t * x_stride), z)
            step(u, e, h, z, yt)
            h = yt
        for k in range(0, padded, 4):
            store(s, k, load(four, h, k))

    return kernel
