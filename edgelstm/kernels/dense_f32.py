"""Fully connected layers in float32, in two forms.

Few outputs: one dot product each, lanes over the inputs. More: lanes over the outputs, four sums over interleaved inputs.
"""

from numba import njit

from .simd.vectors import Lanes, add, fma, lane0, lane1, lane2, lane3, load, multiplied, offset, splat, store, total, zero

inlined = njit(inline="always")

FOUR = Lanes(4)
LONGEST = 64


def dense_dot_f32(inputs, outputs, x_stride, y_stride):
    """Kernel of a layer with few outputs. Weights: for each output its row (inputs,), then all biases (outputs,)."""
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
                row = offset(w, j * inputs)
                a = multiplied(load(lanes, row, 0), load(lanes, xt, 0))
                for k in range(width, full, width):
                    a = fma(load(lanes, row, k), load(lanes, xt, k), a)
                value = w[outputs * inputs + j] + total(a)
                if rest:
                    value += total(multiplied(load(rest_lanes, row, full), load(rest_lanes, xt, full)))
                y[t * y_stride + j] = value

    return kernel


@inlined
def columns(lanes, size, w, x, inputs):
    """Bias and products of one tile of `size` outputs. w: (1 + inputs, size), the bias first; x: (inputs,)."""
    a = load(lanes, w, 0)
    b = zero(lanes)
    c = b
    d = b
    for k in range(inputs // 4):
        q = offset(w, (4 * k + 1) * size)
        v = load(FOUR, x, 4 * k)
        a = fma(load(lanes, q, 0), lane0(lanes, v), a)
        b = fma(load(lanes, q, size), lane1(lanes, v), b)
        c = fma(load(lanes, q, 2 * size), lane2(lanes, v), c)
        d = fma(load(lanes, q, 3 * size), lane3(lanes, v), d)
    for k in range(inputs // 4 * 4, inputs):
        a = fma(load(lanes, w, (k + 1) * size), splat(lanes, x[k]), a)
    return add(add(a, b), add(c, d))


def dense_columns_f32(inputs, outputs, units, x_stride, y_stride):
    """Kernel of a layer with many outputs. Weights: tiles of `units` outputs, the last one narrower; a tile's rows: [bias, inputs...]."""
    lanes, tiles, tail = Lanes(units), outputs // units, outputs % units
    tail_lanes = Lanes(tail or 1)
    size = (1 + inputs) * units

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride); s, z: unused."""
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            for j in range(tiles):
                store(yt, j * units, columns(lanes, units, offset(w, j * size), xt, inputs))
            if tail:
                store(yt, tiles * units, columns(tail_lanes, tail, offset(w, tiles * size), xt, inputs))

    return kernel
