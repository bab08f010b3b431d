"""Twin of the float32 LSTM."""

import numpy as np

from ..layers.lstm import LSTM
from .functions import State, Twin, Vector, lstm_cell, lstm_start


def step(layer: LSTM, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: h and c, (hidden_size,) each. Formula: `layers.lstm.LSTM`."""
    h, c = state
    z = layer.weight_ih.astype(np.float64) @ np.concatenate(xs) + layer.weight_hh.astype(np.float64) @ h + layer.bias  # (4*hidden_size,)
    h, c = lstm_cell(z, c)
    return h, (h, c)


TWINS = {"lstm": Twin(step, lstm_start)}
