"""Twin of the float32 sLSTM."""

import numpy as np

from ..layers.slstm import SLSTM
from .functions import State, Twin, Vector, sigmoid


def step(layer: SLSTM, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: h, c, n and m, (hidden_size,) each. Formula: `layers.slstm.SLSTM`."""
    h, c, n, m = state
    heads = h.reshape(-1, layer.head_size)
    of_heads = np.tile(np.repeat(heads, layer.head_size, axis=0), (4, 1))  # (4*hidden_size, head_size)
    recurrent = (layer.weight_hh.astype(np.float64) * of_heads).sum(axis=1)
    i, f, z, o = np.split(layer.weight_ih.astype(np.float64) @ np.concatenate(xs) + recurrent + layer.bias, 4)
    kept = m - np.logaddexp(0, -f)
    m = i if not n.any() else np.maximum(i, kept)
    new, old = np.exp(i - m), np.where(n == 0, 0, np.exp(np.minimum(kept - m, 0)))
    c, n = old * c + new * np.tanh(z), old * n + new
    h = sigmoid(o) * c / n
    return h, (h, c, n, m)


TWINS = {"slstm": Twin(step, lambda layer: tuple(np.zeros((4, layer.hidden_size))))}
