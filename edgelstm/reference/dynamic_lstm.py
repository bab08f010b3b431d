"""Twin of the LSTM whose products are of whole numbers. h is rounded in float32, as its kernel rounds it; all else is float64."""

import numpy as np

from ..layers.dynamic_lstm import DynamicLSTM
from .functions import State, Twin, Vector, levels_over_range, sigmoid


def start(layer: DynamicLSTM) -> State:
    zeros = np.zeros(layer.hidden_size)
    return tuple(zeros if one is None else one.astype(np.float64) for one in (layer.h0, layer.c0))


def step(layer: DynamicLSTM, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: levels and their scale, (input_size,) together; state: h and c (hidden_size,)."""
    h, c = state
    *levels, scale = np.concatenate(xs)
    of_h, scale_of_h = levels_over_range(h)
    z = layer.weight_ih.astype(np.float64) @ np.array(levels) * (scale * layer.scale_ih.astype(np.float64))
    z += layer.weight_hh.astype(np.float64) @ of_h * (float(scale_of_h) * layer.scale_hh.astype(np.float64))
    i, f, g, o = np.split(z + layer.bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, (h, c)


TWINS = {"dynamic_lstm": Twin(step, start)}
