"""Layers that round activations -> kernels."""

import numpy as np

from ...layers.fake_quantize import DynamicFakeQuantize, FakeQuantize, Requantize
from ..targets import Target
from . import Lowered, Reach, Rule, largest


def fake_quantize(layer: FakeQuantize, sizes: list[int], target: Target) -> Lowered:
    return Lowered("fake_quantize_f32", {"size": layer.scale.size}, layer.scale.size, np.concatenate([layer.scale, layer.low, layer.high]))


def requantize(layer: Requantize, sizes: list[int], target: Target) -> Lowered:
    size = layer.multiplier.size
    return Lowered("requantize_f32", {"size": size}, size, np.concatenate([layer.multiplier, layer.low, layer.high]))


def dynamic(layer: DynamicFakeQuantize, sizes: list[int], target: Target) -> Lowered:
    constants = {"size": sum(sizes), "together": int(layer.whole), "levels": int(layer.levels)}
    return Lowered("dynamic_fake_quantize_f32", constants, layer.output_size(sizes), whole=layer.whole)


def reach(layer: FakeQuantize) -> Reach:
    """A level is x / scale before it is held within its bounds."""
    highest = largest(layer.scale * np.maximum(np.abs(layer.low), np.abs(layer.high)))
    return Reach(max(1.0, 1 / float(layer.scale.min())), highest, highest)


def requantize_reach(layer: Requantize) -> Reach:
    """A level is multiplier * x before it is held within its bounds."""
    highest = largest(np.maximum(np.abs(layer.low), np.abs(layer.high)))
    return Reach(max(1.0, largest(layer.multiplier)), highest, highest)


RULES = {
    "requantize": Rule(requantize, requantize_reach),
    "fake_quantize": Rule(fake_quantize, reach),
    "dynamic_fake_quantize": Rule(dynamic, lambda layer: Reach(2.0)),  # a range spans both signs
}
