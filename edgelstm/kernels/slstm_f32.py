"""One sLSTM layer in float32.

Weights are packed head by head in tiles of some units: for each row k of [bias, inputs, recurrent of the head] the gates i f z o of its
units side by side, `size` = 4 * units floats a row. They are summed in that order. The rows of o come halved, as `cells` has them.
m begins far below all that i can be, which makes the first step's m the first i.
"""

from numba import njit

from .activations import TANH, formula, tanh_parts
from .gru_cell import quotient
from .simd.vectors import Lanes, elementwise, load, offset, row0, row1, row2, row3, store
from .tiles_f32 import multiplication

inlined = njit(inline="always")


def advance(division):
    """An intrinsic: i, f, z, o and the old c, n and m -> four rows: the new c, n, m and h."""
    log_sigmoid, exp = formula("log_sigmoid"), formula("exp")

    def new(i, f, z, o, c, n, m):
        coefficients = z.in_lanes(TANH) if division else TANH
        kept = log_sigmoid(f) + m
        larger = i.above(kept)
        of_new, of_old = exp(i - larger), exp(kept - larger)
        z, p, q = tanh_parts(z, coefficients)
        c = of_old.fma(c, of_new * quotient(z * p, q, division))
        n = of_old.fma(n, of_new)
        o, p, q = tanh_parts(o, coefficients)
        return c, n, larger, quotient(o.fma(p, q) * c, (q + q) * n, division)

    return elementwise(new, rows=4)


def slstm_f32(inputs, hidden, head, units, tail, paired, division, x_stride, y_stride):
    """Kernel of one layer.

    Parameters
    ----------
    inputs, hidden, head : int
        Sizes of x, of h, and of the h that a unit reads, a multiple of 4.
    units, tail : int
        Units of the full tiles of a head, and of its last, narrower one (0: none).
    paired, division, x_stride, y_stride
        As for `lstm_f32`.
    """
    gates, lanes, size = Lanes(units, 4), Lanes(units), 4 * units
    tail_gates, tail_lanes, tail_size = Lanes(tail or 4, 4), Lanes(tail or 4), 4 * tail
    heads, tiles, rows = hidden // head, (head - tail) // units, 1 + inputs + head
    multiply, next_state = multiplication(paired, 1, 0), advance(division)
    four = Lanes(4)

    @inlined
    def tile(gates, lanes, w, size, x, h, s, y):
        """One tile's step: new c, n and m in place, new h to y. h: of the head; s: c, n and m of the tile."""
        a = multiply(gates, offset(w, size), x, inputs, size, load(gates, w, 0))
        a = multiply(gates, offset(w, (1 + inputs) * size), h, head, size, a)
        old = load(lanes, s, 0), load(lanes, s, hidden), load(lanes, s, 2 * hidden)
        new = next_state(row0(a), row1(a), row2(a), row3(a), old[0], old[1], old[2])
        store(s, 0, row0(new))
        store(s, hidden, row1(new))
        store(s, 2 * hidden, row2(new))
        store(y, 0, row3(new))

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h, c, n and m (hidden,) each; z: unused."""
        h, states = s, offset(s, hidden)
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for g in range(heads):
                first = g * head
                of_head, own = offset(w, g * rows * 4 * head), offset(h, first)
                for j in range(tiles):
                    at = first + j * units
                    tile(gates, lanes, offset(of_head, j * rows * size), size, xt, own, offset(states, at), offset(yt, at))
                if tail:
                    at, last = first + tiles * units, offset(of_head, tiles * rows * size)
                    tile(tail_gates, tail_lanes, last, tail_size, xt, own, offset(states, at), offset(yt, at))
            h = yt
        for k in range(0, hidden, 4):
            store(s, k, load(four, h, k))

    return kernel
