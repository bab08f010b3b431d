"""One number out of a vector, and the comparisons behind it: the order is the same on every CPU."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .formulas import I32, call, cut
from .vectors import I64, broadcast, join, split


def _reduction(combine):
    def halve(builder, part):
        while part.type.count > 1:
            part = combine(builder, *cut(builder, part, part.type.count // 2))
        return builder.extract_element(part, ir.Constant(I32, 0))

    @intrinsic
    def reduce(typingctx, vector):
        """All lanes combined by halves: the order is the same on every CPU."""

        def codegen(context, builder, signature, args):
            first, *rest = (halve(builder, part) for part in split(builder, args[0]))
            for value in rest:
                first = combine(builder, first, value)
            return first

        return types.float32(vector), codegen

    return reduce


def _larger(builder, one, other):
    return builder.select(builder.fcmp_ordered(">", one, other), one, other)


def _smaller(builder, one, other):
    return builder.select(builder.fcmp_ordered("<", one, other), one, other)


@intrinsic
def highest_of(typingctx, one, other):
    """The larger of each pair of lanes; where one is a NaN, the other."""

    def codegen(context, builder, signature, args):
        columns = zip(*(split(builder, arg) for arg in args), strict=True)
        return join(builder, [_larger(builder, a, b) for a, b in columns])

    return one(one, other), codegen


total = _reduction(lambda builder, one, other: builder.fadd(one, other))
highest = _reduction(_larger)
lowest = _reduction(_smaller)


@intrinsic
def count_within(typingctx, vector, limit):
    """How many lanes have a magnitude of at most `limit`; a NaN has none."""

    def codegen(context, builder, signature, args):
        count = ir.Constant(I64, 0)
        for part in split(builder, args[0]):
            lanes = part.type.count
            bound = broadcast(builder, args[1], lanes)
            magnitude = call(builder, f"llvm.fabs.v{lanes}f32", part.type, [part])
            mask = builder.bitcast(builder.fcmp_ordered("<=", magnitude, bound), ir.IntType(lanes))
            ones = call(builder, f"llvm.ctpop.i{lanes}", mask.type, [mask])
            count = builder.add(count, builder.zext(ones, I64))
        return count

    return types.int64(vector, types.float32), codegen
