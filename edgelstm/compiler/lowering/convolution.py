"""Convolutions along time -> kernels and weights, in the layouts of `kernels.conv1d_f32`."""

from typing import Any

import numpy as np

from ...layers.convolution import Conv1D
from ..targets import Target
from . import Lowered, Reach, Rule, largest, sliding

#: Registers that three windows' sums take together, with weights and inputs beside them.
REGISTERS_OF_THREE = 28


def conv1d(layer: Conv1D, sizes: list[int], target: Target) -> Lowered:
    groups, taps = layer.groups, layer.taps
    outputs, inputs = layer.weight.shape[0] // groups, layer.weight.shape[1]
    if inputs == outputs == 1 and groups > 1:
        return depthwise(layer)
    units = min(outputs, 2 * target.lanes)
    rows = layer.weight.transpose(0, 2, 1).reshape(groups, outputs, taps * inputs)
    rows = np.concatenate([layer.bias.reshape(groups, outputs, 1), rows], axis=2)  # (groups, outputs, 1 + taps * inputs)
    weights = np.concatenate([row[start : start + units].T.ravel() for row in rows for start in range(0, outputs, units)])
    constants: dict[str, Any] = {"inputs": inputs, "outputs": outputs, "groups": groups, "taps": taps, "units": units}
    constants["together"] = 3 if target.registers >= REGISTERS_OF_THREE else 1
    if layer.spacing > 1 and taps > 1:
        return sliding("dilated_conv1d_f32", layer, {**constants, "spacing": layer.spacing}, layer.input_width, groups * outputs, weights)
    return sliding("conv1d_f32", layer, constants, layer.input_width, groups * outputs, weights)


def depthwise(layer: Conv1D) -> Lowered:
    """Each channel on its own."""
    weights = np.concatenate([layer.bias, layer.weight[:, 0].T.ravel()])  # (taps, channels) behind the biases
    constants = {"width": layer.groups, "taps": layer.taps, "spacing": layer.spacing}
    return sliding("depthwise_conv1d_f32", layer, constants, layer.groups, layer.groups, weights)


def reach(layer: Conv1D) -> Reach:
    return Reach(largest(np.abs(layer.weight).sum(axis=(1, 2), dtype=np.float64)), largest(layer.bias))


RULES = {"conv1d": Rule(conv1d, reach)}
