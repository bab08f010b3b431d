"""Twin of the fully connected layer in groups."""

import numpy as np

from ..layers.grouped_dense import GroupedDense
from .functions import Vector, stateless


def grouped_dense(layer: GroupedDense, x: Vector) -> Vector:
    groups = x.reshape(layer.weight.shape[0], -1)  # (groups, inputs)
    y = [weight.astype(np.float64) @ group for weight, group in zip(layer.weight, groups, strict=True)]
    return np.asarray(np.concatenate(y) + layer.bias)


TWINS = {"grouped_dense": stateless(grouped_dense)}
