"""Full-int8 operators of TensorFlow Lite as records. Everything that an operator says is honoured, or refused by name.

The order of the operators is the part of `chains`, their numbers are that of `integers`.
"""

import math

import numpy as np

from ...layers.fake_quantize import FakeQuantize
from ...layers.feedforward import Activation, Softmax
from ...layers.lstm_int8_static import LSTMInt8Static
from ...layers.record import Layer
from . import integers as tflite_int8
from . import lstm_integers
from .file import Operator, Tensor
from .lstm_integers import STATE

#: Fused functions, by number.
_FUSED = ("", "relu", "relu_n1_to_1", "relu6", "tanh", "sign_bit")


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


def levels(tensor: Tensor) -> list[Layer]:
    """What rounds numbers to the levels of a tensor; nothing for one of numbers."""
    if tensor.type != "int8" or tensor.scale.size != 1:
        return []
    size, zero = tensor.shape[-1], int(tensor.zero_point[0])
    bounds = [np.full(size, end - zero) for end in (-128, 127)]
    return [FakeQuantize(np.full(size, tensor.scale[0]), *bounds)]


def lstm(operator: Operator, name: str) -> LSTMInt8Static:
    """The record of a fused LSTM."""
    _check_form(operator)
    return lstm_integers.lstm(operator, name, _clip(operator, 1, "cell_clip"), _clip(operator, 2, "proj_clip"))


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
    layer = tflite_int8.dense(operator, name, biased=biased)
    return [layer, Activation(after)] if after else [layer]
