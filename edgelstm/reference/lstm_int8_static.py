"""Exact twin of the integer LSTM."""

import numpy as np

from ..layers.integers import ACTIVATION_BITS, GATE_BITS
from ..layers.lstm_int8_static import LSTMInt8Static
from .integers import Integers, Vector, dequantised, quantised, rescaled, rounded_shift, saturated, sigmoid, tanh


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
