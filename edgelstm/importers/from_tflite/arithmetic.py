"""Operators that compute, number by number or by a constant matrix, as nodes of ONNX. Options by their number in ``schema.fbs``."""

from typing import Any

import numpy as np

from ...layers.norms import UnitNormalization
from ..from_onnx.calls import Call
from ..from_onnx.writer import Ref
from ..graph.masks import any_differs
from ..graph.tracing import Flow, Value
from .file import Operator
from .moving import DOMAIN
from .quotients import product, root, total
from .scope import Handler, Scope


def _dense(s: Scope, operator: Operator) -> Ref:
    x, weight = s.ref(operator, 0), s.array(operator, 1)
    if operator.options.number(1, "b"):
        s.refuse("its weights are stored shuffled; convert the model again")
    if weight.ndim != 2:
        s.refuse(f"its weights have shape {weight.shape}")
    rank = len(operator.outputs[0].shape)
    if x.rank != rank or operator.operand(0).shape[-1:] != weight.shape[1:]:
        x = s.writer.one("Reshape", x, s.writer.ints([-1, weight.shape[1]]), rank=2)
    out = s.writer.one("MatMul", x, s.writer.constant(np.ascontiguousarray(weight.T)), rank=x.rank)
    out = s.writer.one("Add", out, s.writer.constant(s.array(operator, 2))) if s.has(operator, 2) else out
    return s.fused(out, operator.options.number(0, "b"))


def _batch_matmul(s: Scope, operator: Operator) -> Ref:
    parts = []
    for index in (0, 1):
        x = s.ref(operator, index)
        if operator.options.number(index, "B"):
            order = [*range(x.rank - 2), x.rank - 1, x.rank - 2]
            x = s.writer.one("Transpose", x, perm=order)
        parts.append(x)
    return s.writer.one("MatMul", *parts)


def _sum(sign: int) -> Handler:
    def write(s: Scope, operator: Operator) -> Ref:
        out = total(s, s.given(operator.operand(0)), s.given(operator.operand(1)), sign)
        return s.fused(out, operator.options.number(0, "b"))

    return write


def _mul(s: Scope, operator: Operator) -> Ref:
    out = _unit(s, operator)
    if out is None:
        out = product(s, s.given(operator.operand(0)), s.given(operator.operand(1)))
    return s.fused(out, operator.options.number(0, "b"))


def _unit(s: Scope, operator: Operator) -> Ref | None:
    """``x * min(rsqrt(sum(x^2)), most)`` or ``x * rsqrt(max(sum(x^2), least))`` along the last axis: a vector of length one."""
    for x, factor in (operator.inputs[:2], operator.inputs[1::-1]):
        bound, maker = None, s.maker(factor)
        if maker is not None and maker.kind == "MINIMUM":
            most = s.known(maker.operand(1))
            bound = None if most is None or most.size != 1 else float(most.item()) ** -2
            maker = s.maker(maker.operand(0))
        if x is None or maker is None or maker.kind != "RSQRT":
            continue
        inner = s.maker(maker.operand(0))
        if bound is None and inner is not None and inner.kind == "MAXIMUM":
            least = s.known(inner.operand(1))
            bound = None if least is None or least.size != 1 else float(least.item())
            inner = s.maker(inner.operand(0))
        squares = s.maker(inner.operand(0)) if inner is not None and inner.kind == "SUM" else None
        if bound is None or inner is None or squares is None or any(n is not x for n in squares.inputs):
            continue
        last = [s.axis(a, len(x.shape)) for a in s.ints(inner, 1)] == [len(x.shape) - 1]
        if squares.kind in ("SQUARE", "MUL") and last and inner.options.number(0, "B"):
            return s.writer.native("UNIT_NORMALIZATION", DOMAIN, [s.written(s.given(x))], len(x.shape), epsilon=bound)
    return None


def unit_normalization(call: Call) -> list[Value]:
    """A vector of length one along the last axis."""
    x, epsilon = call.flow(0), call.attribute("epsilon")
    return [call.tracer.rows(x, lambda: UnitNormalization(epsilon), x.shape[-1])]


def _l2(s: Scope, operator: Operator) -> Ref:
    x = s.ref(operator, 0)
    return s.fused(s.writer.native("UNIT_NORMALIZATION", DOMAIN, [x], x.rank, epsilon=1e-12), operator.options.number(0, "b"))


def _div(s: Scope, operator: Operator) -> Ref:
    return s.fused(s.writer.one("Div", s.ref(operator, 0), s.ref(operator, 1)), operator.options.number(0, "b"))


def _floor_div(s: Scope, operator: Operator) -> Ref:
    return s.writer.one("Floor", s.writer.one("Div", s.ref(operator, 0), s.ref(operator, 1)))


def _difference_squared(s: Scope, operator: Operator) -> Ref:
    difference = s.writer.one("Sub", s.ref(operator, 0), s.ref(operator, 1))
    return s.writer.one("Mul", difference, difference)


def _square(s: Scope, operator: Operator) -> Ref:
    return s.writer.one("Mul", s.ref(operator, 0), s.ref(operator, 0))


def _not_equal(s: Scope, operator: Operator) -> Ref:
    return s.writer.one("Not", s.writer.one("Equal", s.ref(operator, 0), s.ref(operator, 1)))


def _any(s: Scope, operator: Operator) -> Ref:
    """REDUCE_ANY along the last axis."""
    x, keep = s.ref(operator, 0), bool(operator.options.number(0, "B"))
    if [s.axis(a, x.rank) for a in s.ints(operator, 1)] != [x.rank - 1]:
        s.refuse("it goes along other axes than the last, which is not imported")
    return s.writer.native("ANY", DOMAIN, [x], x.rank if keep else x.rank - 1, keep=keep)


def any_of(call: Call) -> list[Value]:
    """Whether any comparison along the last axis holds."""
    x, keep = call.value(0), call.attribute("keep")
    if not isinstance(x, Flow):
        return [np.any(x, axis=-1, keepdims=keep)]
    found = any_differs(call.tracer, x.ids)
    if found is None:
        call.refuse("is imported of comparisons of samples with the value that padding has")
    return [Flow(found.ids[..., None], True) if keep else found]


def _add_n(s: Scope, operator: Operator) -> Ref:
    out = s.ref(operator, 0)
    for index in range(1, len(operator.inputs)):
        out = s.writer.one("Add", out, s.ref(operator, index))
    return out


def _reduce(op: str) -> Handler:
    def write(s: Scope, operator: Operator) -> Ref:
        x, keep = s.ref(operator, 0), int(operator.options.number(0, "B"))
        axes = [s.axis(a, x.rank) for a in s.ints(operator, 1)]
        return s.writer.one(op, x, s.writer.ints(axes), rank=x.rank - (0 if keep else len(set(axes))), keepdims=keep)

    return write


def _place(op: str) -> Handler:
    """ARG_MAX and ARG_MIN, whose axis goes."""

    def write(s: Scope, operator: Operator) -> Ref:
        x = s.ref(operator, 0)
        return s.writer.one(op, x, rank=x.rank - 1, axis=s.axis(s.ints(operator, 1)[0], x.rank), keepdims=0)

    return write


def _cumulated(s: Scope, operator: Operator) -> Ref:
    how = {name: int(operator.options.number(field, "B")) for field, name in enumerate(("exclusive", "reverse"))}
    return s.writer.one("CumSum", s.ref(operator, 0), s.ref(operator, 1), rank=s.ref(operator, 0).rank, **how)


def _bound(low: bool) -> Handler:
    """MAXIMUM or MINIMUM. Both, with constants, are one function."""
    kind, other = ("MAXIMUM", "MINIMUM") if low else ("MINIMUM", "MAXIMUM")

    def write(s: Scope, operator: Operator) -> Ref:
        inner, bound = s.maker(operator.inputs[0]), s.known(operator.operand(1))
        ends = {kind: bound}
        if inner is not None and inner.kind in (other, "RELU"):
            ends[other] = np.zeros(()) if inner.kind == "RELU" else s.known(inner.operand(1))
        if inner is None or len(ends) < 2 or any(end is None or end.size != 1 for end in ends.values()) or (low and inner.kind == "RELU"):
            return s.writer.one("Max" if low else "Min", s.ref(operator, 0), s.ref(operator, 1))
        least, most = (float(end.item()) for end in (ends["MAXIMUM"], ends["MINIMUM"]) if end is not None)
        return s.writer.one("Clip", s.ref(inner, 0), min=least, max=most)

    return write


def _select(s: Scope, operator: Operator) -> Ref:
    """SELECT. What counts negative indices from a table's end gives the index: edgelstm's tables refuse negative ones."""
    condition, x = s.maker(operator.inputs[0]), operator.operand(2)
    if condition is not None and condition.kind == "LESS" and condition.operand(0) is x and x.type in ("int32", "int64"):
        shifted, zero = s.maker(operator.inputs[1]), s.known(condition.operand(1))
        if zero is not None and not zero.any() and shifted is not None and shifted.kind == "ADD" and x in shifted.inputs:
            return s.ref(operator, 2)
    return s.writer.one("Where", *(s.ref(operator, index) for index in range(3)))


def _relu(s: Scope, operator: Operator) -> Ref:
    """RELU. With a bound from above before it, both are one function."""
    inner = s.maker(operator.inputs[0])
    most = s.known(inner.operand(1)) if inner is not None and inner.kind == "MINIMUM" else None
    if inner is None or most is None or most.size != 1 or most.item() < 0:
        return s.writer.one("Relu", s.ref(operator, 0))
    return s.writer.one("Clip", s.ref(inner, 0), min=0.0, max=float(most.item()))


def _softmax(s: Scope, operator: Operator) -> Ref:
    x, beta = s.ref(operator, 0), operator.options.number(0, "f")
    if beta != 1:
        x = s.writer.one("Mul", x, float(beta))
    return s.writer.one("Softmax", x, axis=-1)


def _gelu(s: Scope, operator: Operator) -> Ref:
    return s.writer.one("Gelu", s.ref(operator, 0), approximate="tanh" if operator.options.number(0, "B") else "none")


def _leaky(s: Scope, operator: Operator) -> Ref:
    return s.writer.one("LeakyRelu", s.ref(operator, 0), alpha=float(operator.options.number(0, "f")))


def _plain(op: str, **attributes: Any) -> Handler:
    """An operator of the same meaning, without options."""

    def write(s: Scope, operator: Operator) -> Ref:
        return s.writer.one(op, *(s.ref(operator, index) for index in range(len(operator.inputs))), **attributes)

    return write


_PLAIN: dict[str, Handler] = {
    kind: _plain(op)
    for kind, op in {
        "LOGISTIC": "Sigmoid",
        "TANH": "Tanh",
        "ELU": "Elu",
        "HARD_SWISH": "HardSwish",
        "EXP": "Exp",
        "SQRT": "Sqrt",
        "ABS": "Abs",
        "NEG": "Neg",
        "PRELU": "PRelu",
        "LOG_SOFTMAX": "LogSoftmax",
        "POW": "Pow",
        "LESS": "Less",
        "LESS_EQUAL": "LessOrEqual",
        "GREATER": "Greater",
        "GREATER_EQUAL": "GreaterOrEqual",
        "EQUAL": "Equal",
        "LOG": "Log",
        "LOGICAL_AND": "And",
        "LOGICAL_OR": "Or",
        "LOGICAL_NOT": "Not",
        "RANGE": "Range",
        "FLOOR": "Floor",
        "CEIL": "Ceil",
        "ROUND": "Round",
        "SIGN": "Sign",
        "FLOOR_MOD": "Mod",
    }.items()
}

#: By operator.
ARITHMETIC: dict[str, Handler] = {
    **_PLAIN,
    "SELECT": _select,
    "SELECT_V2": _select,
    "RELU": _relu,
    "RELU6": _plain("Clip", min=0.0, max=6.0),
    "RELU_N1_TO_1": _plain("Clip", min=-1.0, max=1.0),
    "RELU_0_TO_1": _plain("Clip", min=0.0, max=1.0),
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _batch_matmul,
    "ADD": _sum(1),
    "SUB": _sum(-1),
    "MUL": _mul,
    "DIV": _div,
    "FLOOR_DIV": _floor_div,
    "REDUCE_ANY": _any,
    "ARG_MAX": _place("ArgMax"),
    "ARG_MIN": _place("ArgMin"),
    "CUMSUM": _cumulated,
    "MAXIMUM": _bound(True),
    "MINIMUM": _bound(False),
    "RSQRT": root,
    "SQUARE": _square,
    "SQUARED_DIFFERENCE": _difference_squared,
    "ADD_N": _add_n,
    "NOT_EQUAL": _not_equal,
    "L2_NORMALIZATION": _l2,
    "MEAN": _reduce("ReduceMean"),
    "SUM": _reduce("ReduceSum"),
    "REDUCE_MAX": _reduce("ReduceMax"),
    "REDUCE_MIN": _reduce("ReduceMin"),
    "REDUCE_PROD": _reduce("ReduceProd"),
    "SOFTMAX": _softmax,
    "GELU": _gelu,
    "LEAKY_RELU": _leaky,
}
