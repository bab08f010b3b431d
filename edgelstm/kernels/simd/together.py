"""Multiply-adds of one vector with several numbers at once: one load of a weight serves them all."""

from numba.core import types
from numba.extending import intrinsic

from .formulas import Value
from .vectors import broadcast, join, split


@intrinsic
def fma_each(typingctx, weights, pointer, index, stride, sums):
    """Row p of sums + weights * pointer[index + p * stride], for all rows of `sums`.

    weights: a vector of one row; sums: one of as many lanes and any number of rows.
    """

    def codegen(context, builder, signature, args):
        parts, summed = split(builder, args[0]), split(builder, args[4])
        result, at = [], args[2]
        for row in range(0, len(summed), len(parts)):
            number = builder.load(builder.gep(args[1], [at]), align=4)
            for part, summand in zip(parts, summed[row : row + len(parts)], strict=True):
                factor = Value(builder, broadcast(builder, number, part.type.count))
                result.append(Value(builder, part).fma(factor, Value(builder, summand)).value)
            at = builder.add(at, args[3])
        return join(builder, result)

    return sums(weights, pointer, types.int64, types.int64, sums), codegen


@intrinsic
def in_each_row(typingctx, tag, vector):
    """A vector of one row in every row of another, whose width `tag` gives."""

    def codegen(context, builder, signature, args):
        return join(builder, split(builder, args[1]) * tag.vec.rows)

    return tag.vec(tag, vector), codegen
