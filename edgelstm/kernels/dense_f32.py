"""Fully connected layers in float32, in two forms.

Few outputs: one dot product each, lanes over the inputs. More: lanes over the outputs, four sums over interleaved inputs.
Weights may be in half precision, two in the place of a float32, a row filled up to whole floats: each is converted as it is loaded.
"""

from numba import njit

from .chunks import LONGEST
from .simd.halves import load_halves
from .simd.reductions import total
from .simd.vectors import Lanes, add, fma, lane0, lane1, lane2, lane3, load, multiplied, offset, splat, store, zero
from .tiles_f32 import woven_multiplication

inlined = njit(inline="always")

FOUR = Lanes(4)


def dense_dot_f32(inputs, outputs, x_stride, y_stride, halves=0):
    """Kernel of a layer with few outputs. Weights: for each output its row (inputs,), then all biases (outputs,).

    halves: whether weights, not biases, are in half precision.
    """
    load_row, size, per_float = (load_halves, (inputs + 1) // 2, 2) if halves else (load, inputs, 1)
    width = min(inputs, LONGEST)
    lanes = Lanes(width)
    full = inputs // width * width
    rest = inputs - full
    rest_lanes = Lanes(rest or 1)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            for j in range(outputs):
                row = offset(w, j * size)
                a = multiplied(load_row(lanes, row, 0), load(lanes, xt, 0))
                for k in range(width, full, width):
                    a = fma(load_row(lanes, row, k // per_float), load(lanes, xt, k), a)
                value = w[outputs * size + j] + total(a)
                if rest:
                    value += total(multiplied(load_row(rest_lanes, row, full // per_float), load(rest_lanes, xt, full)))
                y[t * y_stride + j] = value

    return kernel


def column_sums(halves=0):
    """An inlined function: bias and products of one tile of outputs. halves: as `tiles_f32.multiplication` takes it."""
    load_row, woven = load_halves if halves else load, woven_multiplication(4, 0)

    @inlined
    def woven_columns(lanes, size, row, w, x, inputs):
        return woven(lanes, offset(w, size), x, inputs, row, load(lanes, w, 0))

    if halves == 2:
        return woven_columns

    @inlined
    def columns(lanes, size, row, w, x, inputs):
        """w: the bias, (size,), and the rows of inputs, `row` floats each; x: (inputs,)."""
        a = load(lanes, w, 0)
        b = zero(lanes)
        c = b
        d = b
        for k in range(inputs // 4):
            q = offset(w, size + 4 * k * row)
            v = load(FOUR, x, 4 * k)
            a = fma(load_row(lanes, q, 0), lane0(lanes, v), a)
            b = fma(load_row(lanes, q, row), lane1(lanes, v), b)
            c = fma(load_row(lanes, q, 2 * row), lane2(lanes, v), c)
            d = fma(load_row(lanes, q, 3 * row), lane3(lanes, v), d)
        for k in range(inputs // 4 * 4, inputs):
            a = fma(load_row(lanes, w, size + k * row), splat(lanes, x[k]), a)
        return add(add(a, b), add(c, d))

    return columns


def dense_columns_f32(inputs, outputs, units, x_stride, y_stride, halves=0):
    """Kernel of a layer with many outputs. Weights: tiles of `units` outputs, the last one narrower; a tile's rows: [bias, inputs...].

    halves: whether weights, not biases, are in half precision; 2: in woven pairs of rows, but for those of the narrower tile.
    """
    lanes, tiles, tail = Lanes(units), outputs // units, outputs % units
    tail_lanes = Lanes(tail or 1)
    row, tail_row = ((units + 1) // 2, (tail + 1) // 2) if halves else (units, tail)
    size = units + inputs * row
    columns, narrow = column_sums(halves), column_sums(min(halves, 1))

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for j in range(tiles):
                store(yt, j * units, columns(lanes, units, row, offset(w, j * size), xt, inputs))
            if tail:
                store(yt, tiles * units, narrow(tail_lanes, tail, tail_row, offset(w, tiles * size), xt, inputs))

    return kernel
