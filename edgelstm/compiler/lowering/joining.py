"""Layers that join inputs or take a part of one -> kernels."""

import math

import numpy as np

from ...layers.joining import Concat, Gather, Mul, Slice
from ..targets import Target
from . import Lowered, Reach, Rule, copy


def mul(layer: Mul, sizes: list[int], target: Target) -> Lowered:
    return Lowered("mul_f32", {"terms": len(sizes), "size": sizes[0]}, sizes[0])


def concat(layer: Concat, sizes: list[int], target: Target) -> Lowered:
    return copy(sum(sizes))


def part(layer: Slice, sizes: list[int], target: Target) -> Lowered:
    size = layer.stop - layer.start
    return Lowered("slice_f32", {"start": layer.start, "size": size}, size)


def gather(layer: Gather, sizes: list[int], target: Target) -> Lowered:
    return Lowered("gather_f32", {"size": layer.indices.size}, layer.indices.size, layer.indices.astype(np.float32))


def product(given: list[float]) -> float:
    """The bound of a product, and of the products of its first factors."""
    return math.prod(max(1.0, largest) for largest in given)


RULES = {
    "mul": Rule(mul, lambda layer: Reach(1.0, grows=product)),
    "concat": Rule(concat, lambda layer: Reach(1.0)),
    "slice": Rule(part, lambda layer: Reach(1.0)),
    "gather": Rule(gather, lambda layer: Reach(1.0)),
}
