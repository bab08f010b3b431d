"""Dense layers with int8 weights -> kernels and packed weights, in the layout of `kernels.dense_int8`."""

from typing import Any

import numpy as np

from ...kernels.packing import GROUP
from ...layers.dense_int8 import DenseInt8
from ..targets import Target
from . import Lowered, Reach, Rule, largest, row_sums, up_to
from .packing import dynamic_tiles, least_unit, product_scale, room, steps_header, weight_tiles, words_of


def lower(layer: DenseInt8, sizes: list[int], target: Target) -> Lowered:
    """A layer of either scheme; outputs padded to whole tiles."""
    outputs, inputs = layer.weight.shape
    units = min(up_to(4, outputs), 2 * target.lanes)
    constants: dict[str, Any] = {"inputs": inputs, "outputs": outputs, "units": units}
    if layer.scheme == "int8-weight":
        return Lowered("dense_int8_weight", constants, outputs, weight_tiles(layer.weight, layer.scale, layer.bias, units), workspace=units)
    words, calibrated = words_of(inputs, GROUP[target.dot]), int(layer.input_scale is not None)
    constants |= {"words": words, "form": target.dot, "width": target.lanes, "calibrated": calibrated}
    tiles = dynamic_tiles(layer.weight, product_scale(layer), layer.bias, units, target.dot)
    weights = np.concatenate([steps_header(layer), tiles])
    return Lowered("dense_int8_dynamic", constants, outputs, weights, workspace=room(words) + units)


def reach(layer: DenseInt8) -> Reach:
    unit = least_unit(layer.scale)
    return Reach(largest(row_sums(layer.weight, layer.scale) / unit), largest(layer.bias))


RULES = {"dense_int8": Rule(lower, reach)}
