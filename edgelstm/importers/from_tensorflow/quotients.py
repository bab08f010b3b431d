"""Quotients by a root: what normalisations are made of, kept whole until an operator reads them that is no sum or product.

A layer normalisation is ``x * (rsqrt(v) * gamma) + (beta - mean * (rsqrt(v) * gamma))``; read as ``(x - mean) / sqrt(v) * gamma + beta``
its numerator and root stand where `graph.norms` looks for them.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from ..from_onnx.calls import Array, Call
from ..graph.tracing import Flow, Value
from .values import Unwritten, one

_ONE, _ZERO = np.ones(()), np.zeros(())


@dataclass(frozen=True, eq=False)
class Quotient(Unwritten):
    """``numerator / root * factor + offset``; without a numerator it is 1."""

    root: Value = field(default_factory=lambda: _ONE)
    numerator: Value | None = None
    factor: Array = field(default_factory=lambda: _ONE)
    offset: Array = field(default_factory=lambda: _ZERO)

    def written(self, call: Call) -> Value:
        """The value as an array."""
        found = one(call, "Div", _ONE if self.numerator is None else self.numerator, self.root)
        return one(call, "Add", one(call, "Mul", found, self.factor), self.offset)


def written(call: Call, index: int) -> Value:
    """An input as an array."""
    value = call.value(index)
    return value.written(call) if isinstance(value, Quotient) else value


def product(call: Call, a: Value, b: Value) -> Value | None:
    """The product of a quotient and a constant, or of the inverse of a root and what it divides; None for others."""
    for quotient, other in ((a, b), (b, a)):
        if not isinstance(quotient, Quotient) or isinstance(other, Quotient):
            continue
        if not isinstance(other, Flow):
            return replace(quotient, factor=quotient.factor * other, offset=quotient.offset * other)
        if quotient.numerator is None and not quotient.offset.any():
            return replace(quotient, numerator=other)
    return None


def total(call: Call, a: Value, b: Value, sign: int) -> Value | None:
    """``a + sign * b`` of a quotient and a constant, or of two by one root; None for others."""
    if isinstance(a, Quotient) and isinstance(b, Quotient):
        same = a.root is b.root and a.numerator is not None and b.numerator is not None
        factor, offset = sign * b.factor, a.offset + sign * b.offset
        for op, other in (("Add", factor), ("Sub", -factor)):
            if same and np.array_equal(a.factor, other):
                numerator = one(call, op, a.numerator, b.numerator)  # type: ignore[arg-type]
                return replace(a, numerator=numerator, offset=offset)
        return None
    for quotient, constant, own, its in ((a, b, 1, sign), (b, a, sign, 1)):
        if isinstance(quotient, Quotient) and not isinstance(constant, Flow):
            return replace(quotient, factor=own * quotient.factor, offset=own * quotient.offset + its * constant)
    return None
