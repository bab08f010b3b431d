"""Exact twin of the integer layers of `layers_int8_static`: int64 NumPy, slow and obvious. Kernels must equal it bit for bit.

Source: the integer LSTM of TensorFlow Lite ("8x8_16"). Multipliers round twice, as TensorFlow Lite's builds do by default.
sigmoid and tanh come from one interpolated table, which is the idea of TensorFlow Lite Micro with a table of our own.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layers_int8_static import ACTIVATION_BITS, GATE_BITS, TABLE_END, DenseInt8Static, LSTMInt8Static, tanh_table

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Bits behind the point of what `interpolated` takes and gives; a table interval is 2**8 of its steps.
_IN_BITS, _OUT_BITS, _INTERVAL_BITS = 15, 24, 8

_TABLE = tanh_table().astype(np.int64)


def saturated(x: Integers, bits: int) -> Integers:
    """X held within a signed integer of `bits` bits."""
    return np.asarray(np.clip(x, -(1 << (bits - 1)), (1 << (bits - 1)) - 1))


def rounded_shift(x: Integers, bits: NDArray[Any] | int) -> Integers:
    """X / 2**bits, halves away from zero: gemmlowp's ``RoundingDivideByPOT``."""
    half = np.left_shift(np.int64(1), bits) >> 1
    return np.asarray(np.sign(x) * ((np.abs(x) + half) >> bits))


def rescaled(x: Integers, mantissa: NDArray[np.int32], shift: NDArray[np.int8]) -> Integers:
    """X * mantissa / 2**31 * 2**shift, rounded twice: TensorFlow Lite's ``MultiplyByQuantizedMultiplier`` for int32.

    First to int32, halves up, after a left shift; then by a right shift, halves away from zero. The left shift saturates where
    TensorFlow Lite leaves it undefined. x: (rows,); mantissa and shift: one for each row, or for each of several equal groups of rows.
    """
    factor, power = (np.repeat(a.astype(np.int64), x.size // a.size) for a in (mantissa, shift))  # (rows,)
    left = saturated(x << np.maximum(power, 0), 32)
    product = (left * factor + (1 << 30)) >> 31
    return rounded_shift(product, np.maximum(-power, 0))


def interpolated(x: Integers) -> Integers:
    """Tanh of x >= 0: from 15 bits behind the point to 24. What lies beyond the table takes its end."""
    x = np.minimum(x, (TABLE_END << _IN_BITS) - 1)
    interval, rest = x >> _INTERVAL_BITS, x & ((1 << _INTERVAL_BITS) - 1)
    return np.asarray((_TABLE[interval] << _INTERVAL_BITS) + (_TABLE[interval + 1] - _TABLE[interval]) * rest)


def tanh(x: Integers, bits: int) -> Integers:
    """Tanh of x with `bits` (9 to 15) behind the point, in Q0.15; within one step of the exact value."""
    drop = _OUT_BITS - ACTIVATION_BITS
    positive = (interpolated(np.abs(x) << (_IN_BITS - bits)) + (1 << (drop - 1))) >> drop
    return np.asarray(np.sign(x) * np.minimum(positive, (1 << ACTIVATION_BITS) - 1))


def sigmoid(x: Integers) -> Integers:
    """``1/2 + tanh(x/2)/2`` of x in Q3.12, in Q0.15; within one step of the exact value."""
    twice = (1 << _OUT_BITS) + np.sign(x) * interpolated(np.abs(x) << (_IN_BITS - GATE_BITS - 1))
    drop = _OUT_BITS + 1 - ACTIVATION_BITS
    return np.asarray(np.minimum((twice + (1 << (drop - 1))) >> drop, (1 << ACTIVATION_BITS) - 1))


def quantised(x: Vector, scale: NDArray[np.float32], zero_point: int) -> Integers:
    """round(x / scale) + zero_point within int8. x and the scale's inverse are multiplied in float32; ties go to even."""
    with np.errstate(over="ignore"):
        steps = np.asarray(x, np.float32) * (np.float32(1) / scale[0])
    return np.asarray(np.clip(np.rint(steps) + np.float32(zero_point), -128, 127).astype(np.int64))


def dequantised(q: Integers, scale: NDArray[np.float32], zero_point: int) -> Vector:
    """(q - zero_point) * scale in float32."""
    return np.asarray(((q - zero_point).astype(np.float32) * scale[0]).astype(np.float64))


def gates(layer: LSTMInt8Static, x: Integers, h: Integers) -> Integers:
    """Gates i f g o before their activations, in Q3.12: (4*hidden_size,). x and h are int8 with their zero points.

    Both sums are held within int16 before they are added, as in TensorFlow Lite Micro; LiteRT holds the second only after it.
    """
    from_x = layer.weight_ih.astype(np.int64) @ (x - layer.input_zero_point) + layer.bias
    from_h = layer.weight_hh.astype(np.int64) @ (h - layer.hidden_zero_point)
    from_x = saturated(rescaled(from_x, layer.mantissa_ih, layer.shift_ih), 16)
    from_h = saturated(rescaled(from_h, layer.mantissa_hh, layer.shift_hh), 16)
    return saturated(from_x + from_h, 16)


def lstm_step(layer: LSTMInt8Static, x: Integers, h: Integers, c: Integers) -> tuple[Integers, Integers]:
    """One step in integers. x: (input_size,) int8; h: (hidden_size,) int8; c: (hidden_size,) int16; returns the new h and c."""
    i, f, g, o = np.split(gates(layer, x, h), 4)
    added = rounded_shift(sigmoid(i) * tanh(g, GATE_BITS), 2 * ACTIVATION_BITS - layer.cell_bits)
    c = saturated(rounded_shift(sigmoid(f) * c, ACTIVATION_BITS) + added, 16)
    if layer.cell_clip is not None:
        c = np.clip(c, -layer.cell_clip, layer.cell_clip)
    out = rescaled(sigmoid(o) * tanh(c, layer.cell_bits), layer.mantissa_out, layer.shift_out)
    return saturated(out + layer.hidden_zero_point, 8), c


def lstm_initial(layer: LSTMInt8Static) -> tuple[Vector, Vector]:
    """H and c before the first step: integers."""
    h0 = np.full(layer.hidden_size, layer.hidden_zero_point) if layer.h0 is None else layer.h0
    c0 = np.zeros(layer.hidden_size) if layer.c0 is None else layer.c0
    return h0.astype(np.float64), c0.astype(np.float64)


def lstm(layer: LSTMInt8Static, x: Vector, h: Vector, c: Vector) -> tuple[Vector, tuple[Vector, Vector]]:
    """One step. x: (input_size,); h and c: integers as `lstm_initial` made them; returns the output and the new integers."""
    new_h, new_c = lstm_step(layer, quantised(x, layer.input_scale, layer.input_zero_point), h.astype(np.int64), c.astype(np.int64))
    return dequantised(new_h, layer.hidden_scale, layer.hidden_zero_point), (new_h.astype(np.float64), new_c.astype(np.float64))


def dense_step(layer: DenseInt8Static, x: Integers) -> Integers:
    """One step in integers. x: (input_size,) int8; returns (output_size,) int8."""
    sums = layer.weight.astype(np.int64) @ (x - layer.input_zero_point) + layer.bias
    return saturated(rescaled(sums, layer.mantissa, layer.shift) + layer.output_zero_point, 8)


def dense(layer: DenseInt8Static, x: Vector) -> Vector:
    """One step. x: (input_size,); returns (output_size,)."""
    q = dense_step(layer, quantised(x, layer.input_scale, layer.input_zero_point))
    return dequantised(q, layer.output_scale, layer.output_zero_point)
