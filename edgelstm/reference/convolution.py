"""Twin of the convolution along time."""

import numpy as np

from ..layers.convolution import Conv1D
from .functions import Vector
from .sliding import sliding


def conv1d(layer: Conv1D, rows: Vector) -> Vector:
    """rows: (taps, input_size) -> (output_size,)."""
    weight = layer.weight.astype(np.float64)  # (output_size, input_size / groups, taps)
    groups = np.split(rows, layer.groups, axis=1)
    parts = [np.einsum("oit,ti->o", w, x) for w, x in zip(np.split(weight, layer.groups), groups, strict=True)]
    return np.asarray(np.concatenate(parts) + layer.bias)


TWINS = {"conv1d": sliding(conv1d)}
