"""Twins of the layers that scale a vector by its own size."""

import numpy as np

from ..layers.norms import LayerNorm, RMSNorm, UnitNormalization
from .functions import Vector, stateless


def layer_norm(layer: LayerNorm, x: Vector) -> Vector:
    groups = x.reshape(layer.groups, -1)  # (groups, channels)
    centred = groups - groups.mean(axis=1, keepdims=True)
    normal = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + layer.epsilon)
    return np.asarray(normal.ravel() * layer.weight + layer.bias)


def rms_norm(layer: RMSNorm, x: Vector) -> Vector:
    return np.asarray(x / np.sqrt(np.mean(x**2) + layer.epsilon) * layer.weight)


def unit_normalization(layer: UnitNormalization, x: Vector) -> Vector:
    return np.asarray(x / np.sqrt(max(np.sum(x**2), layer.epsilon)))


TWINS = {"layer_norm": stateless(layer_norm), "rms_norm": stateless(rms_norm), "unit_normalization": stateless(unit_normalization)}
