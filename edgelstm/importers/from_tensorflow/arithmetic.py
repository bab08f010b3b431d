"""Operators that compute, number by number or by a constant matrix.

Definitions: https://www.tensorflow.org/api_docs/python/tf/raw_ops.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..from_onnx.calls import Array, Call, floats
from ..from_onnx.folding import bounded
from ..graph.tracing import Flow, Value
from .quotients import Quotient, product, total, written
from .values import Bounded, Count, Drawn, Handler, one, onnx, plain


def _plain(op: str, **attributes: Any) -> Handler:
    """An operator that ONNX has too."""
    return plain(lambda call: onnx(call, op, *(call.value(i) for i in range(len(call.values))), **attributes))


def folded(function: Callable[..., Any]) -> Handler:
    """A function of constants alone."""

    def fold(call: Call) -> list[Value]:
        arrays = [call.constant(index) for index in range(len(call.values))]
        bounded(call, np.broadcast_shapes(*(array.shape for array in arrays)))
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
        found = total(call, call.value(0), call.value(1), sign)
        return [found] if found is not None else onnx(call, "Add" if sign == 1 else "Sub", written(call, 0), written(call, 1))

    return plain(add, Count, Drawn, Quotient)


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
    found = product(call, call.value(0), call.value(1))
    return [found] if found is not None else onnx(call, "Mul", written(call, 0), written(call, 1))


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


def _einsum(call: Call) -> list[Value]:
    call.attribute("N")
    return onnx(call, "Einsum", *(call.value(i) for i in range(len(call.values))), equation=call.attribute("equation"))


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


def _place(op: str) -> Handler:
    """ArgMax and ArgMin, whose axis goes."""

    def find(call: Call) -> list[Value]:
        x = call.value(0)
        return onnx(call, op, x, axis=call.axis(int(call.constant(1).item()), len(x.shape)), keepdims=0)

    return plain(find)


def _cumulated(call: Call) -> list[Value]:
    how = {name: int(call.attribute(name, False)) for name in ("exclusive", "reverse")}
    return onnx(call, "CumSum", call.value(0), call.constant(1), **how)


def _bound(low: bool) -> Handler:
    """Maximum or Minimum; both, with constants, are one function."""

    def write(call: Call) -> list[Value]:
        a, b = call.value(0), call.value(1)
        x, bound = (b, a) if isinstance(b, Flow) else (a, b)
        found = one(call, "Max" if low else "Min", a, b)
        if not isinstance(x, Flow) or isinstance(bound, Flow) or bound.size != 1:
            return [found]
        if isinstance(x, Bounded) and x.low != low and (x.bound <= bound.item() if not low else bound.item() <= x.bound):
            ends = (bound.item(), x.bound) if low else (x.bound, bound.item())
            return onnx(call, "Clip", x.inner, *ends)
        return [Bounded(found.ids, inner=x, bound=bound.item(), low=low)] if isinstance(found, Flow) else [found]

    return plain(write)


def _clip(call: Call) -> list[Value]:
    low, high = (call.constant(index).item() for index in (1, 2))
    x = call.value(0)
    return onnx(call, "Clip", x, np.asarray(low), np.asarray(high)) if isinstance(x, Flow) else [np.clip(x, low, high)]


def _leaky(call: Call) -> list[Value]:
    return onnx(call, "LeakyRelu", call.value(0), alpha=call.attribute("alpha", 0.2))


def _rsqrt(call: Call) -> list[Value]:
    x = call.value(0)
    if isinstance(x, Flow):
        return [Quotient(root=one(call, "Sqrt", x))]
    return [np.asarray(1 / np.sqrt(x)).astype(x.dtype)]


def _batch_norm(call: Call) -> list[Value]:
    """FusedBatchNorm of all versions: (y, statistics), of which y alone is given."""
    call.attribute("exponential_avg_factor")
    x, epsilon = call.value(0), call.attribute("epsilon", 1e-4)
    scale, offset = (floats(call.constant(index)) for index in (1, 2))
    second = call.attribute("data_format", "NHWC").startswith("NC")
    if call.attribute("is_training", True):
        return [_own_statistics(call, x, 1 if second else len(x.shape) - 1, scale, offset, epsilon)]
    mean, variance = (floats(call.constant(index)) for index in (3, 4))
    factor = scale / np.sqrt(variance + epsilon)
    shape = (-1, *[1] * (len(x.shape) - 2)) if second else (-1,)
    found = one(call, "Mul", x, factor.reshape(shape))
    return onnx(call, "Add", found, (offset - mean * factor).reshape(shape))


def _own_statistics(call: Call, x: Value, axis: int, scale: Array, offset: Array, epsilon: float) -> Value:
    """Each channel normalised by its own mean and variance: how Keras writes LayerNormalization, with rows as channels."""
    order = [axis, *(a for a in range(len(x.shape)) if a != axis)]
    turned = one(call, "Transpose", x, perm=order)
    rows = one(call, "Reshape", turned, np.array([x.shape[axis], -1]))
    found = one(call, "LayerNormalization", rows, np.ones(rows.shape[1], np.float32), axis=-1, epsilon=epsilon)
    found = one(call, "Add", one(call, "Mul", found, scale[:, None]), offset[:, None])
    back = one(call, "Reshape", found, np.array(turned.shape))
    return one(call, "Transpose", back, perm=np.argsort(order).tolist())


_SAME = {
    **{
        op: op
        for op in ("Sigmoid", "Tanh", "Relu", "Elu", "Selu", "Softplus", "Softsign", "Softmax", "LogSoftmax", "Exp", "Log", "Sqrt", "Abs")
    },
    "Neg": "Neg",
    "RealDiv": "Div",
    "Div": "Div",
    "Pow": "Pow",
    "Inv": "Reciprocal",
    "Reciprocal": "Reciprocal",
}

#: By operator.
ARITHMETIC: dict[str, Handler] = {
    **{op: _plain(name) for op, name in _SAME.items()},
    **dict.fromkeys(("Add", "AddV2"), _sum(1)),
    "Sub": _sum(-1),
    "Relu6": plain(lambda call: onnx(call, "Clip", call.value(0), 0.0, 6.0)),
    "BiasAdd": plain(_bias),
    "BiasAddV1": plain(_bias),
    "Mul": plain(_mul, Drawn, Quotient),
    "FloorDiv": folded(np.floor_divide),
    "FloorMod": folded(np.mod),
    "Ceil": folded(np.ceil),
    "Round": folded(np.round),
    "Sign": folded(np.sign),
    "Rsqrt": plain(_rsqrt),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), plain(_matmul)),
    "Einsum": plain(_einsum),
    "Square": plain(_square),
    "SquaredDifference": plain(_squared_difference),
    "AddN": plain(_add_n),
    "Sum": _reduce("ReduceSum"),
    "Mean": _reduce("ReduceMean"),
    "Max": _reduce("ReduceMax"),
    "Min": _reduce("ReduceMin"),
    "Prod": _reduce("ReduceProd"),
    "ArgMax": _place("ArgMax"),
    "ArgMin": _place("ArgMin"),
    "Cumsum": plain(_cumulated),
    "Maximum": _bound(True),
    "Minimum": _bound(False),
    "ClipByValue": plain(_clip),
    "LeakyRelu": plain(_leaky),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), plain(_batch_norm)),
}
