"""Full-int8 operators of TensorFlow Lite as records in integers: scales become multipliers, as TensorFlow Lite computes them.

Whether an operator is of a form that edgelstm has is `tflite_layers`' part.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.dense_int8_static import DenseInt8Static
from ...layers.integers import CELL_BITS, GATE_BITS, multiplier
from ...layers.lstm_int8_static import LSTMInt8Static
from .file import Operator, Tensor

#: Inputs of an LSTM. Its gates are input, forget, cell, output: i f g o.
WEIGHT_IH, WEIGHT_HH, BIAS, STATE = range(1, 5), range(5, 9), range(12, 16), range(18, 20)

#: How far the scale of a bias may be from the product that it should be.
_BIAS_TOLERANCE = 1e-3


def same_scale(a: Tensor, b: Tensor) -> bool:
    """Whether an integer stands for the same number in both."""
    return a.type == b.type and np.array_equal(a.scale, b.scale) and np.array_equal(a.zero_point, b.zero_point)


def _scale(operator: Operator, tensor: Tensor, kind: str) -> tuple[np.float32, int]:
    """The one scale and zero point of a tensor."""
    if tensor.type != kind or tensor.scale.shape != (1,) or tensor.zero_point.shape != (1,):
        raise operator.refused(f"its tensor {tensor} is not {kind} with one scale and one zero point")
    return np.float32(tensor.scale[0]), int(tensor.zero_point[0])


def _weight_scales(operator: Operator, index: int) -> NDArray[np.float32]:
    """Scales of int8 weights, one or one a row; their zero points must be 0."""
    tensor, rows = operator.operand(index), operator.constant(index, "int8", 2).shape[0]
    if tensor.scale.size not in (1, rows) or tensor.axis != 0 or tensor.zero_point.any():
        raise operator.refused(f"its tensor {tensor} has not one scale, or one a row, with zero points 0")
    return np.asarray(tensor.scale, np.float32)


def _bias(operator: Operator, index: int, products: NDArray[np.float32]) -> NDArray[np.int32]:
    """An int32 bias in steps of the products of input and weights."""
    data, tensor = operator.constant(index, "int32", 1), operator.operand(index)
    if tensor.zero_point.any() or tensor.scale.size not in (1, products.size):
        raise operator.refused(f"its bias {tensor} has not one scale, or one a row, with zero points 0")
    with np.errstate(invalid="ignore"):
        close = np.abs(tensor.scale - products) <= _BIAS_TOLERANCE * products
    if not close.all():
        raise operator.refused(f"the scale of its bias {tensor} is not the product of those of the input and the weights")
    return data.astype(np.int32)


def _multipliers(factors: Iterable[Any]) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    pairs = [multiplier(float(factor)) for factor in factors]
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)


def lstm(operator: Operator, name: str, cell_clip: float) -> LSTMInt8Static:
    """The "8x8_16" form."""
    input_scale, input_zero_point = _scale(operator, operator.operand(0), "int8")
    hidden_scale, hidden_zero_point = _scale(operator, operator.outputs[0], "int8")
    _check_hidden(operator)
    cell_bits = _cell_bits(operator)
    with np.errstate(all="ignore"):
        from_x = [input_scale * _gate_scale(operator, index) for index in WEIGHT_IH]
        from_h = [hidden_scale * _gate_scale(operator, index) for index in WEIGHT_HH]
        out = np.float32(2.0**-30 / np.float64(hidden_scale))
    mantissa_ih, shift_ih = _multipliers(product * np.float32(1 << GATE_BITS) for product in from_x)
    mantissa_hh, shift_hh = _multipliers(product * np.float32(1 << GATE_BITS) for product in from_h)
    mantissa_out, shift_out = _multipliers([out])
    return LSTMInt8Static(
        name=name,
        weight_ih=operator.stacked(WEIGHT_IH, "int8", 2),
        weight_hh=operator.stacked(WEIGHT_HH, "int8", 2),
        bias=np.concatenate([_bias(operator, index, np.atleast_1d(p)) for index, p in zip(BIAS, from_x, strict=True)]),
        mantissa_ih=mantissa_ih,
        shift_ih=shift_ih,
        mantissa_hh=mantissa_hh,
        shift_hh=shift_hh,
        mantissa_out=mantissa_out,
        shift_out=shift_out,
        input_scale=[input_scale],
        input_zero_point=input_zero_point,
        hidden_scale=[hidden_scale],
        hidden_zero_point=hidden_zero_point,
        cell_bits=cell_bits,
        cell_clip=int(min(cell_clip * 2.0**cell_bits, 32767)) if cell_clip else None,
    )


def _gate_scale(operator: Operator, index: int) -> np.float32:
    scales = _weight_scales(operator, index)
    if scales.size != 1:
        raise operator.refused(f"its tensor {operator.operand(index)} has a scale a row; TensorFlow Lite's LSTM reads the first alone")
    return np.float32(scales[0])


def _check_hidden(operator: Operator) -> None:
    """The state h, and what the file says of it before a projection, must be in the steps of the output."""
    if len(operator.intermediates) not in (0, 5):
        raise operator.refused(f"it has {len(operator.intermediates)} intermediate tensors, not 5: its gates are not int16")
    for tensor in (operator.operand(STATE[0]), *operator.intermediates[4:]):
        if tensor is None or not same_scale(tensor, operator.outputs[0]):
            raise operator.refused(f"its tensor {tensor} has another scale or zero point than its output")


def _cell_bits(operator: Operator) -> int:
    """Bits behind the point of the int16 cell."""
    scale, zero_point = _scale(operator, operator.operand(STATE[1]), "int16")
    fraction, exponent = math.frexp(scale) if 0 < scale < math.inf else (0.0, 0)
    if fraction != 0.5 or zero_point or 1 - exponent not in CELL_BITS:
        raise operator.refused(
            f"the scale of its cell is {scale:g}, not a power of two from 2**-{CELL_BITS[-1]} to 2**-{CELL_BITS[0]} with zero point 0"
        )
    return 1 - exponent


def dense(operator: Operator, name: str, *, biased: bool) -> DenseInt8Static:
    """A fully connected operator, its weights' scales one or one a row."""
    input_scale, input_zero_point = _scale(operator, operator.operand(0), "int8")
    output_scale, output_zero_point = _scale(operator, operator.outputs[0], "int8")
    with np.errstate(all="ignore"):
        products = input_scale * _weight_scales(operator, 1)
        factors = products.astype(np.float64) / np.float64(output_scale)
    mantissa, shift = _multipliers(factors)
    return DenseInt8Static(
        name=name,
        weight=operator.constant(1, "int8", 2),
        mantissa=mantissa,
        shift=shift,
        input_scale=[input_scale],
        input_zero_point=input_zero_point,
        output_scale=[output_scale],
        output_zero_point=output_zero_point,
        bias=_bias(operator, 2, products) if biased else None,
    )
