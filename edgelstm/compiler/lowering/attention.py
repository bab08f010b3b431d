"""Attention pooling -> kernel."""

import numpy as np

from ...layers.attention import AttentionPool
from ..targets import Target
from . import Lowered, Reach, Rule


def lower(layer: AttentionPool, sizes: list[int], target: Target) -> Lowered:
    size = layer.output_size(sizes)
    return Lowered("attention_pool_f32", {"size": size}, size, state=np.zeros(2 + size, np.float32))


RULES = {"attention_pool": Rule(lower, lambda layer: Reach(2.0))}
