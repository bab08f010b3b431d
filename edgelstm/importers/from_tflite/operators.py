"""Operators of TensorFlow Lite as records. Everything that an operator says is honoured, or refused by name.

The order of the operators is `from_tflite`'s part, the integer forms are `tflite_int8`'s.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.feedforward import Activation, Dense, Softmax
from ...layers.lstm import LSTM
from ...layers.lstm_int8_static import LSTMInt8Static
from ...layers.record import Layer
from . import integers as tflite_int8
from .file import Operator
from .integers import BIAS, STATE, WEIGHT_HH, WEIGHT_IH

#: Fused functions, by number.
_FUSED = ("", "relu", "relu_n1_to_1", "relu6", "tanh", "sign_bit")

#: Inputs of an LSTM whose cell is no plain one: peepholes of i, f and o; the projection and its bias; weights of the gates' norms.
PEEPHOLE, PROJECTION, NORM = range(9, 12), range(16, 18), range(20, 24)

#: What full int8 does not have of these.
_ABSENT = ((PEEPHOLE, "peepholes"), (PROJECTION, "a projection"), (NORM, "layer normalization"))


def fused(operator: Operator) -> str:
    """The function that is fused into an operator; empty for none."""
    number = operator.options.number(0, "b")
    return _FUSED[number] if 0 <= number < len(_FUSED) else f"function {number}"


def time_axis(operator: Operator) -> int:
    """Which axis of an LSTM's input is time. The batch must be 1."""
    x = operator.operand(0)
    time = 0 if operator.options.number(3, "B") else 1
    if len(x.shape) != 3 or x.shape[1 - time] != 1:
        raise operator.refused(f"its input {x} is not one sequence of vectors (batch 1)")
    return time


def input_width(operator: Operator) -> int:
    """Columns of the weights that the input meets."""
    weights = operator.operand(2 if operator.kind == "UNIDIRECTIONAL_SEQUENCE_LSTM" else 1)
    return weights.shape[-1] if weights.shape else 0


def takes_last_step(operator: Operator) -> bool:
    """Whether a STRIDED_SLICE takes the last entry of axis 1 of three, and all of the others."""
    x = operator.operand(0)
    if len(x.shape) != 3:
        return False
    begin, end, stride = (operator.constant(index, "int32", 1) for index in (1, 2, 3))
    begins, ends, ellipsis, new_axis, shrink = (operator.options.number(field, "i") for field in range(5))
    if not begin.shape == end.shape == stride.shape == (3,) or (stride != 1).any() or ellipsis or new_axis or shrink & 5:
        return False
    whole = all((begins >> axis & 1 or begin[axis] == 0) and (ends >> axis & 1 or end[axis] >= x.shape[axis]) for axis in (0, 2))
    last = -1 if 1 in x.dynamic else x.shape[1] - 1
    to_the_end = shrink & 2 or ends & 2 or (end[1] >= x.shape[1] and 1 not in x.dynamic)
    return bool(whole and not begins & 2 and begin[1] in (-1, last) and to_the_end)


def function(operator: Operator, name: str) -> Layer:
    """A function of all values."""
    if name != "softmax":
        return Activation(name)
    if (beta := operator.options.number(0, "f", 0.0)) != 1:
        raise operator.refused(f"its beta is {beta:g}, not 1")
    return Softmax()


def lstm(operator: Operator, name: str) -> LSTM | LSTMInt8Static:
    """The record of a fused LSTM."""
    _check_form(operator)
    types = operator.operand(0).type, operator.operand(WEIGHT_IH[1]).type
    if types == ("float32", "int8"):
        raise operator.refused("it is of the hybrid form (dynamic range); convert it as float, or as full int8 with calibration data")
    if types == ("int8", "int8"):
        _check_plain(operator)
        return tflite_int8.lstm(operator, name, _clip(operator, 1, "cell_clip"))
    if types != ("float32", "float32"):
        raise operator.refused(f"its input is {types[0]} and its weights are {types[1]}; edgelstm takes full int8 and float32")
    return _float_lstm(operator, name)


def _float_lstm(operator: Operator, name: str) -> LSTM:
    """The record of a layer in float32. Where its input gate is coupled (CIFG), the tensors of that gate are absent."""
    coupled = operator.inputs[WEIGHT_IH[0]] is None

    def stacked(part: range, ndim: int) -> NDArray[Any]:
        if not coupled:
            return operator.stacked(part, "float32", ndim)
        if (tensor := operator.inputs[part[0]]) is not None:
            raise operator.refused(f"its tensor {tensor} belongs to an input gate, which it couples to its forget gate")
        rest = operator.stacked(part[1:], "float32", ndim)
        return np.concatenate([np.zeros_like(rest[: len(rest) // len(part[1:])]), rest])

    given: dict[str, Any] = {"coupled": "i=1-f"} if coupled else {}
    if _present(operator, PEEPHOLE):
        given["peephole"] = stacked(PEEPHOLE, 1).reshape(3, -1)
    if _present(operator, PROJECTION):
        weight, bias = PROJECTION
        given |= {"weight_hr": operator.constant(weight, "float32", 2), "projection_clip": _clip(operator, 2, "proj_clip") or None}
        given["bias_hr"] = None if operator.inputs[bias] is None else operator.constant(bias, "float32", 1)
    if _present(operator, NORM):
        given |= {"norm": "tflite", "norm_weight": stacked(NORM, 1)}
    weights = stacked(WEIGHT_IH, 2), stacked(WEIGHT_HH, 2), stacked(BIAS, 1)
    return LSTM(*weights, cell_clip=_clip(operator, 1, "cell_clip") or None, name=name, **given)


def _present(operator: Operator, part: range) -> bool:
    """Whether any of these inputs is there."""
    return any(tensor is not None for tensor in operator.inputs[part.start : part.stop])


def _check_form(operator: Operator) -> None:
    """What makes an LSTM one that edgelstm has, whatever its types."""
    if len(operator.inputs) not in (20, 24):
        raise operator.refused(f"it has {len(operator.inputs)} inputs, not 24")
    if operator.options.number(5, "B"):
        raise operator.refused("its recurrent tensors are diagonal")
    if (found := fused(operator)) != "tanh":
        raise operator.refused(f"its function is {found or 'linear'}, not tanh")
    for state in map(operator.operand, STATE):
        if not state.variable or state.data is not None:
            raise operator.refused(f"its state {state} is no variable that begins at zero; a state given as an input is not imported")


def _check_plain(operator: Operator) -> None:
    """What a layer of integers has no record of is absent."""
    for part, what in _ABSENT:
        if present := next((t for t in operator.inputs[part.start : part.stop] if t is not None), None):
            raise operator.refused(f"its tensor {present} belongs to {what}, which edgelstm has in float alone; convert it as float")
    if operator.inputs[WEIGHT_IH[0]] is None:
        raise operator.refused(
            "it couples its input gate to its forget gate (CIFG), which edgelstm has in float alone; convert it as float"
        )


def _clip(operator: Operator, field: int, name: str) -> float:
    """The largest magnitude of the cell, or of what a projection gives; 0 for none."""
    clip = float(operator.options.number(field, "f", 0.0))
    if not 0 <= clip < math.inf:
        raise operator.refused(f"its {name} is {clip:g}")
    return clip


def dense(operator: Operator, name: str) -> list[Layer]:
    """The records of a fully connected operator: with the function that is fused into it."""
    after = fused(operator)
    if after not in ("", "relu"):
        raise operator.refused(f"its function is {after}; edgelstm takes relu or none")
    if operator.options.number(1, "b"):
        raise operator.refused("its weights are stored shuffled")
    biased = len(operator.inputs) == 3 and operator.inputs[2] is not None
    types = operator.operand(0).type, operator.operand(1).type
    layer: Layer
    if types == ("int8", "int8"):
        layer = tflite_int8.dense(operator, name, biased=biased)
    elif types == ("float32", "float32"):
        layer = Dense(operator.constant(1, "float32", 2), operator.constant(2, "float32", 1) if biased else None, name=name)
    else:
        raise operator.refused(f"its input is {types[0]} and its weights are {types[1]}; edgelstm takes full int8 and float32")
    return [layer, Activation(after)] if after else [layer]
