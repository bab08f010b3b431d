"""One LSTM layer whose products are of whole numbers, held in float32: sums below 2**24 are exact in any order.

What is not exact rounds as in ONNX Runtime on x86-64 with FMA3, operation by operation: h is rounded to levels at every step, and one that
lies next to a half would otherwise become another level. Weights are packed as for `lstm_f32`, with a bias of zero and no gate halved.
Behind the tiles stand bias, scales of the rows of inputs and scales of the recurrent rows, each tile by tile, as the gates of its units
stand side by side.
"""

from numba import njit

from .activations import horner
from .cell_options import CellOptions
from .cells import HALF, ONE, ZERO
from .lstm_f32 import Sizes, hoister
from .range_rounding import leveller
from .simd.vectors import Lanes, elementwise, load, offset, row0, row1, row2, row3, splat, store, zero
from .tiles_f32 import multiplication
from .together_f32 import TOGETHER

inlined = njit(inline="always")

#: A plain cell; behind the sums of a step there is room for the levels of h.
ROUNDED = CellOptions(rounded=1)

#: tanh(x) = x P(x^2) / Q(x^2) within +-9, and the logistic function less a half within +-18: Eigen's rational functions, which MLAS has.
TANH_LIMIT, LOGISTIC_LIMIT = 9.0, 18.0
TANH_P = (
    4.89352455891786e-03,
    6.37261928875436e-04,
    1.48572235717979e-05,
    5.12229709037114e-08,
    -8.60467152213735e-11,
    2.00018790482477e-13,
    -2.76076847742355e-16,
)
TANH_Q = (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
LOGISTIC_P = (2.48287947061529e-01, 8.51377133304701e-03, 6.08574864600143e-05, 1.15627324459942e-07, 4.37031012579801e-11)
LOGISTIC_Q = (
    9.93151921023180e-01,
    1.16817656904453e-01,
    1.70198817374094e-03,
    6.29106785017040e-06,
    5.76102136993427e-09,
    6.10247389755681e-13,
)


def _ratio(x, limit, p, q):
    """x p(x^2) / q(x^2), of x within +-limit."""
    x = x.above(-limit).below(limit)
    square = x * x
    return horner(square, p) * x / horner(square, q)


def _tanh(x):
    return _ratio(x, TANH_LIMIT, TANH_P, TANH_Q)


def _logistic(x):
    return (_ratio(x, LOGISTIC_LIMIT, LOGISTIC_P, LOGISTIC_Q) + 0.5).above(0.0).below(1.0)


def _cell(i, f, g, c):
    return c * _logistic(f) + _logistic(i) * _tanh(g)


def _output(o, c):
    return _tanh(c) * _logistic(o)


def _gates(of_x, of_h, bias, scale_x, scale_h, x_step, h_step):
    """Pre-activations of sums of levels. x_step, h_step: the scales of x and h."""
    return of_x * (x_step * scale_x) + of_h * (h_step * scale_h) + bias


cell, output, gates_of_sums = elementwise(_cell), elementwise(_output), elementwise(_gates)


def tile_of(sizes):
    """An inlined function (gates, lanes, w, size, h, y, c, z, e, x_step, h_step): the step of a tile, whose input products are in z.

    w: the tile; h: levels; e: bias of the tile's gates, and the scales of both.
    """
    recurrent = multiplication(sizes.paired, sizes.chains, sizes.ahead)
    inputs, hidden, of_x, of_h = sizes.inputs, sizes.hidden, 4 * sizes.padded, 8 * sizes.padded

    @inlined
    def tile(gates, lanes, w, size, h, y, c, z, e, x_step, h_step):
        sums = recurrent(gates, offset(w, size + inputs * size), h, hidden, size, zero(gates))
        steps = splat(gates, x_step), splat(gates, h_step)
        scales = load(gates, e, of_x), load(gates, e, of_h)
        a = gates_of_sums(load(gates, z, 0), sums, load(gates, e, 0), scales[0], scales[1], steps[0], steps[1])
        new = cell(row0(a), row1(a), row2(a), load(lanes, c, 0))
        store(c, 0, new)
        store(y, 0, output(row3(a), new))

    return tile


def walker(sizes):
    """An inlined function (w, h, y, c, z, e, x_step, h_step, backwards): one timestep of all tiles."""
    tiles, tail, units = sizes.tiles, sizes.tail, sizes.units
    (gates, size, _, whole), (tail_gates, tail_size, _, _) = sizes.gates_of(units), sizes.gates_of(tail)
    lanes, tail_lanes, tile = Lanes(units), Lanes(tail or 4), tile_of(sizes)

    @inlined
    def walk(w, h, y, c, z, e, x_step, h_step, backwards):
        for k in range(tiles):
            j = tiles - 1 - k if backwards else k
            u, at = j * units, j * size
            tile(gates, lanes, offset(w, j * whole), size, h, offset(y, u), offset(c, u), offset(z, at), offset(e, at), x_step, h_step)
        if tail:
            u, at, last = tiles * units, tiles * size, offset(w, tiles * whole)
            tile(tail_gates, tail_lanes, last, tail_size, h, offset(y, u), offset(c, u), offset(z, at), offset(e, at), x_step, h_step)

    return walk


def singly(sizes):
    """An inlined function (w, x, z): what `lstm_f32.hoister` does, of one timestep."""
    tiles, tail, inputs = sizes.tiles, sizes.tail, sizes.inputs
    (gates, size, _, whole), (tail_gates, tail_size, _, _) = sizes.gates_of(sizes.units), sizes.gates_of(tail)
    multiply = multiplication(sizes.paired, sizes.chains, sizes.ahead)

    @inlined
    def sum_inputs(w, x, z):
        for j in range(tiles):
            store(z, j * size, multiply(gates, offset(w, j * whole + size), x, inputs, size, zero(gates)))
        if tail:
            at = offset(w, tiles * whole + tail_size)
            store(z, tiles * size, multiply(tail_gates, at, x, inputs, tail_size, zero(tail_gates)))

    return sum_inputs


def dynamic_lstm_f32(inputs, hidden, padded, units, tail, chains, ahead, hoisted, turning, paired, x_stride, y_stride):
    """Kernel of one layer. Constants as `lstm_f32.Sizes` has them; a row of x has the scale of its levels behind them."""
    sizes = Sizes(inputs, hidden, padded, units, tail, 0, chains, ahead, hoisted, turning, paired, "", x_stride, y_stride, ROUNDED)
    behind = sizes.tiles * sizes.gates_of(units)[3] + (sizes.gates_of(tail)[3] if tail else 0)
    hoist, sum_inputs, walk, level = hoister(sizes), singly(sizes), walker(sizes), leveller(padded, 0, 0)
    z_row, levels_at, four = sizes.z_row, sizes.work_at, Lanes(4)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,), c (padded,), turn; z: (n, z_row)."""
        ready_steps = n // TOGETHER * TOGETHER
        hoist(w, x, z, ready_steps)
        for t in range(ready_steps, n):
            sum_inputs(w, offset(x, t * x_stride), offset(z, t * z_row))
        h = s
        c = offset(s, padded)
        e = offset(w, behind)
        backwards = turning and s[2 * padded] > HALF
        for t in range(n):
            yt = offset(y, t * y_stride)
            zt = offset(z, t * z_row)
            levels = offset(zt, levels_at)
            h_step = level(h, levels, 1)
            walk(w, levels, yt, c, zt, e, x[t * x_stride + inputs], h_step, backwards)
            h = yt
            backwards = turning and not backwards
        if turning:
            s[2 * padded] = ONE if backwards else ZERO
        for k in range(0, padded, 4):
            store(s, k, load(four, h, k))

    return kernel
