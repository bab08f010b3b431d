"""Minimal recurrent layers in float32.

Weights are packed in tiles of some units: for each row k of [bias, inputs] the gates of its units side by side. Nothing recurs in the
products: a tile takes all timesteps of a block while its weights are near. The rows of z come halved, as `cells` has them.
"""

from numba import njit

from .activations import EXP, TANH, formula, horner, tanh_parts
from .gru_cell import quotient
from .simd.vectors import Lanes, elementwise, load, offset, row0, row1, row2, store
from .tiles_f32 import multiplication

inlined = njit(inline="always")

#: Logarithm of the largest exponential: sums of two and their quotients stay within float32.
LARGEST = 60.0


def exponential(x):
    """exp(x) for x within +-`LARGEST`: as `activations.exp`, which is for negative ones."""
    x = x.above(-LARGEST).below(LARGEST)
    n = (x * 1.4426950408889634).rounded()
    r = n.fma(2.12194440e-4, n.fma(-0.693359375, x))
    return horner(r, EXP).times_two_to(n)


def min_gru_cell(candidate, division):
    """An intrinsic: z, n and h -> the new h."""
    function = formula(candidate)

    def new(z, n, h):
        z, p, q = tanh_parts(z, z.in_lanes(TANH) if division else TANH)
        return quotient(z.fma(p, q), q + q, division).fma(function(n) - h, h)

    return elementwise(new)


def min_lstm_cell(candidate, division):
    """An intrinsic: f, i, n and h -> the new h. i / (f + i) of sigmoids is (1 + exp(-f)) / (2 + exp(-f) + exp(-i))."""
    function = formula(candidate)

    def new(f, i, n, h):
        of_f, of_i = exponential(f * -1.0) + 1.0, exponential(i * -1.0) + 1.0
        return quotient(of_f, of_f + of_i, division).fma(function(n) - h, h)

    return elementwise(new)


def _walker(gates, inputs, padded, units, tail, sums, advance, x_stride, y_stride):
    """The kernel whose cell is `advance(a, h)`, of pre-activations and the old h. sums: paired and chains of `tiles_f32.multiplication`."""
    lanes, rows, tail_lanes, tail_rows = Lanes(units), Lanes(units, gates), Lanes(tail or 4), Lanes(tail or 4, gates)
    tiles, size, tail_size = (padded - tail) // units, gates * units, gates * tail
    multiply = multiplication(*sums, 0)

    @inlined
    def tile(rows, lanes, w, size, x, y, h, n):
        """All timesteps of a tile; h in place."""
        state = load(lanes, h, 0)
        for t in range(n):
            state = advance(multiply(rows, offset(w, size), offset(x, t * x_stride), inputs, size, load(rows, w, 0)), state)
            store(y, t * y_stride, state)
        store(h, 0, state)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (padded,); z: unused."""
        for j in range(tiles):
            tile(rows, lanes, offset(w, j * (1 + inputs) * size), size, x, offset(y, j * units), offset(s, j * units), n)
        if tail:
            done = tiles * units
            tile(tail_rows, tail_lanes, offset(w, tiles * (1 + inputs) * size), tail_size, x, offset(y, done), offset(s, done), n)

    return kernel


def min_gru_f32(inputs, padded, units, tail, paired, candidate, division, x_stride, y_stride, chains=1):
    """Kernel of one layer. Parameters as for `lstm_f32`; candidate: the word of its function."""
    cell = min_gru_cell(candidate, division)

    @inlined
    def advance(a, h):
        return cell(row0(a), row1(a), h)

    return _walker(2, inputs, padded, units, tail, (paired, chains), advance, x_stride, y_stride)


def min_lstm_f32(inputs, padded, units, tail, paired, candidate, division, x_stride, y_stride, chains=1):
    """Kernel of one layer. Parameters as for `min_gru_f32`."""
    cell = min_lstm_cell(candidate, division)

    @inlined
    def advance(a, h):
        return cell(row0(a), row1(a), row2(a), h)

    return _walker(3, inputs, padded, units, tail, (paired, chains), advance, x_stride, y_stride)
