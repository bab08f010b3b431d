"""Numbers in half precision (IEEE 754 binary16), two in the place of a float32: loaded as float32, which holds each of them exactly.

`bounds.defined` says how a CPU converts them.
"""

from llvmlite import ir
from numba.extending import intrinsic

from .formulas import F32, call
from .vectors import join

_I16 = ir.IntType(16)


@intrinsic
def load_halves(typingctx, lanes, pointer, index):
    """Consecutive numbers in half precision, the first of them in the lower half of `pointer[index]`; any alignment of floats."""

    def codegen(context, builder, signature, args):
        first = builder.bitcast(builder.gep(args[1], [args[2]]), _I16.as_pointer())
        parts, at = [], 0
        for n in lanes.vec.pieces:
            place = builder.bitcast(builder.gep(first, [ir.Constant(args[2].type, at)]), ir.VectorType(_I16, n).as_pointer())
            halves = builder.load(place, align=2)
            parts.append(call(builder, f"edgelstm_halves.v{n}f32", ir.VectorType(F32, n), [halves]))
            at += n
        return join(builder, parts)

    return lanes.vec(lanes, pointer, index), codegen
