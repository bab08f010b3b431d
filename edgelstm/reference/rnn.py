"""Twin of the float32 Elman layer."""

import numpy as np

from ..layers.rnn import RNN
from .functions import State, Twin, Vector, activation


def step(layer: RNN, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: h, (hidden_size,). Formula: `layers.rnn.RNN`."""
    limit = np.inf if layer.gate_clip is None else layer.gate_clip
    z = layer.weight_ih.astype(np.float64) @ np.concatenate(xs) + layer.weight_hh.astype(np.float64) @ state[0] + layer.bias
    h = activation(layer.activation)(np.clip(z, -limit, limit))
    return h, (h,)


def start(layer: RNN) -> State:
    """h before the first step: (hidden_size,)."""
    return (np.zeros(layer.hidden_size) if layer.h0 is None else layer.h0.astype(np.float64),)


TWINS = {"rnn": Twin(step, start)}
