"""Exact twin of the Dense layer with int8 weights."""

import numpy as np

from ..layers.dense_int8 import DenseInt8
from .functions import Vector, input_steps, stateless, sums


def dense(layer: DenseInt8, x: Vector) -> Vector:
    """One step of a fully connected layer."""
    if layer.scheme == "int8-weight":
        return np.asarray((layer.weight.astype(np.float64) @ x) * layer.scale + layer.bias)
    steps = input_steps(x, layer.input_scale)
    return np.asarray(sums(layer.weight, x, steps) * layer.scale.astype(np.float64) / np.float64(steps) + layer.bias)


TWINS = {"dense_int8": stateless(dense)}
