"""Fully connected layers in groups -> kernel and weights, in the layout of `kernels.grouped_dense_f32`."""

import numpy as np

from ...layers.grouped_dense import GroupedDense
from ..targets import Target
from . import Lowered, Reach, Rule, largest


def lower(layer: GroupedDense, sizes: list[int], target: Target) -> Lowered:
    groups, outputs, inputs = layer.weight.shape
    units = min(outputs, 2 * target.lanes)
    rows = np.concatenate([layer.bias.reshape(groups, outputs, 1), layer.weight], axis=2)  # (groups, outputs, 1 + inputs)
    tiles = [group[start : start + units].T.ravel() for group in rows for start in range(0, outputs, units)]
    constants = {"groups": groups, "inputs": inputs, "outputs": outputs, "units": units}
    return Lowered("grouped_dense_f32", constants, groups * outputs, np.concatenate(tiles))


def reach(layer: GroupedDense) -> Reach:
    sums = np.abs(layer.weight).sum(axis=2, dtype=np.float64)
    return Reach(largest(sums), largest(layer.bias))


RULES = {"grouped_dense": Rule(lower, reach)}
