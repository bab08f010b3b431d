"""LSTM layers in integers alone whose cell has options: the sibling of `lstm_int8_static`, in the arithmetic of TensorFlow Lite's 8x8_16.

Packed weights are those of the plain layer, and behind the scales of the rows, as int32, what the options have: peepholes (3, hidden), the
mantissas and the shifts of their products; weights and biases of the norm (4, hidden) each, mantissas, shifts and guards of the gates;
mantissas, shifts and starts (given,) of the projection's rows. Bytes of the projection stand behind those of the recurrent weights.
"""

import numpy as np
from numba import njit

from .integers import (
    ACTIVATION_BITS,
    GATE_BITS,
    int8_at,
    int32_at,
    inverse_root,
    rescaled,
    rounded_shift,
    saturated,
    sigmoid,
    tanh,
    toward_zero,
    uint16_at,
)
from .lstm_int8_static import quantise, real, summed
from .packing import (
    C_OFFSET,
    CELL_BITS,
    CELL_CLIP,
    GATED_ZERO,
    H_OFFSET,
    HEADER,
    INPUT_STEPS,
    INPUT_ZERO,
    MANTISSA_OUT,
    OUTPUT_SCALE,
    OUTPUT_ZERO,
    PROJECTION_CLIP,
    SHIFT_OUT,
    TABLE_END,
)
from .simd.vectors import offset

inlined = njit(inline="always")

#: The largest gate: what stands for one.
ONE = (1 << ACTIVATION_BITS) - 1


@inlined
def int16(x):
    return saturated(x, -32768, 32767)


def summing(inputs, hidden, given):
    """An inlined function (z, gate, scales, ih, hh, xq, hq): a gate's pre-activations (hidden,), without what the cell adds, to z."""

    @inlined
    def sum_gate(z, gate, scales, ih, hh, xq, hq):
        for j in range(hidden):
            row = gate * hidden + j
            at = 6 * row
            from_x = rescaled(summed(scales[at + 2], ih, row, xq, inputs), int(scales[at]), int(scales[at + 1]))
            from_h = rescaled(summed(scales[at + 5], hh, row, hq, given), int(scales[at + 3]), int(scales[at + 4]))
            z[row] = np.int32(int16(int16(from_x) + int16(from_h)))

    return sum_gate


def seeing(hidden, peephole):
    """An inlined function (z, gate, k, numbers, c): to a gate's pre-activations what its peephole, the k-th, lets through of the cell."""

    @inlined
    def see_cell(z, gate, k, numbers, c):
        if peephole:
            mantissa, shift = int(numbers[3 * hidden + k]), int(numbers[3 * hidden + 3 + k])
            for j in range(hidden):
                seen = rescaled(int(numbers[k * hidden + j]) * (int(c[j]) - C_OFFSET), mantissa, shift)
                z[gate * hidden + j] = np.int32(int16(int(z[gate * hidden + j]) + seen))

    return see_cell


def normalising(hidden, norm, at):
    """An inlined function (z, gate, numbers): a gate's pre-activations normalised over its units, as `reference.lstm_int8_static` has it.

    at: where the norm's numbers begin.
    """
    biases, mantissas, share = at + 4 * hidden, at + 8 * hidden, (1 << 20) // hidden

    @inlined
    def normalise(z, gate, numbers):
        if norm:
            total, squares = 0, 0
            for j in range(hidden):
                value = int(z[gate * hidden + j])
                total += value
                squares += value * value
            mean = toward_zero(total * 1024, hidden)
            variance = toward_zero(squares * share - mean * mean, 1 << 20)
            if variance < 1:
                variance = int(numbers[mantissas + 8 + gate])
            inverse, power = inverse_root(variance)
            mantissa, shift = int(numbers[mantissas + gate]), int(numbers[mantissas + 4 + gate])
            for j in range(hidden):
                row = gate * hidden + j
                deviation = rescaled(1024 * int(z[row]) - mean, inverse, power)
                weighed = rounded_shift(deviation * int(numbers[at + row]) + int(numbers[biases + row]), 10)
                z[row] = np.int32(int16(rescaled(weighed, mantissa, shift)))

    return normalise


def updating(hidden, coupled):
    """An inlined function (header, table, z, c): the new cell in place, of the gates i, f and g in z."""

    @inlined
    def update(header, table, z, c):
        bits, clip = int(header[CELL_BITS]), int(header[CELL_CLIP])
        for j in range(hidden):
            i, f = sigmoid(table, int(z[j])), sigmoid(table, int(z[hidden + j]))
            if coupled == "i=1-f":
                i = ONE - f
            elif coupled == "f=1-i":
                f = ONE - i
            added = rounded_shift(i * tanh(table, int(z[2 * hidden + j]), GATE_BITS), 2 * ACTIVATION_BITS - bits)
            new = int16(rounded_shift(f * (int(c[j]) - C_OFFSET), ACTIVATION_BITS) + added)
            c[j] = np.int32(saturated(new, -clip, clip) + C_OFFSET)

    return update


def giving(hidden, given, projected, at):
    """An inlined function (header, table, z, c, numbers, hr, q, h): the new h from the gate o in z and the new cell. q: (hidden,) bytes.

    at: where the projection's numbers begin.
    """

    @inlined
    def give(header, table, z, c, numbers, hr, q, h):
        bits, zero, clip = int(header[CELL_BITS]), int(header[OUTPUT_ZERO]), int(header[PROJECTION_CLIP])
        for j in range(hidden):
            o, inner = sigmoid(table, int(z[3 * hidden + j])), tanh(table, int(c[j]) - C_OFFSET, bits)
            gated = rescaled(o * inner, int(header[MANTISSA_OUT]), int(header[SHIFT_OUT]))
            if projected:
                q[j] = np.int8(saturated(gated + int(header[GATED_ZERO]), -128, 127))
            else:
                h[j] = np.int32(saturated(gated + zero, -128, 127) + H_OFFSET)
        if projected:
            for j in range(given):
                sums = summed(numbers[at + 2 * given + j], hr, j, q, hidden)
                r = saturated(rescaled(sums, int(numbers[at + j]), int(numbers[at + given + j])) + zero, -128, 127)
                h[j] = np.int32(saturated(r, -clip, clip) + H_OFFSET)

    return give


def lstm_int8_static_cell(inputs, hidden, given, coupled, peephole, norm, projected, x_stride, y_stride):
    """Kernel of one layer. given: size of h; coupled: as `CellOptions` has it; peephole, norm, projected: whether there is one."""
    norm_at = (3 * hidden + 6) * peephole
    rows_at = norm_at + (8 * hidden + 12) * norm
    numbers_at = 4 * (TABLE_END + 6 * 4 * hidden)
    ih_at = numbers_at + 4 * (rows_at + 3 * given * projected)
    hh_at = ih_at + 4 * hidden * inputs
    hr_at = hh_at + 4 * hidden * given
    xq_at = 4 * 4 * hidden
    hq_at = xq_at + (inputs + 3) // 4 * 4
    q_at = hq_at + (given + 3) // 4 * 4
    sum_gate, see_cell, normalise = summing(inputs, hidden, given), seeing(hidden, peephole), normalising(hidden, norm, norm_at)
    update, give = updating(hidden, coupled), giving(hidden, given, projected, rows_at)
    derived = {"i=1-f": 0, "f=1-i": 1}.get(coupled, -1)

    def kernel(w, x, y, s, z, n):
        """w: packed weights; x: (n, x_stride); y: (n, y_stride), h of every step; s: h (given,), c (hidden,) as int32; z: gates, bytes."""
        header, table = int32_at(w, 0), uint16_at(w, 4 * HEADER)
        scales, numbers = int32_at(w, 4 * TABLE_END), int32_at(w, numbers_at)
        ih, hh, hr = int8_at(w, ih_at), int8_at(w, hh_at), int8_at(w, hr_at)
        h, c, sums = int32_at(s, 0), int32_at(s, 4 * given), int32_at(z, 0)
        xq, hq, q = int8_at(z, xq_at), int8_at(z, hq_at), int8_at(z, q_at)
        for t in range(n):
            yt = offset(y, t * y_stride)
            quantise(xq, offset(x, t * x_stride), inputs, w[INPUT_STEPS], int(header[INPUT_ZERO]))
            for j in range(given):
                hq[j] = np.int8(h[j] - H_OFFSET)
            for gate in range(4):
                if gate != derived:
                    sum_gate(sums, gate, scales, ih, hh, xq, hq)
                    if gate < 2:
                        see_cell(sums, gate, gate, numbers, c)
                    if gate < 3:
                        normalise(sums, gate, numbers)
            update(header, table, sums, c)
            see_cell(sums, 3, 2, numbers, c)
            normalise(sums, 3, numbers)
            give(header, table, sums, c, numbers, hr, q, h)
            for j in range(given):
                yt[j] = real(int(h[j]) - H_OFFSET, int(header[OUTPUT_ZERO]), w[OUTPUT_SCALE])

    return kernel
