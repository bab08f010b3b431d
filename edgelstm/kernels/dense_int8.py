"""Fully connected layers with int8 weights: the sibling of `dense_f32`.

Lanes are outputs, in tiles of `units`. A tile holds, as float32: bias (units,) and scale (units,); as int32, where
activations are offset: what sums begin at (units,); then the weights' bytes.
"""

import numpy as np
from numba import njit

from .packing import GROUP, HEADER, OFFSET
from .simd.sums import as_floats, load_sums, no_sums
from .simd.vectors import Lanes, fma, load, multiplied, offset, splat, store, zero
from .tiles_f32 import multiply_bytes
from .tiles_int8 import STEPS, largest, quantiser, summer

inlined = njit(inline="always")


@inlined
def exactly(lanes, y, count, units, a, z):
    """Store the first `count` of a tile's `units` answers."""
    if count == units:
        store(y, 0, a)
    else:
        store(z, 0, a)
        for k in range(count):
            y[k] = z[k]


def answers_dynamic(outputs, units, words, form, width, calibrated):
    """An inlined function (w, q, steps, y, z): all answers. w: tiles behind a header; q: x as integers, so many a unit; z: one tile."""
    lanes, tiles = Lanes(units), -(-outputs // units)
    add_products, offset_inputs = summer(form, width, words)[0], OFFSET[form] != 0
    weights_at = 3 if offset_inputs else 2
    tile_floats = weights_at * units + words * GROUP[form] * units // 4
    last = outputs - (tiles - 1) * units

    @inlined
    def before(w):
        """Where the sums of a tile begin."""
        return load_sums(lanes, w, 2 * units) if offset_inputs else no_sums(lanes)

    @inlined
    def answer(w, q, steps, y, z):
        for j in range(tiles):
            at = offset(w, HEADER + j * tile_floats)
            a = as_floats(add_products(before(at), at, 4 * weights_at * units, q, units))
            if not calibrated:
                a = multiplied(a, splat(lanes, np.float32(1.0) / steps))
            a = fma(a, load(lanes, at, units), load(lanes, at, 0))
            exactly(lanes, offset(y, j * units), units if j < tiles - 1 else last, units, a, z)

    return answer


def answers_weight(inputs, outputs, units):
    """An inlined function (w, x, y, z): all answers to float32 inputs. w: tiles; z: one tile of answers."""
    lanes, tiles = Lanes(units), -(-outputs // units)
    tile_floats = 2 * units + (inputs * units + 3) // 4
    last = outputs - (tiles - 1) * units

    @inlined
    def answer(w, x, y, z):
        for j in range(tiles):
            at = offset(w, j * tile_floats)
            a = fma(multiply_bytes(lanes, at, 8 * units, x, inputs, units, zero(lanes)), load(lanes, at, units), load(lanes, at, 0))
            exactly(lanes, offset(y, j * units), units if j < tiles - 1 else last, units, a, z)

    return answer


def dense_int8_dynamic(inputs, outputs, units, words, form, width, calibrated, x_stride, y_stride):
    """Kernel of a layer with quantised inputs. Parameters as for `lstm_int8_dynamic`; `units` outputs a tile, the last one padded."""
    quantise, largest_x = quantiser(form, inputs), largest(inputs)
    answer = answers_dynamic(outputs, units, words, form, width, calibrated)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride); s: unused; z: quantised x, then one tile of answers."""
        answers = offset(z, (words + 3) // 4 * 4 + 4)
        for t in range(n):
            xt = offset(x, t * x_stride)
            yt = offset(y, t * y_stride)
            steps = w[0] if calibrated else STEPS / largest_x(xt)
            quantise(z, xt, steps)
            answer(w, z, steps, yt, answers)

    return kernel


def dense_int8_weight(inputs, outputs, units, x_stride, y_stride):
    """Kernel of a layer with float32 inputs; `units` outputs a tile, the last one padded."""
    answer = answers_weight(inputs, outputs, units)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride); s: unused; z: one tile of answers."""
        for t in range(n):
            answer(w, offset(x, t * x_stride), offset(y, t * y_stride), z)

    return kernel
