"""Twins of GRU and Elman layers with int8 weights: integer products, exact, and the rest in float64."""

from collections.abc import Callable

import numpy as np

from ..layers.hidden_int8 import GRUInt8, HiddenInt8, RNNInt8
from .functions import State, Twin, Vector, activation, input_steps, sums


def from_x(layer: HiddenInt8, x: Vector) -> Vector:
    """Input products: (rows,)."""
    scale = layer.scale_ih.astype(np.float64)
    if layer.scheme == "int8-weight":
        return np.asarray(scale * (layer.weight_ih.astype(np.float64) @ x))
    steps = input_steps(x, layer.input_scale)
    return np.asarray(scale / np.float64(steps) * sums(layer.weight_ih, x, steps))


def from_h(layer: HiddenInt8, h: Vector, rows: slice = slice(None)) -> Vector:
    """Recurrent products of some rows."""
    scale, weight = layer.scale_hh[rows].astype(np.float64), layer.weight_hh[rows]
    if layer.scheme == "int8-weight":
        return np.asarray(scale * (weight.astype(np.float64) @ h))
    return np.asarray(scale / np.float64(layer.hidden_steps) * sums(weight, h, layer.hidden_steps))


def clipped(layer: GRUInt8 | RNNInt8, word: str) -> Callable[[Vector], Vector]:
    """An activation of clipped pre-activations."""
    limit = np.inf if layer.gate_clip is None else layer.gate_clip
    return lambda z: activation(word)(np.clip(z, -limit, limit))


def gru(layer: GRUInt8, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: h, (hidden_size,)."""
    (h,) = state
    hidden = layer.hidden_size
    gate, cell = clipped(layer, layer.gate_activation), clipped(layer, layer.cell_activation)
    a_r, a_z, a_n = np.split(from_x(layer, np.concatenate(xs)) + layer.bias_ih, 3)
    b_r, b_z, b_n = np.split(layer.bias_hh.astype(np.float64), 3)
    u_r, u_z = np.split(from_h(layer, h, slice(2 * hidden)), 2)
    r, z, of_n = gate(a_r + u_r + b_r), gate(a_z + u_z + b_z), slice(2 * hidden, None)
    recurrent = r * (from_h(layer, h, of_n) + b_n) if layer.reset_after else from_h(layer, r * h, of_n) + b_n
    n = cell(a_n + recurrent)
    h = (1 - z) * n + z * h
    return h, (h,)


def rnn(layer: RNNInt8, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: h, (hidden_size,)."""
    z = from_x(layer, np.concatenate(xs)) + from_h(layer, state[0]) + layer.bias
    h = clipped(layer, layer.activation)(z)
    return h, (h,)


def start(layer: HiddenInt8) -> State:
    """h before the first step: (hidden_size,)."""
    return (np.zeros(layer.hidden_size) if layer.h0 is None else layer.h0.astype(np.float64),)


TWINS = {"gru_int8": Twin(gru, start), "rnn_int8": Twin(rnn, start)}
