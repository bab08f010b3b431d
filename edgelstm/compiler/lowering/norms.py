"""Layers that scale a vector by its own size -> kernels. Inside, they sum squares of what they read."""

import math
from collections.abc import Callable

import numpy as np

from ...layers.norms import LayerNorm, RMSNorm, UnitNormalization
from ...layers.record import MAX_SIZE
from ..targets import Target
from . import Lowered, Reach, Rule, largest

#: No recording has more rows, whose values are summed.
MOST_SUMMED = 1 << 40


def layer_norm(layer: LayerNorm, sizes: list[int], target: Target) -> Lowered:
    size = layer.weight.size
    constants = {"groups": layer.groups, "size": size // layer.groups, "epsilon": layer.epsilon}
    kernel = "recording_norm_f32" if layer.whole else "layer_norm_f32"
    return Lowered(kernel, constants, size, np.concatenate([layer.weight, layer.bias]), whole=layer.whole)


def rms_norm(layer: RMSNorm, sizes: list[int], target: Target) -> Lowered:
    return Lowered("rms_norm_f32", {"size": layer.weight.size, "epsilon": layer.epsilon}, layer.weight.size, layer.weight)


def unit_normalization(layer: UnitNormalization, sizes: list[int], target: Target) -> Lowered:
    return Lowered("unit_normalization_f32", {"size": sum(sizes), "epsilon": layer.epsilon}, sum(sizes))


def squares(count: int, factor: float, summand: float) -> Callable[[list[float]], float]:
    """The bound of `count` squares and what they are added to, of distances up to `factor` times what is read."""
    return lambda given: max(1.0, factor * max(given)) ** 2 * count + summand


def layer_norm_reach(layer: LayerNorm) -> Reach:
    size = layer.weight.size // layer.groups
    most = math.sqrt(size * (MOST_SUMMED if layer.whole else 1)) * largest(layer.weight) + largest(layer.bias)
    return Reach(1.0, most=max(most, 1e-30), grows=squares(size, 2.0, layer.epsilon + most))


def rms_norm_reach(layer: RMSNorm) -> Reach:
    size = layer.weight.size
    most = math.sqrt(size) * largest(layer.weight)
    return Reach(1.0, most=max(most, 1e-30), grows=squares(size, 1.0, layer.epsilon + most))


def unit_normalization_reach(layer: UnitNormalization) -> Reach:
    return Reach(1.0, most=1.0, grows=squares(MAX_SIZE, 1.0, layer.epsilon))


RULES = {
    "layer_norm": Rule(layer_norm, layer_norm_reach),
    "rms_norm": Rule(rms_norm, rms_norm_reach),
    "unit_normalization": Rule(unit_normalization, unit_normalization_reach),
}
