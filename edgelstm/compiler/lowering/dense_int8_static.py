"""Integer-only Dense layers -> kernel and packed weights."""

from ...layers.dense_int8_static import DenseInt8Static
from ..targets import Target
from . import Lowered, up_to
from .packing_int8 import _header, _packed, _row_scales


def dense(layer: DenseInt8Static, sizes: list[int], target: Target) -> Lowered:
    """A fully connected layer."""
    outputs, inputs = layer.weight.shape
    header = _header(layer, layer.output_scale, layer.output_zero_point)
    scales = _row_scales(layer.mantissa, layer.shift, layer.weight, layer.input_zero_point, layer.bias)
    weights = _packed(header, scales, layer.weight)
    return Lowered("dense_int8_static", {"inputs": inputs, "outputs": outputs}, outputs, weights, workspace=up_to(4, -(-inputs // 4)))
