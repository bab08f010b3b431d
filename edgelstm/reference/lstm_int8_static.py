"""Exact twin of the integer LSTM."""

import numpy as np

from ..layers.integers import ACTIVATION_BITS, GATE_BITS
from ..layers.lstm_int8_static import LSTMInt8Static
from .functions import State, Twin
from .integers import Integers, Vector, dequantised, inverse_root, quantised, rescaled, rounded_shift, saturated, sigmoid, tanh, toward_zero

#: What stands for one among gates: the largest there is.
ONE = (1 << ACTIVATION_BITS) - 1


def gates(layer: LSTMInt8Static, x: Integers, h: Integers) -> Integers:
    """Gates i f g o before their activations, peepholes and norms: (4*hidden_size,). x and h are int8 with their zero points.

    In Q3.12 where nothing is normalised. Both sums are held within int16 before they are added, as in TensorFlow Lite Micro; LiteRT holds
    the second only after it.
    """
    bias = 0 if layer.norm_weight is not None else layer.bias
    from_x = layer.weight_ih.astype(np.int64) @ (x - layer.input_zero_point) + bias
    from_h = layer.weight_hh.astype(np.int64) @ (h - layer.hidden_zero_point)
    from_x = saturated(rescaled(from_x, layer.mantissa_ih, layer.shift_ih), 16)
    from_h = saturated(rescaled(from_h, layer.mantissa_hh, layer.shift_hh), 16)
    return saturated(from_x + from_h, 16)


def seen(layer: LSTMInt8Static, z: Integers, k: int, c: Integers) -> Integers:
    """A gate before its activation, (hidden_size,), and what its peephole, the k-th, lets through of the cell."""
    if layer.peephole is None:
        return z
    products = layer.peephole[k].astype(np.int64) * c
    return saturated(z + rescaled(products, layer.mantissa_peephole[k : k + 1], layer.shift_peephole[k : k + 1]), 16)


def normalised(layer: LSTMInt8Static, z: Integers, gate: int) -> Integers:
    """A gate before its activation, (hidden_size,), normalised over its units, in Q3.12: TensorFlow Lite's ``ApplyLayerNorm``.

    Deviations have ten bits more than z. A variance below one step is the gate's guard.
    """
    if layer.norm_weight is None:
        return z
    units = slice(gate * z.size, (gate + 1) * z.size)
    mean = toward_zero(int(z.sum()) * 1024, z.size)
    variance = toward_zero(int((z * z).sum()) * ((1 << 20) // z.size) - mean * mean, 1 << 20)
    inverse, power = inverse_root(variance if variance >= 1 else int(layer.norm_guard[gate]))
    deviations = rescaled(1024 * z - mean, np.array([inverse]), np.array([power]))
    weighed = rounded_shift(deviations * layer.norm_weight[units].astype(np.int64) + layer.bias[units], 10)
    return saturated(rescaled(weighed, layer.mantissa_norm[gate : gate + 1], layer.shift_norm[gate : gate + 1]), 16)


def projected(layer: LSTMInt8Static, gated: Integers) -> Integers:
    """h with its zero point, of o * tanh(c) in steps of it, or of what the projection reads."""
    if layer.weight_hr is None:
        return saturated(gated + layer.hidden_zero_point, 8)
    inner = saturated(gated + layer.gated_zero_point, 8) - layer.gated_zero_point
    sums = layer.weight_hr.astype(np.int64) @ inner + layer.bias_hr
    r = saturated(rescaled(sums, layer.mantissa_hr, layer.shift_hr) + layer.hidden_zero_point, 8)
    return r if layer.projection_clip is None else np.clip(r, -layer.projection_clip, layer.projection_clip)


def integer_step(layer: LSTMInt8Static, x: Integers, h: Integers, c: Integers) -> tuple[Integers, Integers]:
    """One step in integers. x: (input_size,) int8; h: (projection_size,) int8; c: (hidden_size,) int16; returns the new h and c."""
    z = np.split(gates(layer, x, h), 4)
    i, f = (sigmoid(normalised(layer, seen(layer, z[k], k, c), k)) for k in range(2))
    if layer.coupled == "i=1-f":
        i = ONE - f
    elif layer.coupled == "f=1-i":
        f = ONE - i
    added = rounded_shift(i * tanh(normalised(layer, z[2], 2), GATE_BITS), 2 * ACTIVATION_BITS - layer.cell_bits)
    c = saturated(rounded_shift(f * c, ACTIVATION_BITS) + added, 16)
    if layer.cell_clip is not None:
        c = np.clip(c, -layer.cell_clip, layer.cell_clip)
    o = sigmoid(normalised(layer, seen(layer, z[3], 2, c), 3))
    return projected(layer, rescaled(o * tanh(c, layer.cell_bits), layer.mantissa_out, layer.shift_out)), c


def start(layer: LSTMInt8Static) -> State:
    """h (projection_size,) and c (hidden_size,) before the first step: integers."""
    h0 = np.full(layer.projection_size, layer.hidden_zero_point) if layer.h0 is None else layer.h0
    c0 = np.zeros(layer.hidden_size) if layer.c0 is None else layer.c0
    return h0.astype(np.float64), c0.astype(np.float64)


def step(layer: LSTMInt8Static, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: integers as `start` makes them."""
    x = quantised(np.concatenate(xs), layer.input_scale, layer.input_zero_point)
    h, c = integer_step(layer, x, *(part.astype(np.int64) for part in state))
    return dequantised(h, layer.hidden_scale, layer.hidden_zero_point), (h.astype(np.float64), c.astype(np.float64))


TWINS = {"lstm_int8_static": Twin(step, start)}
