"""TensorFlow Lite's LSTM in integers alone, "8x8_16", as a record. Scales become multipliers as in ``unidirectional_sequence_lstm.cc``.

Gates stand in the order i f g o, as in edgelstm. Where the input gate follows from the forget gate (CIFG) its tensors are absent.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.integers import CELL_BITS, GATE_BITS
from ...layers.lstm_int8_static import LSTMInt8Static
from .file import Operator
from .integers import bias_of, multipliers, same_scale, scale_of, weight_scales

#: Inputs of the operator.
WEIGHT_IH, WEIGHT_HH, PEEPHOLE, BIAS, STATE, NORM = range(1, 5), range(5, 9), range(9, 12), range(12, 16), range(18, 20), range(20, 24)
PROJECTION, PROJECTION_BIAS = 16, 17

#: What a norm's products are larger by than the steps of its weights: 2**10.
_NORM_STEPS = np.float32(2.0**-10)

#: Variance that stands for none, in units of a norm's weights.
_GUARD = 10000


def lstm(operator: Operator, name: str, cell_clip: float, projection_clip: float) -> LSTMInt8Static:
    """The record. Clips: 0 for none."""
    input_scale, input_zero_point = scale_of(operator, operator.operand(0), "int8")
    hidden_scale, hidden_zero_point = scale_of(operator, operator.outputs[0], "int8")
    first, normed, projected = int(not _has(operator, WEIGHT_IH[0])), _has(operator, NORM[1]), _has(operator, PROJECTION)
    _check_read(operator, first, normed, projected)
    gated_scale, gated_zero_point = _gated(operator, projected)
    cell_bits = _cell_bits(operator)
    steps = _gate_steps(operator, normed)
    with np.errstate(all="ignore"):
        from_x = [input_scale * _one_scale(operator, index) for index in WEIGHT_IH[first:]]
        from_h = [hidden_scale * _one_scale(operator, index) for index in WEIGHT_HH[first:]]
        out = np.float32(2.0**-30 / np.float64(gated_scale))
        ih, hh = (
            multipliers([0.0] * first + [one / step for one, step in zip(products, steps[first:], strict=True)])
            for products in (from_x, from_h)
        )
    options: dict[str, Any] = {"coupled": "i=1-f"} if first else {}
    options |= _norm(operator, first) if normed else {"bias": _stacked_biases(operator, from_x, first)}
    options |= (
        _peepholes(operator, first, cell_bits, steps, operator.outputs[0].shape[-1])
        if any(_has(operator, index) for index in PEEPHOLE)
        else {}
    )
    options |= _projection(operator, gated_scale, gated_zero_point, projection_clip) if projected else {}
    mantissa_out, shift_out = multipliers([out])
    return LSTMInt8Static(
        name=name,
        weight_ih=_stacked(operator, WEIGHT_IH, "int8", 2, first),
        weight_hh=_stacked(operator, WEIGHT_HH, "int8", 2, first),
        mantissa_ih=ih[0],
        shift_ih=ih[1],
        mantissa_hh=hh[0],
        shift_hh=hh[1],
        mantissa_out=mantissa_out,
        shift_out=shift_out,
        input_scale=[input_scale],
        input_zero_point=input_zero_point,
        hidden_scale=[hidden_scale],
        hidden_zero_point=hidden_zero_point,
        cell_bits=cell_bits,
        cell_clip=int(min(cell_clip * 2.0**cell_bits, 32767)) if cell_clip else None,
        **options,
    )


def _has(operator: Operator, index: int) -> bool:
    return index < len(operator.inputs) and operator.inputs[index] is not None


def _check_read(operator: Operator, first: int, normed: bool, projected: bool) -> None:
    """No tensor is there that belongs to a part which is not."""
    unread = [*((WEIGHT_HH[0], PEEPHOLE[0], BIAS[0], NORM[0]) if first else ()), *(() if normed else NORM)]
    for index in [*unread, *([] if projected else [PROJECTION_BIAS])]:
        if _has(operator, index):
            raise operator.refused(f"its input {index}, {operator.operand(index)}, belongs to a gate, a norm or a projection that it lacks")


def _stacked(operator: Operator, indices: range, kind: str, dimensions: int, first: int) -> NDArray[Any]:
    """Arrays of the four gates one above the other; zeros for an input gate that is derived."""
    given = operator.stacked(indices[first:], kind, dimensions)
    return np.concatenate([np.zeros_like(given[: len(given) // 3]), given]) if first else given


def _one_scale(operator: Operator, index: int) -> np.float32:
    scales = weight_scales(operator, index)
    if scales.size != 1:
        raise operator.refused(f"its tensor {operator.operand(index)} has a scale a row; TensorFlow Lite's LSTM reads the first alone")
    return np.float32(scales[0])


def _gated(operator: Operator, projected: bool) -> tuple[np.float32, int]:
    """Scale and zero point of ``o * tanh(c)``: of its own before a projection, else those of the output, which the state h has always."""
    if len(operator.intermediates) != 5 and (projected or operator.intermediates):
        raise operator.refused(f"it has {len(operator.intermediates)} intermediate tensors, not 5: its gates are not int16")
    for tensor in (operator.operand(STATE[0]), *(() if projected else operator.intermediates[4:])):
        if tensor is None or not same_scale(tensor, operator.outputs[0]):
            raise operator.refused(f"its tensor {tensor} has another scale or zero point than its output")
    tensor = operator.intermediates[4] if projected else operator.outputs[0]
    if tensor is None:
        raise operator.refused("what its projection reads has no scale")
    return scale_of(operator, tensor, "int8")


def _gate_steps(operator: Operator, normed: bool) -> list[np.float32]:
    """Size of a gate's step before its activation, or before its norm."""
    if not normed:
        return [np.float32(2.0**-GATE_BITS)] * 4
    if len(operator.intermediates) != 5:
        raise operator.refused(f"it has {len(operator.intermediates)} intermediate tensors, not 5, and its norms no scales")
    return [np.float32(1) if tensor is None else scale_of(operator, tensor, "int16")[0] for tensor in operator.intermediates[:4]]


def _cell_bits(operator: Operator) -> int:
    """Bits behind the point of the int16 cell."""
    scale, zero_point = scale_of(operator, operator.operand(STATE[1]), "int16")
    fraction, exponent = math.frexp(scale) if 0 < scale < math.inf else (0.0, 0)
    if fraction != 0.5 or zero_point or 1 - exponent not in CELL_BITS:
        raise operator.refused(
            f"the scale of its cell is {scale:g}, not a power of two from 2**-{CELL_BITS[-1]} to 2**-{CELL_BITS[0]} with zero point 0"
        )
    return 1 - exponent


def _stacked_biases(operator: Operator, products: list[np.float32], first: int) -> NDArray[np.int32]:
    parts = [bias_of(operator, index, np.atleast_1d(one)) for index, one in zip(BIAS[first:], products, strict=True)]
    return np.concatenate([np.zeros_like(parts[0]), *parts] if first else parts)


def _vector_scale(operator: Operator, index: int) -> np.float32:
    """The scale of int16 numbers of the units, whose zero point must be 0."""
    scale, zero_point = scale_of(operator, operator.operand(index), "int16")
    if zero_point:
        raise operator.refused(f"its tensor {operator.operand(index)} has the zero point {zero_point}, not 0")
    return scale


def _peepholes(operator: Operator, first: int, cell_bits: int, steps: list[np.float32], outputs: int) -> dict[str, Any]:
    """Of i, f and o, which see the cell in its steps. TensorFlow Lite's kernel reads those of as many units as there are outputs."""
    with np.errstate(all="ignore"):
        scales = [np.float32(2.0**-cell_bits) * _vector_scale(operator, index) for index in PEEPHOLE[first:]]
        factors = [0.0] * first + [one / steps[gate] for one, gate in zip(scales, (0, 1, 3)[first:], strict=True)]
    rows = [operator.constant(index, "int16", 1).astype(np.int16) for index in PEEPHOLE[first:]]
    mantissa, shift = multipliers(factors)
    if outputs > rows[0].size:
        raise operator.refused(f"it has {outputs} outputs and peepholes of {rows[0].size} units, beyond which TensorFlow Lite reads")
    peephole = np.stack([np.zeros_like(rows[0]), *rows] if first else rows)
    peephole[:, outputs:] = 0
    return {"peephole": peephole, "mantissa_peephole": mantissa, "shift_peephole": shift}


def _norm(operator: Operator, first: int) -> dict[str, Any]:
    """Weights of the norms, and the bias that comes behind them."""
    scales = [_vector_scale(operator, index) for index in NORM[first:]]
    mantissa, shift = multipliers([0.0] * first + [scale * np.float32(1 << GATE_BITS) for scale in scales])
    return {
        "norm_weight": _stacked(operator, NORM, "int16", 1, first).astype(np.int16),
        "bias": _stacked_biases(operator, [scale * _NORM_STEPS for scale in scales], first),
        "mantissa_norm": mantissa,
        "shift_norm": shift,
        "norm_guard": np.array([1] * first + [max(1, int(_GUARD * scale)) for scale in scales], np.int32),
    }


def _projection(operator: Operator, gated_scale: np.float32, gated_zero_point: int, clip: float) -> dict[str, Any]:
    """The projection of what is gated to the output."""
    output_scale, _ = scale_of(operator, operator.outputs[0], "int8")
    with np.errstate(all="ignore"):
        products = _one_scale(operator, PROJECTION) * gated_scale
        mantissa, shift = multipliers([products / output_scale])
        held = int(min(float(clip / output_scale), 127.0))
    return {
        "weight_hr": operator.constant(PROJECTION, "int8", 2),
        "mantissa_hr": mantissa,
        "shift_hr": shift,
        "bias_hr": bias_of(operator, PROJECTION_BIAS, np.atleast_1d(products)) if _has(operator, PROJECTION_BIAS) else None,
        "gated_zero_point": -gated_zero_point,  # the kernel subtracts it where it rounds what is gated, and adds it before the products
        "projection_clip": held or None,
    }
