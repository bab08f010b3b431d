"""Comparisons of what flows, which are 1 or 0, and what they choose between.

``a > b`` is ``min(max(2^60 (a - b), 0), 1)``, which is 1 or 0 for all numbers that float32 tells apart from 2^-60 up.

Definitions: https://onnx.ai/onnx/operators/.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ...layers.activations import spelled
from ..graph import scores
from ..graph.masks import differs
from ..graph.tracing import Flow, Value
from .calls import Call, floats
from .compared import LOWEST

#: Times this, the smallest difference that counts is 1.
STEEP = 2.0**60


def above(call: Call, a: Value, b: Value) -> Flow:
    """1 where ``a > b``, else 0."""
    if isinstance(a, Flow) and isinstance(b, Flow):
        difference = call.tracer.combine("add", a, call.tracer.scale(b, -1, 0))
        steep = call.tracer.scale(difference, STEEP, 0)
    elif isinstance(a, Flow):
        if not isinstance(b, Flow) and not np.any(b) and all(number in call.tracer.differing for number in a.ids.ravel().tolist()):
            return Flow(np.vectorize(call.tracer.differing.__getitem__, otypes=[np.int64])(a.ids), True)
        steep = call.tracer.scale(a, STEEP, -STEEP * _finite(call, b))
    else:
        assert isinstance(b, Flow)
        steep = call.tracer.scale(b, -STEEP, STEEP * _finite(call, a))
    return Flow(call.tracer.apply(spelled("clip", 0, 1), steep).ids, True)


def _finite(call: Call, value: Value) -> np.ndarray:
    """A constant that a product may have as a factor."""
    assert not isinstance(value, Flow)
    found = floats(value)
    if not (np.abs(found) < 1e18).all():
        call.refuse("compares with, or chooses, constants that are infinite or beyond 1e18, which is not imported")
    return found


def _within(call: Call, value: Value) -> Value:
    """A constant with `LOWEST` where it is far below all others, if nothing but comparisons will be made of what the node gives."""
    if isinstance(value, Flow) or not (low := floats(value) <= -1e18).any() or not call.runner.compares(call.node):
        return value
    return np.where(low, LOWEST, value)


def opposite(call: Call, x: Flow) -> Flow:
    """``1 - x``."""
    return Flow(call.tracer.scale(x, -1, 1).ids, True)


def product(call: Call, a: Value, b: Value) -> Flow:
    """The product of two arrays, of which one may be constant."""
    if isinstance(a, Flow) and isinstance(b, Flow):
        return call.tracer.combine("mul", a, b)
    flow, constant = (a, b) if isinstance(a, Flow) else (b, a)
    assert isinstance(flow, Flow)
    return call.tracer.scale(flow, _finite(call, constant), 0)


def chosen(call: Call, condition: Flow, a: Value, b: Value) -> Flow:
    """`a` where a condition is 1, `b` where it is 0."""
    for kept, put, where in ((b, a, opposite(call, condition)), (a, b, condition)):
        if not isinstance(put, Flow) and not put.any() and np.broadcast_shapes(where.shape, kept.shape, put.shape) == kept.shape:
            return product(call, where, kept) if isinstance(kept, Flow) else call.tracer.scale(where, _finite(call, kept), 0)
    first, second = product(call, condition, a), product(call, opposite(call, condition), b)
    return call.tracer.combine("add", first, second)


def _above(call: Call) -> list[Value]:
    return [above(call, call.value(0), call.value(1))]


def _below(call: Call) -> list[Value]:
    return [above(call, call.value(1), call.value(0))]


def _at_most(call: Call) -> list[Value]:
    return [opposite(call, above(call, call.value(0), call.value(1)))]


def _at_least(call: Call) -> list[Value]:
    return [opposite(call, above(call, call.value(1), call.value(0)))]


def _equal(call: Call) -> list[Value]:
    a, b = call.value(0), call.value(1)
    for x, other in ((a, b), (b, a)):
        single = not isinstance(other, Flow) and other.size == 1 and np.isfinite(floats(other)).all()
        if isinstance(x, Flow) and single and (mask := differs(call.tracer, x, float(np.asarray(other).item()))) is not None:
            return [opposite(call, mask)]
    larger, smaller = above(call, call.value(0), call.value(1)), above(call, call.value(1), call.value(0))
    return [opposite(call, call.tracer.combine("add", larger, smaller))]


def _not(call: Call) -> list[Value]:
    return [opposite(call, call.flow(0))]


def _and(call: Call) -> list[Value]:
    return [Flow(product(call, call.value(0), call.value(1)).ids, True)]


def _or(call: Call) -> list[Value]:
    """``not (not a and not b)``."""
    a, b = (opposite(call, v) if isinstance(v, Flow) else 1 - floats(v) for v in (call.value(0), call.value(1)))
    return [opposite(call, product(call, a, b))]


def _where(call: Call) -> list[Value]:
    condition = call.value(0)
    if isinstance(condition, Flow):
        return [chosen(call, condition, _within(call, call.value(1)), _within(call, call.value(2)))]
    condition = condition.astype(bool)
    for kept, put, where in ((1, 2, ~condition), (2, 1, condition)):
        flow, number = call.value(kept), call.value(put)
        if isinstance(flow, Flow) and not isinstance(number, Flow) and number.size == 1:
            masked = scores.adjusted(call.tracer, flow.ids, np.ones(()), np.where(where, floats(number).ravel()[0], 0.0))
            if masked is not None:
                return [Flow(masked)]
    a, b = (call.tracer.ids(call.value(index)) for index in (1, 2))
    return [Flow(np.where(condition, a, b))]


def _if(call: Call) -> list[Value]:
    """One branch where the condition is constant; else both, of which the condition chooses."""
    condition = call.value(0)
    branches = [call.attribute(name) for name in ("then_branch", "else_branch")]
    if not isinstance(condition, Flow):
        return call.runner.inside(branches[0 if condition.ravel()[0] else 1], {})
    found = zip(*(call.runner.inside(branch, {}) for branch in branches), strict=True)
    return [either(call, condition, a, b) for a, b in found]


def either(call: Call, condition: Value, a: Value, b: Value) -> Value:
    """What one of two branches gives, by a condition of one number."""
    if not isinstance(condition, Flow):
        return a if condition.ravel()[0] else b
    if not isinstance(a, Flow) and not isinstance(b, Flow) and np.array_equal(a, b):
        return a
    if condition.ids.size != 1 or a.shape != b.shape:
        call.refuse(f"chooses between arrays of shapes {a.shape} and {b.shape} by a condition of shape {condition.shape}")
    return chosen(call, Flow(condition.ids.reshape(()), True), a, b)


#: By operator.
CHOOSING: dict[str, Callable[[Call], Sequence[Value]]] = {
    "Greater": _above,
    "Less": _below,
    "LessOrEqual": _at_most,
    "GreaterOrEqual": _at_least,
    "Equal": _equal,
    "Not": _not,
    "And": _and,
    "Or": _or,
    "Where": _where,
    "If": _if,
}
