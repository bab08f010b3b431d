"""Twin of the GRU, its weights in float32 or in half precision."""

import numpy as np

from ..layers.gru import GRU
from .functions import State, Twin, Vector, activation


def step(layer: GRU, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: h, (hidden_size,). Formula: `layers.gru.GRU`."""
    (h,) = state
    gate, cell = activation(layer.gate_activation), activation(layer.cell_activation)
    limit = np.inf if layer.gate_clip is None else layer.gate_clip
    a_r, a_z, a_n = np.split(layer.weight_ih.astype(np.float64) @ np.concatenate(xs) + layer.bias_ih, 3)
    w_r, w_z, w_n = np.split(layer.weight_hh.astype(np.float64), 3)
    b_r, b_z, b_n = np.split(layer.bias_hh.astype(np.float64), 3)
    r = gate(np.clip(a_r + w_r @ h + b_r, -limit, limit))
    z = gate(np.clip(a_z + w_z @ h + b_z, -limit, limit))
    recurrent = r * (w_n @ h + b_n) if layer.reset_after else w_n @ (r * h) + b_n
    n = cell(np.clip(a_n + recurrent, -limit, limit))
    h = (1 - z) * n + z * h
    return h, (h,)


def start(layer: GRU) -> State:
    """h before the first step: (hidden_size,)."""
    return (np.zeros(layer.hidden_size) if layer.h0 is None else layer.h0.astype(np.float64),)


TWINS = {kind: Twin(step, start) for kind in ("gru", "gru_half")}
