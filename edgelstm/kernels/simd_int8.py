"""Exact int8 dot products for vectors of any width, in the form that a CPU is quickest at; all forms give the same integers.

Activations are int8 values packed into words of `group` of them; weights stand, for one word, as `group` bytes a lane:

===========  =====  =============================  ===================================================================
form         group  a word holds                   weights
===========  =====  =============================  ===================================================================
``vnni``     4      signed bytes                   plus 128 (x86 ``vpdpbusd`` multiplies unsigned by signed), zeros where
                                                   they are padding: sums begin at -128 times the sum of activations
``sdot``     4      signed bytes                   signed bytes (Arm v8.2 dot product)
``smlal``    4      signed bytes                   signed bytes (Arm before v8.2); of four lanes, all first pairs stand
                                                   before all second pairs
``generic``  4      signed bytes                   signed bytes; plain arithmetic
``pmaddwd``  2      two int16                      signed bytes (x86 since SSE2)
===========  =====  =============================  ===================================================================

Products of two values within +-127 cannot overflow a sum of fewer than 2**17 of them.
"""

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import register_default
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic

from .formulas import I32, call, constant
from .simd import I64, broadcast, join, split
from .sums_int8 import I8, bytes_at, load_bytes

I16 = ir.IntType(16)

#: Activations in a word, by form.
GROUP = {"vnni": 4, "sdot": 4, "smlal": 4, "generic": 4, "pmaddwd": 2}

#: Forms whose weights come offset, so that sums do not begin at 0.
OFFSET_WEIGHTS = ("vnni",)


def _picked(builder, four, lanes):
    return builder.shuffle_vector(four, four, _picks(lanes))


def _whole(builder, words):
    return [words]


def _pairs(builder, words):
    """The first and the second pair of bytes of each word, each pair twice over, so that it meets weights in either half of a register."""
    low, high = (builder.trunc(v, ir.VectorType(I16, words.type.count)) for v in (words, _high(builder, words)))
    return [builder.bitcast(_picked(builder, pair, range(8)), ir.VectorType(I8, 16)) for pair in (low, high)]


def _hidden(builder, vector, *done):
    """A NEON register as it is, of which LLVM knows nothing but that it comes after the sums that are `done`.

    It would otherwise halve the pairs of `smlal`, need moves to reach the upper half, and take more products at once than
    there are registers for. It would broadcast the words of `sdot` before a loop over tiles, where `sdot` by element takes them from one.
    """
    quads = [_picked(builder, part, range(at, at + 4)) for part in done for at in range(part.type.count - 4, part.type.count, 4)]
    kind = ir.FunctionType(vector.type, [v.type for v in (vector, *quads)])
    return builder.asm(kind, "", ",".join(["=w", "0", *("w" for _ in quads)]), [vector, *quads], side_effect=False)


def _vnni(builder, sums, weights, words):
    kind = sums.type
    function = f"llvm.x86.avx512.vpdpbusd.{32 * kind.count}"
    return call(builder, function, kind, [sums, weights, builder.bitcast(words, weights.type)])


def _sdot(builder, sums, weights, words):
    return call(builder, "llvm.aarch64.neon.sdot.v4i32.v16i8", sums.type, [sums, weights, builder.bitcast(words, weights.type)])


def _smlal(builder, sums, weights, first, second):
    halves, wide = [], ir.VectorType(I16, 8)
    for start, pairs in ((0, first), (8, second)):
        w, x = (builder.sext(_picked(builder, v, range(start, start + 8)), wide) for v in (weights, pairs))
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
        w, x = (_picked(builder, v, [4 * lane + k for lane in range(lanes)]) for v in (weights, values))
        sums = builder.add(sums, builder.mul(builder.sext(w, sums.type), builder.sext(x, sums.type)))
    return sums


#: By form: what is made once of a vector of words, and what then multiplies one register of weights by it.
_FORMS = {
    "vnni": (_whole, _vnni),
    "sdot": (_whole, _sdot),
    "smlal": (_pairs, _smlal),
    "generic": (_whole, _generic),
    "pmaddwd": (_whole, _pmaddwd),
}


def dot_products(form, width):
    """The four intrinsics `dot0` to `dot3`, ``(sums, w, byte, words) -> sums``, for a form and a register of `width` lanes.

    Each adds, for every lane, the products of one word of the four in `words` (`load_words`) and its `group` weights at byte `byte` of w.
    """
    (prepare, multiply), group = _FORMS[form], GROUP[form]

    def numbered(number):
        @intrinsic
        def dot(typingctx, sums, w, byte, words):
            def codegen(context, builder, signature, args):
                place, parts, at = bytes_at(builder, args[1], args[2]), [], 0
                given = split(builder, args[0])
                done, prepared = given[-1], {}  # by lanes of a register
                for part in given:
                    lanes = min(part.type.count, width)
                    if lanes not in prepared:
                        prepared[lanes] = prepare(builder, _picked(builder, args[3], [number] * lanes))
                    if form == "smlal":
                        prepared[lanes] = [_hidden(builder, pairs, done) for pairs in prepared[lanes]]
                    done = _by_registers(builder, part, place, at, prepared[lanes])
                    parts.append(done)
                    at += group * part.type.count
                return join(builder, parts)

            return sums(sums, w, byte, words), codegen

        return dot

    def _by_registers(builder, part, place, at, prepared):
        """One LLVM vector of sums, a register at a time."""
        lanes = part.type.count
        step = min(lanes, width)
        done = []
        for start in range(0, lanes, step):
            weights = load_bytes(builder, place, at + group * start, ir.VectorType(I8, group * step))
            few = part if step == lanes else _picked(builder, part, range(start, start + step))
            done.append(multiply(builder, few, weights, *prepared))
        return _joined(builder, done)

    return tuple(numbered(number) for number in range(4))


def _joined(builder, parts):
    while len(parts) > 1:
        count = 2 * parts[0].type.count
        parts = [builder.shuffle_vector(one, other, _picks(range(count))) for one, other in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


class Words(types.Type):
    """Numba type of four words of activations."""

    def __init__(self):
        super().__init__("Words(int32 x 4)")


@register_default(Words)
class _WordsModel(PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, ir.VectorType(I32, 4))


def words_loader(form):
    """An intrinsic ``(pointer, index)`` of a form: the four words of activations at `pointer[index]` and after."""

    @intrinsic
    def load_words(typingctx, pointer, index):
        def codegen(context, builder, signature, args):
            place = builder.gep(args[0], [args[1]])
            words = builder.load(builder.bitcast(place, ir.VectorType(I32, 4).as_pointer()), align=4)
            return _hidden(builder, words) if form == "sdot" else words

        return Words()(pointer, index), codegen

    return load_words


#: Added to a float32 within +-2**22 it leaves the nearest whole number, ties to even, in the low bits: no CPU needs a function for that.
ROUNDING = 12582912.0

#: The bits of ROUNDING itself.
ROUNDING_BITS = 0x4B400000


def quantised_store(form):
    """An intrinsic ``(pointer, index, vector, steps)`` that writes activations from value `index` on.

    They are round(vector * steps), ties to even, within +-127; a NaN becomes 127. It returns what the form's sums of their products begin
    at: an int32.
    """

    @intrinsic
    def store(typingctx, pointer, index, vector, steps):
        def codegen(context, builder, signature, args):
            kind = I16 if form == "pmaddwd" else I8
            size = kind.width // 8
            place = bytes_at(builder, args[0], builder.mul(args[1], ir.Constant(args[1].type, size)))
            at, start = 0, ir.Constant(I32, 0)
            for part in split(builder, args[2]):
                bits = _rounded_bits(builder, builder.fmul(part, broadcast(builder, args[3], part.type.count)))
                integers = builder.trunc(bits, ir.VectorType(kind, bits.type.count))
                target = builder.gep(place, [ir.Constant(I64, size * at)])
                builder.store(integers, builder.bitcast(target, integers.type.as_pointer()), align=1)
                if form in OFFSET_WEIGHTS:
                    start = builder.sub(start, builder.mul(_total(builder, bits), ir.Constant(I32, 128)))
                at += part.type.count
            return start

        return types.int32(pointer, index, vector, types.float32), codegen

    return store


def _rounded_bits(builder, values):
    """Float32 whose low 22 bits are the values, rounded and held within +-127."""
    for bound, order in ((constant(values.type, 127.0), "<"), (constant(values.type, -127.0), ">")):
        values = builder.select(builder.fcmp_ordered(order, values, bound), values, bound)
    moved = builder.fadd(values, constant(values.type, ROUNDING))
    return builder.bitcast(moved, ir.VectorType(I32, values.type.count))


def _total(builder, bits):
    """The sum of what `_rounded_bits` made: sums of integers may overflow on the way."""
    count = bits.type.count
    total = call(builder, f"llvm.vector.reduce.add.v{count}i32", I32, [bits])
    return builder.sub(total, ir.Constant(I32, count * ROUNDING_BITS % (1 << 32)))
