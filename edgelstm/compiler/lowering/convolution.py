"""Convolutions along time -> kernel and weights, in the layout of `kernels.sliding_f32`."""

import numpy as np

from ...layers.convolution import Conv1D
from ..targets import Target
from . import Lowered, Reach, Rule, largest, sliding


def conv1d(layer: Conv1D, sizes: list[int], target: Target) -> Lowered:
    groups = layer.groups
    outputs, inputs, taps = layer.weight.shape[0] // groups, layer.weight.shape[1], layer.taps
    units = min(outputs, 2 * target.lanes)
    rows = layer.weight.transpose(0, 2, 1).reshape(groups, outputs, taps * inputs)
    rows = np.concatenate([layer.bias.reshape(groups, outputs, 1), rows], axis=2)  # (groups, outputs, 1 + taps * inputs)
    weights = np.concatenate([row[start : start + units].T.ravel() for row in rows for start in range(0, outputs, units)])
    constants = {"inputs": inputs, "outputs": outputs, "groups": groups, "taps": taps, "spacing": layer.spacing, "units": units}
    return sliding("conv1d_f32", layer, constants, layer.input_width, groups * outputs, weights)


def reach(layer: Conv1D) -> Reach:
    return Reach(largest(np.abs(layer.weight).sum(axis=(1, 2), dtype=np.float64)), largest(layer.bias))


RULES = {"conv1d": Rule(conv1d, reach)}
