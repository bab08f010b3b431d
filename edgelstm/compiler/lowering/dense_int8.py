"""Dense layers with int8 weights -> kernels and packed weights, in the layout of `kernels.dense_int8`."""

from typing import Any

import numpy as np

from ...kernels.packing import GROUP, OFFSET
from ...layers.dense_int8 import DenseInt8
from ..targets import Target
from . import Lowered, Reach, Rule, largest, row_sums, up_to
from .packing import float_header, floats, grouped, least_unit, room, words_of


def lower(layer: DenseInt8, sizes: list[int], target: Target) -> Lowered:
    """A layer of either scheme; outputs padded to whole tiles."""
    outputs, inputs = layer.weight.shape
    units = min(up_to(4, outputs), 2 * target.lanes)
    padded = up_to(units, outputs)
    bias, scale = np.zeros(padded, np.float32), np.zeros(padded, np.float32)
    bias[:outputs], scale[:outputs] = layer.bias, layer.scale
    weight = np.zeros((padded, inputs), np.int8)
    weight[:outputs] = layer.weight
    tiles = [slice(start, start + units) for start in range(0, padded, units)]
    constants: dict[str, Any] = {"inputs": inputs, "outputs": outputs, "units": units}
    if layer.scheme == "int8-weight":
        parts = [floats(bias[t], scale[t], weight[t].T) for t in tiles]
        return Lowered("dense_int8_weight", constants, outputs, np.concatenate(parts), workspace=units)
    form, group = target.dot, GROUP[target.dot]
    words = words_of(inputs, group)
    calibrated = layer.input_scale is not None
    constants |= {"words": words, "form": form, "width": target.lanes, "calibrated": int(calibrated)}
    from_x = scale * layer.input_scale[0] if calibrated else scale
    header = float_header(np.float32(1) / layer.input_scale[0] if calibrated else 0)
    starts = (weight.sum(axis=1, dtype=np.int32) * np.int32(-OFFSET[form]),) if OFFSET[form] else ()
    parts = [floats(*(row[t] for row in (bias, from_x, *starts)), grouped(weight[t], words, form)) for t in tiles]
    return Lowered("dense_int8_dynamic", constants, outputs, np.concatenate([header, *parts]), workspace=room(words) + units)


def reach(layer: DenseInt8) -> Reach:
    unit = least_unit(layer.scale)
    return Reach(largest(row_sums(layer.weight, layer.scale) / unit), largest(layer.bias))


RULES = {"dense_int8": Rule(lower, reach)}
