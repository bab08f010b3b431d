"""The float cell of LSTM layers with all options: sums of gates and the old cell -> the new h and c. Formula: `layers.lstm.LSTM`.

Arrays may have axes before those that are named: many streams side by side.
"""

from typing import Any

import numpy as np

from .functions import Vector, activation


def normalised(v: Vector, epsilon: float) -> Vector:
    """``(v - mean) / sqrt(variance + epsilon)`` (Ba, Kiros and Hinton 2016)."""
    return np.asarray((v - v.mean(axis=-1, keepdims=True)) / np.sqrt(v.var(axis=-1, keepdims=True) + epsilon))


def clipped(v: Vector, most: float | None) -> Vector:
    """v within +-most."""
    return v if most is None else np.clip(v, -most, most)


def advance(layer: Any, sums: Vector, bias: Vector, c: Vector) -> tuple[Vector, Vector]:
    """One step of the cell.

    Parameters
    ----------
    sums : (4*hidden_size,)
        Of products, in the order i f g o; those of ``norm="torch"`` and ``"joint"`` are normalised already.
    bias : (4*hidden_size,)
    c : (hidden_size,)

    Returns
    -------
    h (projection_size,), c (hidden_size,)
    """
    gates = [activation(word) for word in layer.gate_activations]
    biases = bias.reshape(4, -1)
    products = sums.reshape(*sums.shape[:-1], *biases.shape)
    limit = layer.gate_limit

    def before_activation(gate: int, from_cell: Vector | float = 0.0) -> Vector:
        z: Vector = products[..., gate, :]
        if layer.norm == "tflite":
            z = normalised(z + from_cell, layer.norm_epsilon) * np.split(layer.norm_weight, 4)[gate] + biases[gate]
        elif layer.norm == "tf1":
            z = normalised(z, layer.norm_epsilon) * np.split(layer.norm_weight, 4)[gate] + biases[gate] + from_cell
        else:
            z = z + biases[gate] + from_cell
        return clipped(z, limit)

    def peeped(row: int, c: Vector) -> Vector | float:
        return 0.0 if layer.peephole is None else layer.peephole[row].astype(np.float64) * c

    i, f = (gates[k](before_activation(k, peeped(k, c))) for k in range(2))
    if layer.coupled == "f=1-i":
        f = 1 - i
    elif layer.coupled == "i=1-f":
        i = 1 - f
    c = f * c + i * activation(layer.cell_activation)(before_activation(2))

    def of_cell(c: Vector) -> Vector:
        return np.asarray(normalised(c, layer.norm_epsilon) * layer.norm_weight_cell + layer.norm_bias_cell)

    c = clipped(of_cell(c) if layer.normalised_cell == "state" else c, layer.cell_limit)
    seen = of_cell(c) if layer.normalised_cell == "output" else c
    h = gates[2](before_activation(3, peeped(2, c))) * activation(layer.output_activation)(seen)
    return projected(layer, clipped(h, layer.output_limit)), c


def projected(layer: Any, h: Vector) -> Vector:
    """What the layer gives: (hidden_size,) -> (projection_size,)."""
    if layer.weight_hr is None:
        return h
    r = h @ layer.projection_weights.T
    return clipped(r if layer.bias_hr is None else r + layer.bias_hr, layer.projection_clip)


def start(layer: Any) -> tuple[Vector, Vector]:
    """h (projection_size,) and c (hidden_size,) before the first step."""
    h0 = np.zeros(layer.projection_size) if layer.h0 is None else layer.h0.astype(np.float64)
    c0 = np.zeros(layer.hidden_size) if layer.c0 is None else layer.c0.astype(np.float64)
    return h0, c0
