"""Convolutions over maps -> kernels and packed weights, in the layout of `kernels.map_conv_f32`."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.map_conv import MapConv, MapConvTranspose
from ...layers.maps import rows_and_columns
from ..targets import Target
from . import Floats, Lowered, Reach, Rule, largest
from .maps import is_padded, window, windows_together


def map_conv(layer: MapConv, sizes: list[int], target: Target) -> Lowered:
    axes, channels, groups = layer.windows, layer.shape[-1], layer.groups
    given, copied = window(axes, channels), is_padded(axes, channels)
    places = tuple(axis.places for axis in rows_and_columns(axes))
    outputs, width = layer.kernel.shape[-1] // groups, prod(layer.answer_shape)
    room = given[0] * given[-1] * channels if copied else 0
    constants: dict[str, Any] = {"places": places, "given": given, "copied": int(copied)}
    if outputs == layer.kernel.shape[-2] == 1:
        weights = np.concatenate([layer.bias, layer.kernel.ravel()])
        return Lowered("depthwise_f32", constants, width, weights, workspace=room)
    units = min(outputs, 2 * target.lanes)
    together = windows_together(units, places[1], target)
    constants |= {"outputs": outputs, "units": units, "together": together, "groups": groups}
    parts = zip(*(np.split(array, groups, axis=-1) for array in (layer.bias, layer.kernel)), strict=True)
    weights = np.concatenate([pack(bias, kernel, units) for bias, kernel in parts])
    return Lowered("map_conv_f32", constants, width, weights, workspace=room + units * together)


def map_conv_transpose(layer: MapConvTranspose, sizes: list[int], target: Target) -> Lowered:
    axes, channels, outputs = layer.windows, layer.shape[-1], layer.kernel.shape[-1]
    given = window(axes, channels)
    places = tuple(axis.places for axis in rows_and_columns(axes))
    strides = layer.strides if len(layer.strides) == 2 else (1, *layer.strides)
    units = min(outputs, 2 * target.lanes)
    together = windows_together(units, places[1], target)
    turned = np.flip(layer.kernel, tuple(range(layer.kernel.ndim - 2)))
    constants = {"places": places, "outputs": outputs, "units": units, "together": together, "given": given, "strides": strides}
    workspace = given[0] * given[-1] * channels + units * together
    return Lowered("map_conv_transpose_f32", constants, prod(layer.answer_shape), pack(layer.bias, turned, units), workspace=workspace)


def pack(bias: NDArray[np.float32], kernel: NDArray[np.float32], units: int) -> Floats:
    """Tiles of `units` outputs: the bias, then a row for each value that a window meets."""
    outputs = bias.size
    rows = np.concatenate([bias[None], kernel.reshape(-1, outputs)])
    return np.concatenate([rows[:, at : at + units].ravel() for at in range(0, outputs, units)])


def reach(layer: MapConv | MapConvTranspose) -> Reach:
    sums = np.abs(layer.kernel).reshape(-1, layer.kernel.shape[-1]).sum(axis=0, dtype=np.float64)
    return Reach(largest(sums), largest(layer.bias))


RULES = {"map_conv": Rule(map_conv, reach), "map_conv_transpose": Rule(map_conv_transpose, reach)}
