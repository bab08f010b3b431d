"""Exact int8 dot products for vectors of any width, in the form that a CPU is quickest at; all forms give the same integers.

Activations are int8 values packed into words of `group` of them; weights stand, for one word, as `group` bytes a lane:

===========  =====  =============================  ===================================================================
form         group  a word holds                   weights
===========  =====  =============================  ===================================================================
``vnni``     4      unsigned bytes: plus 128       signed bytes (x86 ``vpdpbusd`` multiplies unsigned by signed): sums begin at -128
                                                   times the sum of a row's weights
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

from ..packing import GROUP, OFFSET
from .formulas import I32, ROUNDER, ROUNDER_BITS, Value, call, cut, joined, picked
from .sums import I8, Sums, bytes_at, load_bytes
from .vectors import I64, REGISTER, broadcast, join, split

I16 = ir.IntType(16)

#: Forms of x86, where a word written in pieces could not be read before they have reached the cache: the last one is filled with zeros.
FILLED = ("vnni", "pmaddwd")

#: Most lanes of a vector whose products are few enough to stand in one row: LLVM's models of Cortex-A72 and A76 tell the difference.
NARROW = 8


def _whole(builder, words):
    return [words]


def _pairs(builder, words):
    """The first and the second pair of bytes of each word, each pair twice over, so that it meets weights in either half of a register."""
    low, high = (builder.trunc(v, ir.VectorType(I16, words.type.count)) for v in (words, _high(builder, words)))
    return [builder.bitcast(picked(builder, pair, range(8)), ir.VectorType(I8, 16)) for pair in (low, high)]


def _opaque(builder, vector, *done):
    """Hides a NEON register from the optimiser and orders it after four of the sums in `done`.

    These are the last four of a narrow vector, the first of a wide one.
    LLVM would otherwise halve the pairs of `smlal`, need moves to reach the upper half, and take more products at once than
    there are registers for. It would broadcast the words of `sdot` before a loop over tiles, where `sdot` by element takes them from one.
    """
    starts = [part.type.count - 4 if part.type.count <= NARROW else 0 for part in done]
    quads = [picked(builder, part, range(at, at + 4)) for part, at in zip(done, starts, strict=True)]
    kind = ir.FunctionType(vector.type, [v.type for v in (vector, *quads)])
    return builder.asm(kind, "", ",".join(["=w", "0", *("w" for _ in quads)]), [vector, *quads], side_effect=False)


def _vnni(builder, sums, weights, words):
    """In the types that LLVM gave the instruction before release 22; later ones read these as well."""
    kind = sums.type
    function = f"llvm.x86.avx512.vpdpbusd.{32 * kind.count}"
    return call(builder, function, kind, [sums, words, builder.bitcast(weights, kind)])


def _sdot(builder, sums, weights, words):
    return call(builder, "llvm.aarch64.neon.sdot.v4i32.v16i8", sums.type, [sums, weights, builder.bitcast(words, weights.type)])


def _smlal(builder, sums, weights, first, second):
    halves, wide = [], ir.VectorType(I16, 8)
    for start, pairs in ((0, first), (8, second)):
        w, x = (builder.sext(picked(builder, v, range(start, start + 8)), wide) for v in (weights, pairs))
        halves.append(builder.mul(w, x))
    products = call(builder, "llvm.aarch64.neon.saddlp.v4i32.v8i16", sums.type, [builder.add(*halves)])
    return builder.add(sums, products)


def _high(builder, words):
    return builder.lshr(words, ir.Constant(words.type, [16] * words.type.count))


_PMADDWD = {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}


def _pmaddwd(builder, sums, weights, words):
    wide = ir.VectorType(I16, weights.type.count)
    products = call(builder, _PMADDWD[sums.type.count], sums.type, [builder.sext(weights, wide), builder.bitcast(words, wide)])
    return builder.add(sums, products)


def _generic(builder, sums, weights, words):
    lanes = sums.type.count
    values = builder.bitcast(words, weights.type)
    for k in range(4):
        w, x = (picked(builder, v, [4 * lane + k for lane in range(lanes)]) for v in (weights, values))
        w = builder.sext(w, sums.type)
        x = _first_byte(builder, words) if (lanes, k) == (1, 0) else builder.sext(x, sums.type)
        sums = builder.add(sums, builder.mul(w, x))
    return sums


def _first_byte(builder, words):
    """The first byte of a single word, as int32.

    Of ``sext (trunc <1 x i32> word)``, LLVM's optimiser makes two shifts, which its code generator (LLVM 22, RISC-V without vectors) takes
    for ``word`` itself. Those of a scalar it gets right.
    """
    first = builder.trunc(builder.extract_element(words, ir.Constant(I32, 0)), I8)
    return builder.insert_element(ir.Constant(words.type, ir.Undefined), builder.sext(first, I32), ir.Constant(I32, 0))


#: By form: what is made once of a vector of words, and what then multiplies one register of weights by it.
FORMS = {
    "vnni": (_whole, _vnni),
    "sdot": (_whole, _sdot),
    "smlal": (_pairs, _smlal),
    "generic": (_whole, _generic),
    "pmaddwd": (_whole, _pmaddwd),
}


def dot_products(form, width, early=False, held=0):
    """Intrinsics ``(sums, w, byte, words) -> sums``, one for each word, for a form and a register of `width` lanes.

    Each adds, for every lane, the products of one word of the four in `words` (`load_words`) and its `group` weights at byte `byte` of w.
    early: whether weights are loaded by instructions of their own, which need not wait for activations, where products could load them
    (x86). held: how many words there are where `words` are the numbers that `quantised` gives.
    """
    word_of = _of_numbers if held else _of_four
    (prepare, multiply), group = FORMS[form], GROUP[form]

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
                        prepared[lanes] = prepare(builder, word_of(builder, args[3], number, lanes))
                    if form == "smlal":
                        prepared[lanes] = [_opaque(builder, pairs, done) for pairs in prepared[lanes]]
                    done = _by_registers(builder, part, place, at, prepared[lanes])
                    parts.append(done)
                    at += group * part.type.count
                return join(builder, parts)

            return sums(sums, w, byte, words), codegen

        return dot

    def _by_registers(builder, part, place, at, prepared):
        """One LLVM vector of sums, a register at a time."""
        done = []
        for few in cut(builder, part, width):
            weights = load_bytes(builder, place, at, ir.VectorType(I8, group * few.type.count))
            at += group * few.type.count
            if early:
                weights = builder.asm(ir.FunctionType(weights.type, [weights.type]), "", "=v,0", [weights], False)
            done.append(multiply(builder, few, weights, *prepared))
        return joined(builder, done)

    return tuple(numbered(number) for number in range(held or 4))


def _of_four(builder, words, number, lanes):
    """One of four words in every lane."""
    return picked(builder, words, [number] * lanes)


def _of_numbers(builder, numbers, word, lanes):
    """The low bytes of four numbers in every lane: one instruction where a CPU permutes bytes (AVX-512 VBMI)."""
    at = 4 * word
    for part in split(builder, numbers):
        for some in cut(builder, part, REGISTER):
            count = some.type.count
            if 0 <= at < count:
                low = [4 * (at + k) for k in range(4)]
                single = builder.bitcast(some, ir.VectorType(I8, 4 * count))
                return builder.bitcast(picked(builder, single, low * lanes), ir.VectorType(I32, lanes))
            at -= count
    raise AssertionError("a word beyond the numbers")


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
            return _opaque(builder, words) if form == "sdot" else words

        return Words()(pointer, index), codegen

    return load_words


def quantised_store(form):
    """An intrinsic ``(pointer, index, vector, steps)`` that writes activations from value `index` on.

    They are round(vector * steps), ties to even, within +-127; a NaN becomes 127 or -127, as its sign is.
    """

    @intrinsic
    def store(typingctx, pointer, index, vector, steps):
        def codegen(context, builder, signature, args):
            kind = I16 if form == "pmaddwd" else I8
            size, at = kind.width // 8, 0
            place = bytes_at(builder, args[0], builder.mul(args[1], ir.Constant(args[1].type, size)))
            parts = split(builder, args[2])
            rounded = [_rounded(builder, part, args[3], OFFSET[form]) for part in parts]
            for bits in _whole_words(builder, rounded, GROUP[form]) if form in FILLED else rounded:
                integers = builder.trunc(bits, ir.VectorType(kind, bits.type.count))
                target = builder.gep(place, [ir.Constant(I64, size * at)])
                builder.store(integers, builder.bitcast(target, integers.type.as_pointer()), align=1)
                at += bits.type.count
            return context.get_dummy_value()

        return types.void(pointer, index, vector, types.float32), codegen

    return store


def quantised(form):
    """An intrinsic ``(vector, steps)`` that gives what `quantised_store` of ``vnni`` writes, in the low bytes of numbers."""

    @intrinsic
    def numbers(typingctx, vector, steps):
        def codegen(context, builder, signature, args):
            return join(builder, [_rounded(builder, part, args[1], OFFSET[form]) for part in split(builder, args[0])])

        return Sums(vector.lanes)(vector, types.float32), codegen

    return numbers


def _rounded(builder, values, steps, moved_by):
    """Int32 whose low bits are the values times the steps, rounded and held within +-127, plus `moved_by`.

    The integers behind float32 numbers of one sign stand in their order, so that the bounds may be integers: they take less time.
    """
    kind, whole = values.type, ir.VectorType(I32, values.type.count)
    factor = broadcast(builder, steps, kind.count)
    bits = Value(builder, values).fma(Value(builder, factor), ROUNDER + moved_by).value
    bits = builder.bitcast(bits, whole)
    for bound, order in ((127, "smin"), (-127, "smax")):
        limit = ir.Constant(whole, [ROUNDER_BITS + moved_by + bound] * kind.count)
        bits = call(builder, f"llvm.{order}.v{kind.count}i32", whole, [bits, limit])
    return bits


def _whole_words(builder, parts, group):
    """Int32 vectors, of which those that fill no word of `group` values are joined, with zeros behind."""
    full = [bits for bits in parts if bits.type.count >= group]
    lanes = [builder.extract_element(bits, ir.Constant(I32, k)) for bits in parts[len(full) :] for k in range(bits.type.count)]
    if not lanes:
        return full
    last = ir.Constant(ir.VectorType(I32, group), [0] * group)
    for at, lane in enumerate(lanes):
        last = builder.insert_element(last, lane, ir.Constant(I32, at))
    return [*full, last]
