"""ATen's functions of every number that ONNX spells out, as its nodes. Schemas as in `operators`."""

import math

from ..from_onnx.writer import Given, Ref, Writer
from .recurrent import Handler


def _unary(op: str) -> Handler:
    return lambda w, x: w.one(op, x)


def _log1p(w: Writer, x: Ref) -> Ref:
    return w.one("Log", w.one("Add", x, 1.0))


def _log_to(base: float) -> Handler:
    return lambda w, x: w.one("Mul", w.one("Log", x), 1 / math.log(base))


def _expm1(w: Writer, x: Ref) -> Ref:
    return w.one("Sub", w.one("Exp", x), 1.0)


def _rsqrt(w: Writer, x: Ref) -> Ref:
    return w.one("Div", 1.0, w.one("Sqrt", x))


def _softplus(w: Writer, x: Ref, beta: float = 1, threshold: float = 20) -> Ref:
    """Above its threshold torch gives x itself, which differs from the formula by at most exp(-20) / beta where the threshold is 20."""
    w.require(beta > 0 and threshold >= 20, f"is a softplus of beta {beta:g} and threshold {threshold:g}")
    return w.one("Softplus", x) if beta == 1 else w.one("Mul", w.one("Softplus", w.one("Mul", x, float(beta))), 1 / float(beta))


def _shrink(soft: bool) -> Handler:
    return lambda w, x, lambd=0.5: w.one("Shrink", x, lambd=float(lambd), bias=float(lambd) if soft else 0.0)


def _prelu(w: Writer, x: Ref, weight: Ref) -> Ref:
    """Of several slopes each is one of a channel, axis 1."""
    slopes = w.array(weight)
    return w.one("PRelu", x, weight if slopes.size == 1 else w.constant(slopes.reshape(-1, *[1] * max(0, x.rank - 2))))


def _added_product(op: str) -> Handler:
    """``addcmul`` and ``addcdiv``."""

    def write(w: Writer, x: Ref, tensor1: Given, tensor2: Given, value: float = 1) -> Ref:
        found = w.one(op, tensor1, tensor2)
        return w.one("Add", x, found if value == 1 else w.one("Mul", found, float(value)))

    return write


ELEMENTWISE: dict[str, Handler] = {
    "log": _unary("Log"),
    "log1p": _log1p,
    "log2": _log_to(2.0),
    "log10": _log_to(10.0),
    "expm1": _expm1,
    "rsqrt": _rsqrt,
    "reciprocal": _unary("Reciprocal"),
    "erf": _unary("Erf"),
    "softplus": _softplus,
    "softshrink": _shrink(True),
    "hardshrink": _shrink(False),
    "tanhshrink": lambda w, x: w.one("Sub", x, w.one("Tanh", x)),
    "prelu": _prelu,
    "_prelu_kernel": _prelu,
    "addcmul": _added_product("Mul"),
    "addcdiv": _added_product("Div"),
}
