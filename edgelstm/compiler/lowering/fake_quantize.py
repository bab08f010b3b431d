"""Layers that round activations -> kernels."""

import numpy as np

from ...layers.fake_quantize import DynamicFakeQuantize, FakeQuantize, Requantize, Rescale
from ..targets import Target
from . import Lowered, Reach, Rule, largest

#: The highest level.
TOP = 255.0


def fake_quantize(layer: FakeQuantize, sizes: list[int], target: Target) -> Lowered:
    return Lowered("fake_quantize_f32", {"size": layer.scale.size}, layer.scale.size, np.concatenate([layer.scale, layer.low, layer.high]))


def requantize(layer: Requantize, sizes: list[int], target: Target) -> Lowered:
    size = layer.multiplier.size
    return Lowered("requantize_f32", {"size": size}, size, np.concatenate([layer.multiplier, layer.low, layer.high]))


def dynamic(layer: DynamicFakeQuantize, sizes: list[int], target: Target) -> Lowered:
    constants = {"size": sum(sizes), "together": int(layer.whole), "gives": layer.gives}
    return Lowered("dynamic_fake_quantize_f32", constants, layer.output_size(sizes), whole=layer.whole)


def rescale(layer: Rescale, sizes: list[int], target: Target) -> Lowered:
    return Lowered("rescale_f32", {"size": layer.scale.size}, layer.scale.size, np.concatenate([layer.scale, layer.bias]))


def reach(layer: FakeQuantize) -> Reach:
    """A level is x / scale before it is held within its bounds."""
    highest = largest(layer.scale * np.maximum(np.abs(layer.low), np.abs(layer.high)))
    return Reach(max(1.0, 1 / float(layer.scale.min())), highest, highest)


def requantize_reach(layer: Requantize) -> Reach:
    """A level is multiplier * x before it is held within its bounds."""
    highest = largest(np.maximum(np.abs(layer.low), np.abs(layer.high)))
    return Reach(max(1.0, largest(layer.multiplier)), highest, highest)


def dynamic_reach(layer: DynamicFakeQuantize) -> Reach:
    """A range spans both signs; nothing is a level beyond 255, and what is all zeros has the scale 1."""
    if layer.gives == "levels":
        return Reach(2.0, TOP, TOP)
    return Reach(2.0, 1.0, leaves=lambda given: max(1.0, 2.01 * max(given) / TOP)) if layer.gives == "scale" else Reach(2.0)


def rescale_reach(layer: Rescale) -> Reach:
    scale, bias = largest(layer.scale), largest(layer.bias)
    return Reach(0.0, grows=lambda given: max(1.0, given[0]) * scale * given[1] + bias)


RULES = {
    "rescale": Rule(rescale, rescale_reach),
    "requantize": Rule(requantize, requantize_reach),
    "fake_quantize": Rule(fake_quantize, reach),
    "dynamic_fake_quantize": Rule(dynamic, dynamic_reach),
}
