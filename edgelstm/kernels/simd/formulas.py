"""Formulas written once: arithmetic on LLVM vectors under construction, with Python's operators."""

from llvmlite import ir
from numba.core import cgutils

F32 = ir.FloatType()
I32 = ir.IntType(32)


#: 1.5 * 2**23: added to a float32 within +-2**22 it leaves the nearest whole number, ties to even, in the low bits. No CPU needs a
#: function for that.
ROUNDER = 12582912.0

#: The bits of ROUNDER itself.
ROUNDER_BITS = 0x4B400000


def call(builder, name, result, args):
    """Call an LLVM intrinsic or a function that the linked module defines."""
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, [a.type for a in args]), name)
    return builder.call(function, args)


def constant(kind, value):
    """A float32 constant in every lane."""
    return ir.Constant(kind, [ir.Constant(F32, float(value))] * kind.count)


def indices(values):
    """The constant mask of a shuffle."""
    return ir.Constant(ir.VectorType(I32, len(values)), [ir.Constant(I32, v) for v in values])


def picked(builder, vector, lanes):
    """The vector of these lanes of another one."""
    return builder.shuffle_vector(vector, vector, indices(lanes))


def cut(builder, vector, most):
    """A vector as vectors of at most so many lanes; all counts are powers of two."""
    count = vector.type.count
    if count <= most:
        return [vector]
    return [picked(builder, vector, range(start, start + most)) for start in range(0, count, most)]


def joined(builder, parts):
    """What `cut` has cut."""
    while len(parts) > 1:
        count = 2 * parts[0].type.count
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [builder.shuffle_vector(low, high, indices(range(count))) for low, high in pairs]
    return parts[0]


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

    def in_lanes(self, numbers):
        """Constants as values, four in a register whose contents the optimiser does not know: AArch64 multiplies by element."""
        return [self._wrap(lane) for at in range(0, len(numbers), 4) for lane in self._quad_of(numbers[at : at + 4])]

    def _quad_of(self, numbers):
        """Up to four constants of `in_lanes`."""
        quad = ir.VectorType(F32, 4)
        known = ir.Constant(quad, [ir.Constant(F32, number) for number in (*numbers, *[0.0] * (4 - len(numbers)))])
        first = picked(self.builder, self.value, range(4))
        register = self.builder.asm(ir.FunctionType(quad, [quad, quad]), "", "=w,0,w", [known, first], False)
        register.attributes.add("readnone")
        lanes = self.value.type.count
        return [picked(self.builder, register, [lane] * lanes) for lane in range(len(numbers))]

    def by_estimate(self, divisor):
        """self / divisor but for the last bits: two of Newton's steps from the estimate of 1 / divisor that AArch64 has."""
        quads = zip(*(cut(self.builder, v.value, 4) for v in (self, divisor)), strict=True)
        return self._wrap(joined(self.builder, [self._quad_over(*pair) for pair in quads]))

    def _quad_over(self, numerator, d):
        """Four lanes of `by_estimate`."""
        r = call(self.builder, "llvm.aarch64.neon.frecpe.v4f32", d.type, [d])
        r = self.builder.fmul(r, call(self.builder, "llvm.aarch64.neon.frecps.v4f32", d.type, [d, r]))
        last = call(self.builder, "llvm.aarch64.neon.frecps.v4f32", d.type, [d, r])
        return self.builder.fmul(self.builder.fmul(numerator, r), last)

    def fma(self, factor, summand):
        """self * factor + summand, rounded once."""
        kind = self.value.type
        return self._wrap(call(self.builder, f"llvm.fma.v{kind.count}f32", kind, [self.value, self._lift(factor), self._lift(summand)]))

    def rounded(self):
        """The nearest whole number, ties to even, of a magnitude below 2**22; beyond, a number as large. No CPU needs a library for it."""
        return self + ROUNDER - ROUNDER

    def magnitude(self):
        """|self|."""
        kind = self.value.type
        return self._wrap(call(self.builder, f"llvm.fabs.v{kind.count}f32", kind, [self.value]))

    def inverse_root_estimate(self):
        """1 / sqrt(self) within 4 %, of a positive number: half its exponent, negative (Lomont 2003)."""
        kind = ir.VectorType(I32, self.value.type.count)
        half = self.builder.lshr(self.builder.bitcast(self.value, kind), ir.Constant(kind, [1] * kind.count))
        bits = self.builder.sub(ir.Constant(kind, [0x5F3759DF] * kind.count), half)
        return self._wrap(self.builder.bitcast(bits, self.value.type))

    def times_two_to(self, exponent):
        """self * 2**exponent, for whole exponents from -126 to 127."""
        kind = ir.VectorType(I32, self.value.type.count)
        whole = self.builder.bitcast((exponent + ROUNDER).value, kind)  # in its low bits; the others leave in the shift
        bits = self.builder.shl(self.builder.add(whole, ir.Constant(kind, [127] * kind.count)), ir.Constant(kind, [23] * kind.count))
        return self._wrap(self.builder.fmul(self.value, self.builder.bitcast(bits, self.value.type)))

    def exponent(self):
        """The largest whole n with 2**n <= self, for normal numbers above zero."""
        kind = ir.VectorType(I32, self.value.type.count)
        bits = self.builder.lshr(self.builder.bitcast(self.value, kind), ir.Constant(kind, [23] * kind.count))
        return self._wrap(self.builder.sitofp(self.builder.sub(bits, ir.Constant(kind, [127] * kind.count)), self.value.type))

    def inverse_root(self):
        """1 / sqrt(self) for numbers from 1e-36 up, to 3e-7 of it: four of Newton's steps, for which no CPU needs a library."""
        kind = ir.VectorType(I32, self.value.type.count)
        halved = self.builder.lshr(self.builder.bitcast(self.value, kind), ir.Constant(kind, [1] * kind.count))
        guess = self.builder.sub(ir.Constant(kind, [0x5F3759DF] * kind.count), halved)
        root = self._wrap(self.builder.bitcast(guess, self.value.type))
        half = self * -0.5
        for _ in range(4):
            root = root * (half * root).fma(root, 1.5)
        return root

    def above(self, bound):
        """Where a lane is below `bound`, `bound`; a NaN stays."""
        limit = self._lift(bound)
        return self._wrap(self.builder.select(self.builder.fcmp_ordered("<", self.value, limit), limit, self.value))

    def below(self, bound):
        """Where a lane is above `bound`, `bound`; a NaN stays."""
        limit = self._lift(bound)
        return self._wrap(self.builder.select(self.builder.fcmp_ordered(">", self.value, limit), limit, self.value))

    def where_above(self, bound, other):
        """self where `other` is above `bound`, else 0; where `other` is NaN, self."""
        least, nothing = self._lift(bound), self._lift(0.0)
        return self._wrap(self.builder.select(self.builder.fcmp_ordered("<=", other.value, least), nothing, self.value))

    def unless_above(self, bound, other, number):
        """`number` where `other` is above `bound`, else self; where `other` is NaN, self."""
        condition = self.builder.fcmp_ordered(">", other.value, self._lift(bound))
        return self._wrap(self.builder.select(condition, self._lift(number), self.value))

    def within(self, most):
        """The value, where it is beyond +-most that bound; and the square of this, in which alone a NaN must stay one.

        `bounds` has the function behind it, in the form that suits the CPU.
        """
        kind = self.value.type
        pair = ir.LiteralStructType([kind, kind])
        both = call(self.builder, f"edgelstm_within.v{kind.count}f32", pair, [self.value, self._lift(most)])
        return tuple(self._wrap(self.builder.extract_value(both, index)) for index in range(2))
