"""Layers that look at a recording as a whole -> kernels."""

import numpy as np

from ...layers.recording import Last, Mask, Repeat, Reverse
from ..targets import Target
from . import Lowered, Reach, Rule


def last(layer: Last, sizes: list[int], target: Target) -> Lowered:
    from_last = np.repeat(np.array([end == "last" for end in layer.ends], np.float32), sizes)
    return Lowered("last_f32", {"size": sum(sizes)}, sum(sizes), from_last, whole=True)


def repeat(layer: Repeat, sizes: list[int], target: Target) -> Lowered:
    return Lowered("repeat_f32", {"size": sum(sizes), "rows": layer.rows or 0}, sum(sizes), whole=True)


def reverse(layer: Reverse, sizes: list[int], target: Target) -> Lowered:
    return Lowered("reverse_f32", {"size": sum(sizes)}, sum(sizes), whole=True)


def mask(layer: Mask, sizes: list[int], target: Target) -> Lowered:
    return Lowered("mask_f32", {"value": layer.value, "size": sum(sizes)}, 1)


RULES = {
    "last": Rule(last, lambda layer: Reach(1.0)),
    "repeat": Rule(repeat, lambda layer: Reach(1.0)),
    "reverse": Rule(reverse, lambda layer: Reach(1.0)),
    "mask": Rule(mask, lambda layer: Reach(0.0, 1.0, 1.0)),
}
