"""Vectors of four streams side by side, so that small layers fill registers."""

from numba.extending import intrinsic

from .formulas import indices, joined, picked
from .vectors import Vec, join, split


def _across(number):
    @intrinsic
    def across(typingctx, lanes, a, b, c, d):
        """Part `number` of four vectors, `lanes` values of each, side by side. The vectors' lanes and `lanes` are powers of two."""
        width = lanes.vec.lanes
        wanted = range(number * width, (number + 1) * width)

        def codegen(context, builder, signature, args):
            (parts,) = zip(*(split(builder, arg) for arg in args[1:]), strict=True)
            return join(builder, [joined(builder, [picked(builder, part, wanted) for part in parts])])

        return Vec(4 * width)(lanes, a, b, c, d), codegen

    return across


across0, across1, across2, across3 = (_across(number) for number in range(4))


def _quarter(number):
    @intrinsic
    def quarter(typingctx, vector):
        """A quarter of a vector whose lanes are a power of two."""
        width = vector.lanes // 4

        def codegen(context, builder, signature, args):
            (part,) = split(builder, args[0])
            return join(builder, [builder.shuffle_vector(part, part, indices(range(number * width, (number + 1) * width)))])

        return Vec(width)(vector), codegen

    return quarter


quarter0, quarter1, quarter2, quarter3 = (_quarter(number) for number in range(4))
