"""Twin of the GRU, its weights in float32 or in half precision."""

import numpy as np

from ..layers.gru import GRU
from .cells import normalised
from .functions import State, Twin, Vector, activation


def step(layer: GRU, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: h, (hidden_size,). Formula: `layers.gru.GRU`."""
    if layer.norm is not None:
        return _normed(layer, np.concatenate(xs), state)
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


def _normed(layer: GRU, x: Vector, state: State) -> tuple[Vector, State]:
    """The same with layer normalisation."""
    (h,) = state
    gate, cell = activation(layer.gate_activation), activation(layer.cell_activation)
    _, z, n = before_functions(layer, layer.weight_ih.astype(np.float64) @ x, h)
    h = (1 - gate(z)) * cell(n) + gate(z) * h
    return h, (h,)


def before_functions(layer: GRU, from_x: Vector, h: Vector) -> tuple[Vector, Vector, Vector]:
    """r, z and n before their functions, of a layer with a norm. from_x: products of x, (..., 3*hidden_size); h: (..., hidden_size)."""
    gate, limit = activation(layer.gate_activation), np.inf if layer.gate_clip is None else layer.gate_clip
    weight_hh, none = layer.weight_hh.astype(np.float64), np.zeros(3 * layer.hidden_size)
    in_x, in_h = (none if a is None else a for a in (layer.norm_start_ih, layer.norm_start_hh))
    from_x, from_h = from_x + in_x, h @ weight_hh.T + in_h
    bias = layer.bias_ih.astype(np.float64) + layer.bias_hh
    if layer.apart:
        a = np.split(by_groups(layer, from_x) * layer.norm_weight + layer.bias_ih, 3, axis=-1)
        b = np.split(by_groups(layer, from_h) * layer.norm_weight_hh + layer.bias_hh, 3, axis=-1)
        r, z, n = a[0] + b[0], a[1] + b[1], b[2]
    else:
        r, z, n = np.split(by_groups(layer, from_x + from_h) * layer.norm_weight + bias, 3, axis=-1)
    reset = gate(np.clip(r, -limit, limit))
    if not layer.reset_after:
        assert layer.norm_epsilon is not None
        sums = np.split(from_x, 3, axis=-1)[2] + (reset * h) @ np.split(weight_hh, 3)[2].T
        n = normalised(sums, layer.norm_epsilon) * np.split(layer.norm_weight, 3)[2] + np.split(bias, 3)[2]
    else:
        n = reset * n + a[2] if layer.apart else reset * n
    return np.clip(r, -limit, limit), np.clip(z, -limit, limit), np.clip(n, -limit, limit)


def by_groups(layer: GRU, sums: Vector) -> Vector:
    """Sums of r z n normalised, each group of gates for itself."""
    assert layer.norm_groups is not None
    assert layer.norm_epsilon is not None
    ends = np.cumsum(layer.norm_groups)[:-1] * layer.hidden_size
    return np.concatenate([normalised(part, layer.norm_epsilon) for part in np.split(sums, ends, axis=-1)], axis=-1)


def start(layer: GRU) -> State:
    """h before the first step: (hidden_size,)."""
    return (np.zeros(layer.hidden_size) if layer.h0 is None else layer.h0.astype(np.float64),)


TWINS = {kind: Twin(step, start) for kind in ("gru", "gru_half")}
