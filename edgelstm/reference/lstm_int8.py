"""Exact twin of the LSTM with int8 weights."""

import numpy as np

from ..layers.lstm_int8 import LSTMInt8
from .cells import advance, start
from .functions import State, Twin, Vector, input_steps, sums


def preactivations(layer: LSTMInt8, x: Vector, h: Vector) -> Vector:
    """Gates before their activations, in the order i f g o: (4*hidden_size,)."""
    if layer.scheme == "int8-weight":
        weight_ih, weight_hh = layer.weight_ih.astype(np.float64), layer.weight_hh.astype(np.float64)
        return np.asarray(layer.bias + layer.scale_ih * (weight_ih @ x) + layer.scale_hh * (weight_hh @ h))
    scale, shift = layer.scale_hh.astype(np.float64), np.float64(2.0**layer.input_shift)
    steps, h_steps = input_steps(x, layer.input_scale), layer.hidden_steps
    from_x, from_h = sums(layer.weight_ih, x, steps), sums(layer.weight_hh, h, h_steps)
    if layer.input_scale is None:
        inputs = shift * from_x * np.float64(h_steps) / np.float64(steps)
        return np.asarray(scale / np.float64(h_steps) * (inputs + from_h + layer.bias_steps))
    return np.asarray(scale / np.float64(h_steps) * (shift * (from_x + layer.bias_steps) + from_h))


def step(layer: LSTMInt8, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step; the cell is the float one."""
    h, c = state
    h, c = advance(layer, preactivations(layer, np.concatenate(xs), h), np.zeros(4 * layer.hidden_size), c)
    return h, (h, c)


TWINS = {"lstm_int8": Twin(step, start)}
