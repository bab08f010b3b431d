"""Twins of convolutions along time."""

import numpy as np

from ..layers.convolution import Conv1D, Conv1DInt8
from .functions import Vector, input_steps, sums
from .sliding import sliding


def conv1d(layer: Conv1D, rows: Vector) -> Vector:
    """rows: (taps, input_size) -> (output_size,)."""
    weight = layer.weight.astype(np.float64)  # (output_size, input_size / groups, taps)
    groups = np.split(rows, layer.groups, axis=1)
    parts = [np.einsum("oit,ti->o", w, x) for w, x in zip(np.split(weight, layer.groups), groups, strict=True)]
    return np.asarray(np.concatenate(parts) + layer.bias)


def conv1d_int8(layer: Conv1DInt8, rows: Vector) -> Vector:
    """rows: (taps, input_size) -> (output_size,). All rows have one step."""
    outputs, scale = layer.weight.shape[0], layer.scale.astype(np.float64)
    weights = np.split(layer.weight.reshape(outputs, -1), layer.groups)  # (outputs of a group, inputs of a group * taps) each
    values = [part.T.ravel() for part in np.split(rows, layer.groups, axis=1)]
    if layer.scheme == "int8-weight":
        parts = [w.astype(np.float64) @ x for w, x in zip(weights, values, strict=True)]
        return np.asarray(np.concatenate(parts) * scale + layer.bias)
    steps = input_steps(rows.ravel(), layer.input_scale)
    whole = np.concatenate([sums(w, x, steps) for w, x in zip(weights, values, strict=True)])
    return np.asarray(whole * scale / np.float64(steps) + layer.bias)


TWINS = {"conv1d": sliding(conv1d), "conv1d_int8": sliding(conv1d_int8)}
