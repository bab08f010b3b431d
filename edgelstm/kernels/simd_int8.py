"""Exact int8 dot products for vectors of any width, in the form that a CPU is quickest at; all forms give the same integers.

Activations are int8 values packed into words of `group` of them; weights stand, for one word, as `group` bytes a lane:

===========  =====  ==========================================================================================
form         group  a word holds
===========  =====  ==========================================================================================
``vnni``     4      bytes offset by 128 (x86 ``vpdpbusd`` multiplies unsigned by signed): sums begin at -128 * sum(w)
``sdot``     4      signed bytes (Arm v8.2 dot product)
``smlal``    4      signed bytes (Arm before v8.2); of four lanes, all first pairs of weights stand before all second pairs
``generic``  4      signed bytes; plain arithmetic
``pmaddwd``  2      two int16 (x86 since SSE2)
===========  =====  ==========================================================================================

Products of two values within +-127 cannot overflow a sum of fewer than 2**17 of them.
"""

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import register_default
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic

from .formulas import F32, I32, Value, call, constant
from .simd import I64, Vec, broadcast, join, pieces, split

I8, I16 = ir.IntType(8), ir.IntType(16)

#: Activations in a word, by form.
GROUP = {"vnni": 4, "sdot": 4, "smlal": 4, "generic": 4, "pmaddwd": 2}


class Sums(types.Type):
    """Numba type of `rows` times `lanes` int32 sums in registers: the integer sibling of `simd.Vec`."""

    def __init__(self, lanes, rows=1):
        self.lanes, self.rows = lanes, rows
        super().__init__(f"Sums(int32 x {rows} x {lanes})")


@register_default(Sums)
class _SumsModel(PrimitiveModel):
    def __init__(self, dmm, fe_type):
        vectors = [ir.VectorType(I32, n) for n in pieces(fe_type.lanes) * fe_type.rows]
        super().__init__(dmm, fe_type, ir.LiteralStructType(vectors))


def _bytes_at(builder, pointer, index):
    base = builder.bitcast(pointer, I8.as_pointer())
    return builder.gep(base, [index])


def _load_bytes(builder, place, offset, kind):
    at = builder.gep(place, [ir.Constant(I64, offset)])
    return builder.load(builder.bitcast(at, kind.as_pointer()), align=1)


@intrinsic
def load_sums(typingctx, lanes, pointer, index):
    """Consecutive int32 from the float pointer's `pointer[index]`, one for each lane of a vector of width `lanes`."""
    result = Sums(lanes.vec.lanes, lanes.vec.rows)

    def codegen(context, builder, signature, args):
        parts, at = [], 0
        for n in lanes.vec.pieces:
            place = builder.gep(args[1], [builder.add(args[2], ir.Constant(args[2].type, at))])
            parts.append(builder.load(builder.bitcast(place, ir.VectorType(I32, n).as_pointer()), align=4))
            at += n
        return join(builder, parts)

    return result(lanes, pointer, index), codegen


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
        place, parts, at = _bytes_at(builder, args[1], args[2]), [], 0
        for n in lanes.vec.pieces:
            value = _load_bytes(builder, place, at, ir.VectorType(I8, n))
            parts.append(builder.sitofp(builder.sext(value, ir.VectorType(I32, n)), ir.VectorType(F32, n)))
            at += n
        return join(builder, parts)

    return lanes.vec(lanes, pointer, index), codegen


def _words(builder, four, number, lanes):
    """Word `number` of four words in every lane."""
    pick = ir.Constant(ir.VectorType(I32, lanes), [ir.Constant(I32, number)] * lanes)
    return builder.shuffle_vector(four, ir.Constant(four.type, ir.Undefined), pick)


def _vnni(builder, sums, weights, words):
    kind = sums.type
    bits = 32 * kind.count
    function = f"llvm.x86.avx512.vpdpbusd.{bits}"
    return call(builder, function, kind, [sums, builder.bitcast(words, weights.type), weights])


def _sdot(builder, sums, weights, words):
    return call(builder, "llvm.aarch64.neon.sdot.v4i32.v16i8", sums.type, [sums, weights, builder.bitcast(words, weights.type)])


def _smlal(builder, sums, weights, words):
    halves = []
    for start, pair in ((0, builder.trunc(words, ir.VectorType(I16, 4))), (8, builder.trunc(_high(builder, words), ir.VectorType(I16, 4)))):
        pairs = builder.bitcast(builder.shuffle_vector(pair, pair, _picks(range(8))), weights.type)
        # Hidden from LLVM, which would otherwise halve the register and then need a move to reach its upper part.
        whole = builder.asm(ir.FunctionType(weights.type, [weights.type]), "", "=w,0", [pairs], side_effect=False)
        wide = ir.VectorType(I16, 8)
        w, x = (builder.sext(builder.shuffle_vector(v, v, _picks(range(start, start + 8))), wide) for v in (weights, whole))
        halves.append(builder.mul(w, x))
    products = call(builder, "llvm.aarch64.neon.saddlp.v4i32.v8i16", sums.type, [builder.add(*halves)])
    return builder.add(sums, products)


def _high(builder, words):
    return builder.lshr(words, ir.Constant(words.type, [16] * words.type.count))


def _picks(lanes):
    return ir.Constant(ir.VectorType(I32, len(lanes)), [ir.Constant(I32, lane) for lane in lanes])


_PMADDWD = {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}


def _pmaddwd(builder, sums, weights, words):
    wide = ir.VectorType(I16, weights.type.count)
    products = call(builder, _PMADDWD[sums.type.count], sums.type, [builder.sext(weights, wide), builder.bitcast(words, wide)])
    return builder.add(sums, products)


def _generic(builder, sums, weights, words):
    lanes = sums.type.count
    values = builder.bitcast(words, weights.type)
    for k in range(4):
        pick = ir.Constant(ir.VectorType(I32, lanes), [ir.Constant(I32, 4 * lane + k) for lane in range(lanes)])
        w, x = (builder.shuffle_vector(v, ir.Constant(v.type, ir.Undefined), pick) for v in (weights, values))
        sums = builder.add(sums, builder.mul(builder.sext(w, sums.type), builder.sext(x, sums.type)))
    return sums


_FORMS = {"vnni": _vnni, "sdot": _sdot, "smlal": _smlal, "generic": _generic, "pmaddwd": _pmaddwd}


def dot_products(form, width):
    """The four intrinsics `dot0` to `dot3`, ``(sums, w, byte, words) -> sums``, for a form and a register of `width` lanes.

    Each adds, for every lane, the products of one word of the four in `words` (`load_words`) and its `group` weights at byte `byte` of w.
    """
    multiply, group = _FORMS[form], GROUP[form]

    def numbered(number):
        @intrinsic
        def dot(typingctx, sums, w, byte, words):
            def codegen(context, builder, signature, args):
                place, parts, at = _bytes_at(builder, args[1], args[2]), [], 0
                for part in split(builder, args[0]):
                    parts.append(_by_registers(builder, part, place, at, _words(builder, args[3], number, width)))
                    at += group * part.type.count
                return join(builder, parts)

            return sums(sums, w, byte, words), codegen

        return dot

    def _by_registers(builder, part, place, at, words):
        """One LLVM vector of sums, a register at a time."""
        lanes = part.type.count
        step = min(lanes, width)
        done = []
        for start in range(0, lanes, step):
            weights = _load_bytes(builder, place, at + group * start, ir.VectorType(I8, group * step))
            few = part if step == lanes else _slice(builder, part, start, step)
            same = words if step == width else _slice(builder, words, 0, step)
            done.append(multiply(builder, few, weights, same))
        return _joined(builder, done)

    return tuple(numbered(number) for number in range(4))


def _slice(builder, vector, start, count):
    pick = ir.Constant(ir.VectorType(I32, count), [ir.Constant(I32, start + i) for i in range(count)])
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), pick)


def _joined(builder, parts):
    while len(parts) > 1:
        count = 2 * parts[0].type.count
        pick = ir.Constant(ir.VectorType(I32, count), [ir.Constant(I32, i) for i in range(count)])
        parts = [builder.shuffle_vector(one, other, pick) for one, other in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


class Words(types.Type):
    """Numba type of four words of activations."""

    def __init__(self):
        super().__init__("Words(int32 x 4)")


@register_default(Words)
class _WordsModel(PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, ir.VectorType(I32, 4))


@intrinsic
def load_words(typingctx, pointer, index):
    """The four words of activations at `pointer[index]` and after."""

    def codegen(context, builder, signature, args):
        place = builder.gep(args[0], [args[1]])
        return builder.load(builder.bitcast(place, ir.VectorType(I32, 4).as_pointer()), align=4)

    return Words()(pointer, index), codegen


def quantised_store(form):
    """An intrinsic ``(pointer, index, vector, steps)`` that writes activations from value `index` on.

    They are round(vector * steps), ties to even, within +-127; a NaN becomes 127.
    """

    @intrinsic
    def store(typingctx, pointer, index, vector, steps):
        def codegen(context, builder, signature, args):
            kind = I16 if form == "pmaddwd" else I8
            size = kind.width // 8
            place = _bytes_at(builder, args[0], builder.mul(args[1], ir.Constant(args[1].type, size)))
            at = 0
            for part in split(builder, args[2]):
                lanes = part.type.count
                scaled = builder.fmul(part, broadcast(builder, args[3], lanes))
                value = Value(builder, scaled).rounded().value
                for bound, order in ((constant(value.type, 127.0), "<"), (constant(value.type, -127.0), ">")):
                    value = builder.select(builder.fcmp_ordered(order, value, bound), value, bound)
                integers = builder.trunc(builder.fptosi(value, ir.VectorType(I32, lanes)), ir.VectorType(kind, lanes))
                if form == "vnni":
                    integers = builder.xor(integers, ir.Constant(integers.type, [ir.Constant(I8, -128)] * lanes))
                target = builder.gep(place, [ir.Constant(I64, size * at)])
                builder.store(integers, builder.bitcast(target, integers.type.as_pointer()), align=1)
                at += lanes
            return context.get_dummy_value()

        return types.void(pointer, index, vector, types.float32), codegen

    return store
