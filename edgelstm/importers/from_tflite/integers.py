"""Full-int8 operators of TensorFlow Lite as records in integers: scales become multipliers, as TensorFlow Lite computes them.

Whether an operator is of a form that edgelstm has is `operators`' part; those of an LSTM are `lstm_integers`'.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.dense_int8_static import DenseInt8Static
from ...layers.integers import multiplier
from .file import Operator, Tensor

#: How far the scale of a bias may be from the product that it should be.
_BIAS_TOLERANCE = 1e-3


def same_scale(a: Tensor, b: Tensor) -> bool:
    """Whether an integer stands for the same number in both."""
    return a.type == b.type and np.array_equal(a.scale, b.scale) and np.array_equal(a.zero_point, b.zero_point)


def scale_of(operator: Operator, tensor: Tensor, kind: str) -> tuple[np.float32, int]:
    """The one scale and zero point of a tensor."""
    if tensor.type != kind or tensor.scale.shape != (1,) or tensor.zero_point.shape != (1,):
        raise operator.refused(f"its tensor {tensor} is not {kind} with one scale and one zero point")
    return np.float32(tensor.scale[0]), int(tensor.zero_point[0])


def weight_scales(operator: Operator, index: int) -> NDArray[np.float32]:
    """Scales of int8 weights, one or one a row; their zero points must be 0."""
    tensor, rows = operator.operand(index), operator.constant(index, "int8", 2).shape[0]
    if tensor.scale.size not in (1, rows) or tensor.axis != 0 or tensor.zero_point.any():
        raise operator.refused(f"its tensor {tensor} has not one scale, or one a row, with zero points 0")
    return np.asarray(tensor.scale, np.float32)


def bias_of(operator: Operator, index: int, products: NDArray[np.float32]) -> NDArray[np.int32]:
    """An int32 bias in steps of the products of input and weights."""
    data, tensor = operator.constant(index, "int32", 1), operator.operand(index)
    if tensor.zero_point.any() or tensor.scale.size not in (1, products.size):
        raise operator.refused(f"its bias {tensor} has not one scale, or one a row, with zero points 0")
    with np.errstate(invalid="ignore"):
        close = np.abs(tensor.scale - products) <= _BIAS_TOLERANCE * products
    if not close.all():
        raise operator.refused(f"the scale of its bias {tensor} is not the product of those of the input and the weights")
    return data.astype(np.int32)


def multipliers(factors: Iterable[Any]) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    pairs = [multiplier(float(factor)) for factor in factors]
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)


def dense(operator: Operator, name: str, *, biased: bool) -> DenseInt8Static:
    """A fully connected operator, its weights' scales one or one a row."""
    input_scale, input_zero_point = scale_of(operator, operator.operand(0), "int8")
    output_scale, output_zero_point = scale_of(operator, operator.outputs[0], "int8")
    with np.errstate(all="ignore"):
        products = input_scale * weight_scales(operator, 1)
        factors = products.astype(np.float64) / np.float64(output_scale)
    mantissa, shift = multipliers(factors)
    return DenseInt8Static(
        name=name,
        weight=operator.constant(1, "int8", 2),
        mantissa=mantissa,
        shift=shift,
        input_scale=[input_scale],
        input_zero_point=input_zero_point,
        output_scale=[output_scale],
        output_zero_point=output_zero_point,
        bias=bias_of(operator, 2, products) if biased else None,
    )
