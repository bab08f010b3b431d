"""Formulas written once: arithmetic on LLVM vectors under construction, with Python's operators."""

from llvmlite import ir
from numba.core import cgutils

F32 = ir.FloatType()
I32 = ir.IntType(32)


#: 1.5 * 2**23: float32 numbers of this size are whole.
ROUNDER = 12582912.0


def call(builder, name, result, args):
    """Call an LLVM intrinsic or a function that the linked module defines."""
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, [a.type for a in args]), name)
    return builder.call(function, args)


def constant(kind, value):
    """A float32 constant in every lane."""
    return ir.Constant(kind, [ir.Constant(F32, float(value))] * kind.count)


class Value:
    """An LLVM vector under construction, with Python's operators, so that a formula is written once and reads as one."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def _lift(self, other):
        return other.value if isinstance(other, Value) else constant(self.value.type, other)

    def _wrap(self, value):
        return Value(self.builder, value)

    def __add__(self, other):
        return self._wrap(self.builder.fadd(self.value, self._lift(other)))

    def __sub__(self, other):
        return self._wrap(self.builder.fsub(self.value, self._lift(other)))

    def __mul__(self, other):
        return self._wrap(self.builder.fmul(self.value, self._lift(other)))

    def __truediv__(self, other):
        return self._wrap(self.builder.fdiv(self.value, self._lift(other)))

    def fma(self, factor, summand):
        """Self * factor + summand, rounded once."""
        kind = self.value.type
        return self._wrap(call(self.builder, f"llvm.fma.v{kind.count}f32", kind, [self.value, self._lift(factor), self._lift(summand)]))

    def rounded(self):
        """The nearest whole number, ties to even, of a magnitude below 2**22; beyond, a number as large. No CPU needs a library for it."""
        return self + ROUNDER - ROUNDER

    def magnitude(self):
        """|self|."""
        kind = self.value.type
        return self._wrap(call(self.builder, f"llvm.fabs.v{kind.count}f32", kind, [self.value]))

    def times_two_to(self, exponent):
        """Self * 2**exponent, for whole exponents from -126 to 127."""
        kind = ir.VectorType(I32, self.value.type.count)
        whole = self.builder.fptosi(exponent.value, kind)
        bits = self.builder.shl(self.builder.add(whole, ir.Constant(kind, [127] * kind.count)), ir.Constant(kind, [23] * kind.count))
        return self._wrap(self.builder.fmul(self.value, self.builder.bitcast(bits, self.value.type)))

    def above(self, bound):
        """Where a lane is below `bound`, `bound`; a NaN stays."""
        limit = self._lift(bound)
        return self._wrap(self.builder.select(self.builder.fcmp_ordered("<", self.value, limit), limit, self.value))

    def below(self, bound):
        """Where a lane is above `bound`, `bound`; a NaN stays."""
        limit = self._lift(bound)
        return self._wrap(self.builder.select(self.builder.fcmp_ordered(">", self.value, limit), limit, self.value))
