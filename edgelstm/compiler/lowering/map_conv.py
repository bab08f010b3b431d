"""Convolutions over maps -> kernels and packed weights, in the layout of `kernels.map_conv_f32`."""

from math import prod
from typing import Any

import numpy as np

from ...layers.map_conv import MapConv, MapConvTranspose
from ...layers.maps import rows_and_columns
from ..targets import Target
from . import Lowered, Reach, Rule, fourier, largest
from .maps import is_padded, met, pack, window, windows_together


def map_conv(layer: MapConv, sizes: list[int], target: Target) -> Lowered:
    if (found := fourier.transform(layer)) is not None:
        return fourier.lower(layer, found, target)
    axes, taps = zip(*map(met, layer.windows), strict=True)
    kernel, channels, groups = layer.kernel[taps], layer.shape[-1], layer.groups
    given, copied = window(axes, channels), is_padded(axes, channels)
    places = tuple(axis.places for axis in rows_and_columns(axes))
    outputs, width = kernel.shape[-1] // groups, prod(layer.answer_shape)
    room = given[0] * given[-1] * channels if copied else 0
    constants: dict[str, Any] = {"places": places, "given": given, "copied": int(copied)}
    if outputs == kernel.shape[-2] == 1:
        weights = np.concatenate([layer.bias, kernel.ravel()])
        return Lowered("depthwise_f32", constants, width, weights, workspace=room)
    units = min(outputs, 2 * target.lanes)
    together = windows_together(units, places[1], target)
    constants |= {"outputs": outputs, "units": units, "together": together, "groups": groups}
    parts = zip(*(np.split(array, groups, axis=-1) for array in (layer.bias, kernel)), strict=True)
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


def reach(layer: MapConv | MapConvTranspose) -> Reach:
    sums = np.abs(layer.kernel).reshape(-1, layer.kernel.shape[-1]).sum(axis=0, dtype=np.float64)
    return Reach(largest(sums), largest(layer.bias))


RULES = {"map_conv": Rule(map_conv, reach), "map_conv_transpose": Rule(map_conv_transpose, reach)}
