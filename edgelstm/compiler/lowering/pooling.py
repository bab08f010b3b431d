"""Pooling along time -> kernels, in the layout of `kernels.sliding_f32`."""

import numpy as np

from ...layers.pooling import AveragePool1D, GlobalAveragePool1D, GlobalMaxPool1D, MaxPool1D
from ..targets import Target
from . import Counting, Lowered, Reach, Rule, sliding


def max_pool(layer: MaxPool1D, sizes: list[int], target: Target) -> Lowered:
    width = sum(sizes)
    return sliding("max_pool_f32", layer, {"width": width, "taps": layer.taps}, width, width)


def average_pool(layer: AveragePool1D, sizes: list[int], target: Target) -> Lowered:
    width = sum(sizes)
    constants = {"width": width, "taps": layer.taps, "inverse": float(np.float32(1 / layer.taps))}
    return sliding("average_pool_f32", layer, constants, width, width)


def global_max(layer: GlobalMaxPool1D, sizes: list[int], target: Target) -> Lowered:
    width = sum(sizes)
    return Lowered("global_max_f32", {"width": width}, width, state=np.full(width, np.finfo(np.float32).min))


def global_average(layer: GlobalAveragePool1D, sizes: list[int], target: Target) -> Lowered:
    width = sum(sizes)
    return Lowered("global_average_f32", {"width": width}, width, state=np.zeros(2 * width, np.float32), counts=Counting(1, 1))


RULES = {
    "max_pool1d": Rule(max_pool, lambda layer: Reach(1.0)),
    "average_pool1d": Rule(average_pool, lambda layer: Reach(float(layer.taps))),
    "global_max_pool1d": Rule(global_max, lambda layer: Reach(1.0)),
    "global_average_pool1d": Rule(global_average, lambda layer: Reach(4.0)),
}
