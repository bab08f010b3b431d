"""Quotients by a root: what TensorFlow Lite's normalisations are made of, kept whole until another operator reads them.

A layer normalisation is ``x * (rsqrt(v) * gamma) + (beta - mean * (rsqrt(v) * gamma))``; written as ``(x - mean) / sqrt(v) * gamma
+ beta`` its numerator and root stand where ONNX's graphs have them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..from_onnx.writer import Ref
from .file import Operator
from .scope import Quotient, Scope

_ONE, _ZERO = np.ones((), np.float32), np.zeros((), np.float32)


def _kept(s: Scope, quotient: Quotient, rank: int) -> Ref:
    """A value that stands for a quotient."""
    ref = Ref(f"quotient:{len(s.quotients)}", rank)
    s.quotients[ref.name] = quotient
    return ref


def root(s: Scope, operator: Operator) -> Ref:
    """RSQRT."""
    under = s.ref(operator, 0)
    return _kept(s, Quotient(None, s.writer.one("Sqrt", under), _ONE, _ZERO), under.rank)


def product(s: Scope, a: Ref, b: Ref) -> Ref:
    """The product of two values, of which one may be a quotient."""
    for one, other in ((a, b), (b, a)):
        quotient = s.quotients.get(one.name)
        if quotient is None or other.name in s.quotients:
            continue
        constant, rank = s.writer.constants.get(other.name), max(a.rank, b.rank)
        if constant is not None:
            scaled = Quotient(quotient.numerator, quotient.root, quotient.factor * constant, quotient.offset * constant)
            return _kept(s, scaled, rank)
        if quotient.numerator is None and not quotient.offset.any():
            return _kept(s, Quotient(other, quotient.root, quotient.factor, _ZERO), rank)
    return s.writer.one("Mul", s.written(a), s.written(b))


def total(s: Scope, a: Ref, b: Ref, sign: int) -> Ref:
    """``a + sign * b``, of which both may be quotients by one root."""
    first, second = (s.quotients.get(ref.name) for ref in (a, b))
    rank = max(a.rank, b.rank)
    if first is not None and second is not None and first.root == second.root and first.numerator and second.numerator:
        joined = _joined(s, first, second, sign)
        if joined is not None:
            return _kept(s, joined, rank)
    for quotient, other, signs in ((first, b, (1, sign)), (second, a, (sign, 1))):
        constant = s.writer.constants.get(other.name)
        if quotient is not None and quotient.numerator is not None and constant is not None:
            offset = signs[0] * quotient.offset + signs[1] * constant
            return _kept(s, Quotient(quotient.numerator, quotient.root, signs[0] * quotient.factor, offset), rank)
    return s.writer.one("Add" if sign == 1 else "Sub", s.written(a), s.written(b))


def _joined(s: Scope, first: Quotient, second: Quotient, sign: int) -> Quotient | None:
    """The sum of two quotients whose factors differ in sign at most."""
    factor: NDArray[Any] = sign * second.factor
    offset = first.offset + sign * second.offset
    for op, other in (("Add", factor), ("Sub", -factor)):
        if first.factor.shape == other.shape and np.array_equal(first.factor, other):
            return Quotient(s.writer.one(op, first.numerator, second.numerator), first.root, first.factor, offset)
    return None
