"""Operators that compare and choose: what they say must be known from the file.

Definitions: https://www.tensorflow.org/api_docs/python/tf/raw_ops.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..from_onnx.calls import Array, Call
from ..from_onnx.folding import bounded
from ..graph.masks import any_differs
from ..graph.tracing import Flow, Value
from .values import Count, Drawn, Handler, Special, one, onnx, plain


def _floor(call: Call) -> list[Value]:
    value = call.value(0)
    if not isinstance(value, Drawn):
        return [np.floor(call.constant(0))]
    if np.floor(value.low) != np.ceil(value.high) - 1:
        call.refuse("drops numbers at random, as in training; freeze the graph with dropout turned off")
    return [np.asarray(np.floor(value.low), np.float32)]


def _logical(function: Callable[..., Any]) -> Handler:
    def reduce(call: Call) -> list[Value]:
        axes, keep = tuple(int(a) for a in call.constant(1).ravel()), bool(call.attribute("keep_dims", False))
        x = call.value(0)
        along = isinstance(x, Flow) and function is np.any and axes in ((-1,), (x.ids.ndim - 1,))
        if isinstance(x, Flow) and along and (found := any_differs(call.tracer, x.ids)) is not None:
            return [Flow(found.ids[..., None], True) if keep else found]
        return [np.asarray(function(call.constant(0), axis=axes, keepdims=keep))]

    return plain(reduce)


def _compare(function: Callable[[Array, Array], Any]) -> Handler:
    """Comparisons: of constants, of a count with a constant where all iterations agree, and of numbers drawn at random likewise."""

    def compare(call: Call) -> list[Value]:
        call.attribute("incompatible_shape_error")
        if any(isinstance(value, Flow) and not isinstance(value, Special) for value in call.values):
            return [_flowing(call)]
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
            bounded(call, np.broadcast_shapes(*(side.shape for side in sides)))
            return [np.asarray(function(*sides))]
        found = function(*(side if own else side.reshape(-1)[:, None] for side, own in zip(sides, special, strict=True)))
        if all(special) or (found != found[:, :1]).any():
            call.refuse("compares the number of an iteration with one that divides the recording, which is not imported")
        return [found[:, 0].reshape(call.constant(special.index(False)).shape)]

    return plain(compare, Count, Drawn)


def _flowing(call: Call) -> Value:
    """A comparison of what flows."""
    op = call.node.op.replace("LessEqual", "LessOrEqual").replace("GreaterEqual", "GreaterOrEqual")
    found = one(call, "Equal" if op == "NotEqual" else op, call.value(0), call.value(1))
    return one(call, "Not", found) if op == "NotEqual" else found


def _select(call: Call) -> list[Value]:
    """Select and SelectV2: in the first, a vector chooses rows."""
    chooses, a, b = (call.value(index) for index in range(3))
    if isinstance(chooses, Flow):
        if call.node.op == "Select" and chooses.ids.ndim == 1 < len(a.shape):
            chooses = Flow(chooses.ids.reshape(-1, *[1] * (len(a.shape) - 1)), True)
        return onnx(call, "Where", chooses, a, b)
    condition = chooses.astype(bool)
    if condition.all() or not condition.any():
        chosen = a if condition.all() else b
        shape = np.broadcast_shapes(a.shape, b.shape)
        return [chosen if chosen.shape == shape else one(call, "Expand", chosen, np.array(shape, np.int64))]
    if call.node.op == "Select" and condition.ndim == 1:
        condition = condition.reshape(-1, *[1] * (len(a.shape) - 1))
    return onnx(call, "Where", condition, a, b)


def _onnx(op: str) -> Handler:
    """An operator that ONNX has too."""
    return plain(lambda call: onnx(call, op, *(call.value(index) for index in range(len(call.values)))))


def _random(call: Call) -> list[Value]:
    for name in ("seed", "seed2"):
        call.attribute(name)
    return [Drawn()]


_COMPARED = {
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Equal": np.equal,
    "NotEqual": np.not_equal,
}

#: By operator.
COMPARING: dict[str, Handler] = {
    **{op: _compare(function) for op, function in _COMPARED.items()},
    "Floor": plain(_floor, Drawn),
    "LogicalAnd": _onnx("And"),
    "LogicalOr": _onnx("Or"),
    "LogicalNot": _onnx("Not"),
    "All": _logical(np.all),
    "Any": _logical(np.any),
    "Select": plain(_select),
    "SelectV2": plain(_select),
    "RandomUniform": plain(_random),
}
