"""Convolutions along time -> kernels and weights, in the layouts of `kernels.conv1d_f32` and `kernels.conv1d_int8`."""

from typing import Any

import numpy as np

from ...kernels.packing import GROUP
from ...layers.convolution import Conv1D, Conv1DInt8
from ..targets import Target
from . import Lowered, Reach, Rule, largest, row_sums, sliding, up_to

#: Registers that three windows' sums take together, with weights and inputs beside them.
REGISTERS_OF_THREE = 28


def conv1d(layer: Conv1D, sizes: list[int], target: Target) -> Lowered:
    groups, taps = layer.groups, layer.taps
    outputs, inputs = layer.weight.shape[0] // groups, layer.weight.shape[1]
    if inputs == outputs == 1 and groups > 1:
        return depthwise(layer)
    units = min(outputs, 2 * target.lanes)
    rows = by_group(layer)
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


def by_group(layer: Conv1D | Conv1DInt8) -> Any:
    """The weights of each output, those of a tap side by side: (groups, outputs of a group, taps * inputs of a group)."""
    outputs, inputs, taps = layer.weight.shape
    return layer.weight.transpose(0, 2, 1).reshape(layer.groups, outputs // layer.groups, taps * inputs)


def conv1d_int8(layer: Conv1DInt8, sizes: list[int], target: Target) -> Lowered:
    """A layer of either scheme: each group as the tiles of a Dense layer."""
    from .packing import dynamic_tiles, product_scale, room, steps_header, weight_tiles, words_of  # float32 layers never need it

    rows = by_group(layer)
    groups, outputs, length = rows.shape
    registers = 4 if layer.scheme == "int8-weight" else 2  # products of bytes wait for one another: more of them at once, by Zen 5
    units = min(up_to(4, outputs), registers * target.lanes)
    constants: dict[str, Any] = {"inputs": length // layer.taps, "outputs": outputs, "groups": groups, "taps": layer.taps}
    constants |= {"spacing": layer.spacing, "units": units}
    bias, scale = layer.bias.reshape(groups, outputs), layer.scale.reshape(groups, outputs)
    if layer.scheme == "int8-weight":
        kernel, scratch, header = "conv1d_int8_weight", units + length, np.zeros(0, np.float32)
        parts = [weight_tiles(*of_group, units) for of_group in zip(rows, scale, bias, strict=True)]
    else:
        words = words_of(length, GROUP[target.dot])
        constants |= {"words": words, "form": target.dot, "width": target.lanes, "calibrated": int(layer.input_scale is not None)}
        kernel, scratch, header = "conv1d_int8_dynamic", room(words) + units + length, steps_header(layer)
        scale = product_scale(layer).reshape(groups, outputs)
        parts = [dynamic_tiles(*of_group, units, target.dot) for of_group in zip(rows, scale, bias, strict=True)]
    constants |= {"floats": parts[0].size, "scratch": scratch}
    low = sliding(kernel, layer, constants, layer.input_width, groups * outputs, np.concatenate([header, *parts]))
    return low._replace(workspace=low.workspace + scratch)


def reach(layer: Conv1D) -> Reach:
    return Reach(largest(np.abs(layer.weight).sum(axis=(1, 2), dtype=np.float64)), largest(layer.bias))


def reach_int8(layer: Conv1DInt8) -> Reach:
    from .packing import least_unit

    rows = layer.weight.reshape(len(layer.weight), -1)
    return Reach(largest(row_sums(rows, layer.scale) / least_unit(layer.scale)), largest(layer.bias))


RULES = {"conv1d": Rule(conv1d, reach), "conv1d_int8": Rule(conv1d_int8, reach_int8)}
