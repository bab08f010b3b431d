"""Integer-only Dense layers -> kernel and packed weights."""

from ...layers.dense_int8_static import DenseInt8Static
from ..targets import Target
from . import Lowered, Rule, up_to
from .packing import floats, integers_header, integers_reach, row_scales


def lower(layer: DenseInt8Static, sizes: list[int], target: Target) -> Lowered:
    """A fully connected layer."""
    outputs, inputs = layer.weight.shape
    header = integers_header(layer)
    scales = row_scales(layer.mantissa, layer.shift, layer.weight, layer.input_zero_point, layer.bias)
    weights = floats(header, scales, layer.weight)
    return Lowered("dense_int8_static", {"inputs": inputs, "outputs": outputs}, outputs, weights, workspace=up_to(4, -(-inputs // 4)))


RULES = {"dense_int8_static": Rule(lower, integers_reach)}
