"""Exact twin of the integer LSTM."""

import numpy as np

from ..layers.integers import ACTIVATION_BITS, GATE_BITS
from ..layers.lstm_int8_static import LSTMInt8Static
from .functions import State, Twin
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


def integer_step(layer: LSTMInt8Static, x: Integers, h: Integers, c: Integers) -> tuple[Integers, Integers]:
    """One step in integers. x: (input_size,) int8; h: (hidden_size,) int8; c: (hidden_size,) int16; returns the new h and c."""
    i, f, g, o = np.split(gates(layer, x, h), 4)
    added = rounded_shift(sigmoid(i) * tanh(g, GATE_BITS), 2 * ACTIVATION_BITS - layer.cell_bits)
    c = saturated(rounded_shift(sigmoid(f) * c, ACTIVATION_BITS) + added, 16)
    if layer.cell_clip is not None:
        c = np.clip(c, -layer.cell_clip, layer.cell_clip)
    out = rescaled(sigmoid(o) * tanh(c, layer.cell_bits), layer.mantissa_out, layer.shift_out)
    return saturated(out + layer.hidden_zero_point, 8), c


def start(layer: LSTMInt8Static) -> State:
    """h and c before the first step: integers, (hidden_size,) each."""
    h0 = np.full(layer.hidden_size, layer.hidden_zero_point) if layer.h0 is None else layer.h0
    c0 = np.zeros(layer.hidden_size) if layer.c0 is None else layer.c0
    return h0.astype(np.float64), c0.astype(np.float64)


def step(layer: LSTMInt8Static, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: integers as `start` makes them."""
    x = quantised(np.concatenate(xs), layer.input_scale, layer.input_zero_point)
    h, c = integer_step(layer, x, *(part.astype(np.int64) for part in state))
    return dequantised(h, layer.hidden_scale, layer.hidden_zero_point), (h.astype(np.float64), c.astype(np.float64))


TWINS = {"lstm_int8_static": Twin(step, start)}
