"""Numbers in half precision (IEEE 754 binary16), two in the place of a float32: loaded as float32, which holds each of them exactly.

`bounds.defined` says how a CPU converts them. Woven pairs of rows need no conversion: see `even_row`.
"""

from llvmlite import ir
from numba.extending import intrinsic

from .formulas import F32, I32, call, joined
from .vectors import REGISTER, join

_I16, _I8 = ir.IntType(16), ir.IntType(8)

#: The bits of a word of a woven pair that are its even row: of a float32 the sign, four bits of its exponent and ten of its fraction.
_KEPT = 0x87FFE000

#: Of each byte of the float32 of its odd row, from the lowest one, the bit of the word where it begins; beyond 31 stands the word beside.
_FIRST_BITS = (0, -5, 4, 28)


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


def _woven(unwoven):
    """The loader of one row of a pair. unwoven: an IR-building function (builder, words) of its bits, those that are not kept being any."""

    @intrinsic
    def loader(typingctx, lanes, pointer, index):
        def codegen(context, builder, signature, args):
            first, parts, at = builder.gep(args[1], [args[2]]), [], 0
            for n in lanes.vec.pieces:
                registers, count = [], min(n, REGISTER)
                kept = ir.Constant(ir.VectorType(I32, count), [ir.Constant(I32, _KEPT)] * count)
                for start in range(at, at + n, REGISTER):
                    place = builder.gep(first, [ir.Constant(args[2].type, start)])
                    words = builder.load(builder.bitcast(place, kept.type.as_pointer()), align=4)
                    registers.append(builder.bitcast(builder.and_(unwoven(builder, words), kept), ir.VectorType(F32, count)))
                parts.append(joined(builder, registers))
                at += n
            return join(builder, parts)

        return lanes.vec(lanes, pointer, index), codegen

    return loader


def _odd(builder, words):
    """One instruction brings each byte from where it begins."""
    count = words.type.count
    bytes_type = ir.VectorType(_I8, 4 * count)
    starts = ir.Constant(bytes_type, [ir.Constant(_I8, (bit + 32 * word) % 64) for word in range(count) for bit in _FIRST_BITS])
    moved = call(builder, f"llvm.x86.avx512.pmultishift.qb.{32 * count}", bytes_type, [starts, builder.bitcast(words, bytes_type)])
    return builder.bitcast(moved, words.type)


#: Rows of a woven pair that begins at `pointer[index]`, a word for each lane, times 2**-112: `compiler.lowering.halves.woven` packs them.
#: For x86 CPUs with AVX-512 VBMI, and lanes that are multiples of four.
even_row, odd_row = _woven(lambda builder, words: words), _woven(_odd)
