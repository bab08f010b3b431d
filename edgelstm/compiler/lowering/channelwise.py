"""Layers with numbers of their own for each channel -> kernels."""

import numpy as np

from ...layers.channelwise import BatchNorm, PReLU
from ..targets import Target
from . import Lowered, Reach, Rule, largest


def batch_norm(layer: BatchNorm, sizes: list[int], target: Target) -> Lowered:
    return Lowered("batch_norm_f32", {"size": layer.scale.size}, layer.scale.size, np.concatenate([layer.scale, layer.offset]))


def prelu(layer: PReLU, sizes: list[int], target: Target) -> Lowered:
    return Lowered("prelu_f32", {"size": layer.slope.size}, layer.slope.size, layer.slope)


RULES = {
    "batch_norm": Rule(batch_norm, lambda layer: Reach(largest(layer.scale), largest(layer.offset))),
    "prelu": Rule(prelu, lambda layer: Reach(max(1.0, largest(layer.slope)))),
}
