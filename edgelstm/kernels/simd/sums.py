"""Int32 sums in registers, the integer sibling of `vectors.Vec`, and bytes in memory."""

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import register_default
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic

from .formulas import F32, I32
from .vectors import I64, Vec, broadcast, join, pieces, split

I8 = ir.IntType(8)


class Sums(types.Type):
    """Numba type of `rows` times `lanes` int32 sums in registers: the integer sibling of `vectors.Vec`."""

    def __init__(self, lanes, rows=1):
        self.lanes, self.rows = lanes, rows
        super().__init__(f"Sums(int32 x {rows} x {lanes})")


@register_default(Sums)
class _SumsModel(PrimitiveModel):
    def __init__(self, dmm, fe_type):
        vectors = [ir.VectorType(I32, n) for n in pieces(fe_type.lanes) * fe_type.rows]
        super().__init__(dmm, fe_type, ir.LiteralStructType(vectors))


def bytes_at(builder, pointer, index):
    """The address of byte `index` of a float pointer's memory."""
    base = builder.bitcast(pointer, I8.as_pointer())
    return builder.gep(base, [index])


def load_bytes(builder, place, offset, kind):
    """An LLVM vector of bytes, `offset` of them behind `place`."""
    at = builder.gep(place, [ir.Constant(I64, offset)])
    return builder.load(builder.bitcast(at, kind.as_pointer()), align=1)


@intrinsic
def no_sums(typingctx, lanes):
    """Sums of nothing."""
    result = Sums(lanes.vec.lanes, lanes.vec.rows)

    def codegen(context, builder, signature, args):
        return join(builder, [ir.Constant(ir.VectorType(I32, n), [0] * n) for n in lanes.vec.pieces])

    return result(lanes), codegen


@intrinsic
def nothing(typingctx, sums):
    """Sums of nothing, as many as `sums` are."""

    def codegen(context, builder, signature, args):
        return join(builder, [ir.Constant(part.type, [0] * part.type.count) for part in split(builder, args[0])])

    return sums(sums), codegen


def _kept_in_memory(operate):
    """Sums lie in memory, of floats, as int32."""

    def apply(builder, pointer, index, pieces):
        at = 0
        for piece in pieces:
            kind = ir.VectorType(I32, piece if isinstance(piece, int) else piece.type.count)
            place = builder.gep(pointer, [builder.add(index, ir.Constant(index.type, at))])
            operate(builder, builder.bitcast(place, kind.as_pointer()), piece)
            at += kind.count

    return apply


@intrinsic
def load_sums(typingctx, lanes, pointer, index):
    """Sums that `store_sums` wrote to `pointer[index]` and following."""
    result = Sums(lanes.vec.lanes, lanes.vec.rows)

    def codegen(context, builder, signature, args):
        parts = []
        each = _kept_in_memory(lambda builder, place, piece: parts.append(builder.load(place, align=4)))
        each(builder, args[1], args[2], lanes.vec.pieces)
        return join(builder, parts)

    return result(lanes, pointer, index), codegen


@intrinsic
def store_sums(typingctx, pointer, index, sums):
    """Sums to `pointer[index]` and following, of floats."""

    def codegen(context, builder, signature, args):
        each = _kept_in_memory(lambda builder, place, piece: builder.store(piece, place, align=4))
        each(builder, args[0], args[1], split(builder, args[2]))
        return context.get_dummy_value()

    return types.void(pointer, index, sums), codegen


@intrinsic
def shifted(typingctx, sums, bits):
    """Each of the sums times 2**bits."""

    def codegen(context, builder, signature, args):
        number = context.cast(builder, args[1], signature.args[1], types.int32)
        return join(builder, [builder.shl(part, broadcast(builder, number, part.type.count)) for part in split(builder, args[0])])

    return sums(sums, bits), codegen


@intrinsic
def added(typingctx, one, other):
    """Sums of two sets of products."""

    def codegen(context, builder, signature, args):
        return join(builder, [builder.add(a, b) for a, b in zip(*(split(builder, arg) for arg in args), strict=True)])

    return one(one, other), codegen


@intrinsic
def as_floats(typingctx, sums):
    """Each sum, rounded to float32."""

    def codegen(context, builder, signature, args):
        return join(builder, [builder.sitofp(part, ir.VectorType(F32, part.type.count)) for part in split(builder, args[0])])

    return Vec(sums.lanes, sums.rows)(sums), codegen


@intrinsic
def load_scaled_bytes(typingctx, lanes, pointer, index):
    """Consecutive int8 from byte `index` of `pointer`, as float32."""

    def codegen(context, builder, signature, args):
        place, parts, at = bytes_at(builder, args[1], args[2]), [], 0
        for n in lanes.vec.pieces:
            value = load_bytes(builder, place, at, ir.VectorType(I8, n))
            parts.append(builder.sitofp(builder.sext(value, ir.VectorType(I32, n)), ir.VectorType(F32, n)))
            at += n
        return join(builder, parts)

    return lanes.vec(lanes, pointer, index), codegen
