"""Operators that compute, number by number or by a constant matrix.

Definitions: https://www.tensorflow.org/api_docs/python/tf/raw_ops.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..from_onnx.calls import Array, Call, floats
from ..from_onnx.folding import bounded_inputs
from ..graph.tracing import Flow, Value
from .values import Count, Drawn, Handler, one, onnx, plain


def _plain(op: str, **attributes: Any) -> Handler:
    """An operator that ONNX has too."""
    return plain(lambda call: onnx(call, op, *(call.value(i) for i in range(len(call.values))), **attributes))


def _folded(function: Callable[..., Any]) -> Handler:
    """A function of constants alone."""

    def fold(call: Call) -> list[Value]:
        arrays = [call.constant(index) for index in range(len(call.values))]
        bounded_inputs(call)
        with np.errstate(all="ignore"):
            return [np.asarray(function(*arrays))]

    return plain(fold)


def _sum(sign: int) -> Handler:
    """Add and Sub; a count of iterations and a constant are another count."""

    def add(call: Call) -> Sequence[Value]:
        for place, value in enumerate(call.values[:2]):
            other = call.value(1 - place)
            if isinstance(value, Count) and (sign == 1 or place == 0):
                return [_moved(call, value, sign * int(_number(call, other)))]
            if isinstance(value, Drawn) and (sign == 1 or place == 0):
                more = sign * _number(call, other)
                return [Drawn(low=value.low + more, high=value.high + more)]
        return onnx(call, "Add" if sign == 1 else "Sub", call.value(0), call.value(1))

    return plain(add, Count, Drawn)


def _number(call: Call, value: Value) -> float:
    """A constant that is one number."""
    if isinstance(value, Flow) or value.size != 1:
        call.refuse("computes with the number of a loop's iteration, or with numbers drawn at random, which is not imported")
    return float(value.item())


def _moved(call: Call, count: Count, by: int) -> Count:
    return Count(offset=count.offset + by, trips=count.trips, directions=count.directions)


def _bias(call: Call) -> list[Value]:
    x, bias = call.value(0), call.constant(1)
    if call.attribute("data_format", "NHWC") == "NCHW" and len(x.shape) > 2:
        bias = bias.reshape(-1, *[1] * (len(x.shape) - 2))
    return onnx(call, "Add", x, bias)


def _mul(call: Call) -> list[Value]:
    for place, value in enumerate(call.values[:2]):
        if isinstance(value, Drawn):
            factor = _number(call, call.value(1 - place))
            if factor < 0:
                call.refuse("multiplies numbers drawn at random by a negative one, which is not imported")
            return [Drawn(low=value.low * factor, high=value.high * factor)]
    return onnx(call, "Mul", call.value(0), call.value(1))


def _floor(call: Call) -> list[Value]:
    value = call.value(0)
    if not isinstance(value, Drawn):
        return [np.floor(call.constant(0))]
    if np.floor(value.low) != np.ceil(value.high) - 1:
        call.refuse("drops numbers at random, as in training; freeze the graph with dropout turned off")
    return [np.asarray(np.floor(value.low), np.float32)]


def _floor_div(call: Call) -> list[Value]:
    with np.errstate(all="ignore"):
        return [np.floor_divide(call.constant(0), call.constant(1))]


def _turned(call: Call, index: int, turn: bool) -> Value:
    """An input, with its last two axes exchanged if `turn`."""
    x = call.value(index)
    order = [*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2]
    return one(call, "Transpose", x, perm=order) if turn else x


def _matmul(call: Call) -> list[Value]:
    turns = [any([call.attribute(f"transpose_{one}", False), call.attribute(f"adj_{two}", False)]) for one, two in ("ax", "by")]
    for name in ("a_is_sparse", "b_is_sparse", "grad_a", "grad_b", "grad_x", "grad_y"):
        call.attribute(name)
    return onnx(call, "MatMul", *(_turned(call, index, turn) for index, turn in enumerate(turns)))


def _square(call: Call) -> list[Value]:
    return onnx(call, "Mul", call.value(0), call.value(0))


def _squared_difference(call: Call) -> list[Value]:
    difference = one(call, "Sub", call.value(0), call.value(1))
    return onnx(call, "Mul", difference, difference)


def _add_n(call: Call) -> list[Value]:
    found = call.value(0)
    for index in range(1, len(call.values)):
        found = one(call, "Add", found, call.value(index))
    return [found]


def _reduce(op: str) -> Handler:
    def reduce(call: Call) -> list[Value]:
        x, keep, axes = call.value(0), int(call.attribute("keep_dims", False)), call.constant(1)
        if not axes.size:
            return [x]
        found = [call.axis(int(a), len(x.shape)) for a in axes.ravel()]
        return onnx(call, op, x, np.array(found, np.int64), keepdims=keep)

    return plain(reduce)


def _logical(function: Callable[..., Any]) -> Handler:
    def reduce(call: Call) -> list[Value]:
        axes, keep = tuple(int(a) for a in call.constant(1).ravel()), bool(call.attribute("keep_dims", False))
        return [np.asarray(function(call.constant(0), axis=axes, keepdims=keep))]

    return plain(reduce)


def _bound(low: bool) -> Handler:
    """Maximum or Minimum."""

    def write(call: Call) -> list[Value]:
        return onnx(call, "Max" if low else "Min", call.value(0), call.value(1))

    return plain(write)


def _clip(call: Call) -> list[Value]:
    low, high = (call.constant(index).item() for index in (1, 2))
    x = call.value(0)
    return onnx(call, "Clip", x, np.asarray(low), np.asarray(high)) if isinstance(x, Flow) else [np.clip(x, low, high)]


def _compare(function: Callable[[Array, Array], Any]) -> Handler:
    """Comparisons: of constants, of a count with a constant where all iterations agree, and of numbers drawn at random likewise."""

    def compare(call: Call) -> list[Value]:
        call.attribute("incompatible_shape_error")
        sides: list[Array] = []
        for index in (0, 1):
            value = call.value(index)
            if isinstance(value, Count):
                sides.append(np.arange(value.trips) + value.offset)
            elif isinstance(value, Drawn):
                sides.append(np.array([value.low, np.nextafter(value.high, -np.inf)]))
            else:
                sides.append(call.constant(index))
        special = [isinstance(value, Count | Drawn) for value in call.values]
        if not any(special):
            bounded_inputs(call)
            return [np.asarray(function(*sides))]
        found = function(*(side if own else side.reshape(-1)[:, None] for side, own in zip(sides, special, strict=True)))
        if all(special) or (found != found[:, :1]).any():
            call.refuse("compares the number of an iteration with one that divides the recording, which is not imported")
        return [found[:, 0].reshape(call.constant(special.index(False)).shape)]

    return plain(compare, Count, Drawn)


def _select(call: Call) -> list[Value]:
    """Select and SelectV2: in the first, a vector chooses rows."""
    condition, a, b = call.constant(0).astype(bool), call.value(1), call.value(2)
    if condition.all() or not condition.any():
        chosen = a if condition.all() else b
        shape = np.broadcast_shapes(a.shape, b.shape)
        return [chosen if chosen.shape == shape else one(call, "Expand", chosen, np.array(shape, np.int64))]
    if call.node.op == "Select" and condition.ndim == 1:
        condition = condition.reshape(-1, *[1] * (len(a.shape) - 1))
    return onnx(call, "Where", condition, a, b)


def _leaky(call: Call) -> list[Value]:
    return onnx(call, "LeakyRelu", call.value(0), alpha=call.attribute("alpha", 0.2))


def _rsqrt(call: Call) -> list[Value]:
    x = call.value(0)
    if isinstance(x, Flow):
        return onnx(call, "Div", np.ones((), np.float32), one(call, "Sqrt", x))
    return [np.asarray(1 / np.sqrt(x)).astype(x.dtype)]


def _random(call: Call) -> list[Value]:
    for name in ("seed", "seed2"):
        call.attribute(name)
    return [Drawn()]


def _batch_norm(call: Call) -> list[Value]:
    """FusedBatchNorm of all versions: (y, statistics), of which y alone is given."""
    if call.attribute("is_training", True):
        call.refuse("normalises by the statistics of its own batch, as in training; freeze the graph in inference mode")
    call.attribute("exponential_avg_factor")
    x = call.value(0)
    scale, offset, mean, variance = (floats(call.constant(index)) for index in range(1, 5))
    factor = scale / np.sqrt(variance + call.attribute("epsilon", 1e-4))
    shape = (-1, *[1] * (len(x.shape) - 2)) if call.attribute("data_format", "NHWC").startswith("NC") else (-1,)
    found = one(call, "Mul", x, factor.reshape(shape))
    return onnx(call, "Add", found, (offset - mean * factor).reshape(shape))


_COMPARED = {
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Equal": np.equal,
    "NotEqual": np.not_equal,
}

_SAME = {
    **{op: op for op in ("Sigmoid", "Tanh", "Relu", "Elu", "Selu", "Softplus", "Softsign", "Softmax", "LogSoftmax", "Exp", "Sqrt", "Abs")},
    **{"Neg": "Neg", "RealDiv": "Div", "Div": "Div", "Pow": "Pow", "Inv": "Reciprocal", "Reciprocal": "Reciprocal"},
}

#: By operator.
ARITHMETIC: dict[str, Handler] = {
    **{op: _plain(name) for op, name in _SAME.items()},
    **{op: _compare(function) for op, function in _COMPARED.items()},
    **dict.fromkeys(("Add", "AddV2"), _sum(1)),
    "Sub": _sum(-1),
    "Relu6": plain(lambda call: onnx(call, "Clip", call.value(0), 0.0, 6.0)),
    "BiasAdd": plain(_bias),
    "BiasAddV1": plain(_bias),
    "Mul": plain(_mul, Drawn),
    "Floor": plain(_floor, Drawn),
    "FloorDiv": plain(_floor_div),
    "FloorMod": _folded(np.mod),
    "Ceil": _folded(np.ceil),
    "Log": _folded(np.log),
    "Round": _folded(np.round),
    "Sign": _folded(np.sign),
    "Rsqrt": plain(_rsqrt),
    "LogicalAnd": _folded(np.logical_and),
    "LogicalOr": _folded(np.logical_or),
    "LogicalNot": _folded(np.logical_not),
    "All": _logical(np.all),
    "Any": _logical(np.any),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), plain(_matmul)),
    "Square": plain(_square),
    "SquaredDifference": plain(_squared_difference),
    "AddN": plain(_add_n),
    "Sum": _reduce("ReduceSum"),
    "Mean": _reduce("ReduceMean"),
    "Max": _reduce("ReduceMax"),
    "Min": _reduce("ReduceMin"),
    "Prod": _reduce("ReduceProd"),
    "Maximum": _bound(True),
    "Minimum": _bound(False),
    "ClipByValue": plain(_clip),
    "Select": plain(_select),
    "SelectV2": plain(_select),
    "LeakyRelu": plain(_leaky),
    "RandomUniform": plain(_random),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), plain(_batch_norm)),
}
