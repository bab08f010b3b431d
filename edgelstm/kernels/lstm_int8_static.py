"""LSTM and fully connected layers in integers alone, float32 to their neighbours: the compiled side of `reference.lstm_int8_static`.

Packed weights: the header and the table of `integers`, six int32 a row of the matrices (mantissa, shift and start of the input sums, the
same for the recurrent sums; three where there is one matrix), then the rows' bytes. Sums begin where zero points cancel.
"""

import numpy as np
from numba import njit

from .integers import ACTIVATION_BITS, GATE_BITS, int8_at, int32_at, rescaled, rounded_shift, saturated, sigmoid, tanh, uint16_at, whole
from .packing import (
    C_OFFSET,
    CELL_BITS,
    CELL_CLIP,
    H_OFFSET,
    HEADER,
    INPUT_STEPS,
    INPUT_ZERO,
    MANTISSA_OUT,
    OUTPUT_SCALE,
    OUTPUT_ZERO,
    SHIFT_OUT,
    TABLE_END,
)
from .simd.vectors import offset

inlined = njit(inline="always")

#: Ends of what is rounded: with any zero point, what lies beyond is beyond int8.
LOWEST, HIGHEST = np.float32(-256.0), np.float32(256.0)


@inlined
def quantise(q, x, count, steps, zero):
    """Write round(x * steps) + zero within int8 to q; a NaN becomes -128."""
    for k in range(count):
        value = x[k] * steps
        if not value > LOWEST:
            value = LOWEST
        q[k] = np.int8(saturated(whole(min(value, HIGHEST)) + zero, -128, 127))


@inlined
def real(q, zero, scale):
    """(q - zero) * scale: from int32, which every CPU turns into float32 without a function."""
    return np.float32(np.int32(q - zero)) * scale


@inlined
def summed(start, w, row, q, count):
    """Start plus the products of one row of int8 weights and q."""
    total = np.int32(start)
    for k in range(count):
        total = np.int32(total + np.int32(w[row * count + k]) * np.int32(q[k]))
    return int(total)


def lstm_int8_static(inputs, hidden, x_stride, y_stride):
    """Kernel of one layer."""
    per_row = 4 * TABLE_END
    ih_at = per_row + 6 * 4 * 4 * hidden
    hh_at = ih_at + 4 * hidden * inputs
    h_words = (inputs + 3) // 4

    @inlined
    def gate(scales, ih, hh, row, xq, hq):
        """One row's pre-activation, Q3.12."""
        at = 6 * row
        from_x = rescaled(summed(scales[at + 2], ih, row, xq, inputs), int(scales[at]), int(scales[at + 1]))
        from_h = rescaled(summed(scales[at + 5], hh, row, hq, hidden), int(scales[at + 3]), int(scales[at + 4]))
        both = saturated(from_x, -32768, 32767) + saturated(from_h, -32768, 32767)
        return saturated(both, -32768, 32767)

    @inlined
    def update(header, table, i, f, g, o, c):
        """New c, and h with its zero point."""
        bits = int(header[CELL_BITS])
        clip = int(header[CELL_CLIP])
        added = rounded_shift(sigmoid(table, i) * tanh(table, g, GATE_BITS), 2 * ACTIVATION_BITS - bits)
        c = saturated(rounded_shift(sigmoid(table, f) * c, ACTIVATION_BITS) + added, -32768, 32767)
        c = saturated(c, -clip, clip)
        out = rescaled(sigmoid(table, o) * tanh(table, c, bits), int(header[MANTISSA_OUT]), int(header[SHIFT_OUT]))
        return c, saturated(out + int(header[OUTPUT_ZERO]), -128, 127)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (hidden,), c (hidden,) as int32; z: x, h as int8."""
        header = int32_at(w, 0)
        table = uint16_at(w, 4 * HEADER)
        scales = int32_at(w, per_row)
        ih = int8_at(w, ih_at)
        hh = int8_at(w, hh_at)
        state = int32_at(s, 0)
        xq = int8_at(z, 0)
        hq = int8_at(z, 4 * h_words)
        for t in range(n):
            yt = offset(y, t * y_stride)
            quantise(xq, offset(x, t * x_stride), inputs, w[INPUT_STEPS], int(header[INPUT_ZERO]))
            for j in range(hidden):
                hq[j] = np.int8(state[j] - H_OFFSET)
            for j in range(hidden):
                i = gate(scales, ih, hh, j, xq, hq)
                f = gate(scales, ih, hh, hidden + j, xq, hq)
                g = gate(scales, ih, hh, 2 * hidden + j, xq, hq)
                o = gate(scales, ih, hh, 3 * hidden + j, xq, hq)
                c, h = update(header, table, i, f, g, o, int(state[hidden + j]) - C_OFFSET)
                state[j] = np.int32(h + H_OFFSET)
                state[hidden + j] = np.int32(c + C_OFFSET)
                yt[j] = real(h, int(header[OUTPUT_ZERO]), w[OUTPUT_SCALE])

    return kernel


def dense_int8_static(inputs, outputs, x_stride, y_stride):
    """Kernel of one fully connected layer."""
    weights_at = 4 * (HEADER + 3 * outputs)

    def kernel(w, x, y, s, z, n):
        """w: packed weights, without the table; x: (n, x_stride); y: (n, y_stride); s: unused; z: x as int8."""
        header = int32_at(w, 0)
        scales = int32_at(w, 4 * HEADER)
        weights = int8_at(w, weights_at)
        xq = int8_at(z, 0)
        zero = int(header[OUTPUT_ZERO])
        for t in range(n):
            quantise(xq, offset(x, t * x_stride), inputs, w[INPUT_STEPS], int(header[INPUT_ZERO]))
            for j in range(outputs):
                sums = summed(scales[3 * j + 2], weights, j, xq, inputs)
                q = saturated(rescaled(sums, int(scales[3 * j]), int(scales[3 * j + 1])) + zero, -128, 127)
                y[t * y_stride + j] = real(q, zero, w[OUTPUT_SCALE])

    return kernel
