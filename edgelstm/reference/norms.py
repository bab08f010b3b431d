"""Twins of the layers that scale a vector by its own size."""

import numpy as np

from ..layers.norms import LayerNorm, RMSNorm, UnitNormalization
from .functions import Rows, State, Twin, Vector, stateless


def layer_norm(layer: LayerNorm, x: Rows) -> Rows:
    """Rows (rows, channels) with one mean and variance a group of channels."""
    groups = x.reshape(len(x), layer.groups, -1)
    centred = groups - groups.mean(axis=(0, 2), keepdims=True)
    normal = centred / np.sqrt(np.mean(centred**2, axis=(0, 2), keepdims=True) + layer.epsilon)
    return np.asarray(normal.reshape(x.shape) * layer.weight + layer.bias)


def layer_norm_step(layer: LayerNorm, xs: list[Vector], state: State) -> tuple[Vector, State]:
    return layer_norm(layer, np.concatenate(xs)[None])[0], state


def layer_norm_whole(layer: LayerNorm, xs: list[Rows]) -> Rows:
    x = np.concatenate(xs, axis=1)
    return layer_norm(layer, x) if layer.whole else np.concatenate([layer_norm(layer, row[None]) for row in x])


def rms_norm(layer: RMSNorm, x: Vector) -> Vector:
    return np.asarray(x / np.sqrt(np.mean(x**2) + layer.epsilon) * layer.weight)


def unit_normalization(layer: UnitNormalization, x: Vector) -> Vector:
    return np.asarray(x / np.sqrt(max(np.sum(x**2), layer.epsilon)))


TWINS = {
    "layer_norm": Twin(layer_norm_step, whole=layer_norm_whole),
    "rms_norm": stateless(rms_norm),
    "unit_normalization": stateless(unit_normalization),
}
