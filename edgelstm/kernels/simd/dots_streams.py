"""Int8 dot products of several streams: `dots`, with one load of weights for all. Sums are rows, stream by stream, as in `streams`."""

from llvmlite import ir
from numba.extending import intrinsic

from ..packing import GROUP
from .dots import FORMS
from .formulas import I32, cut, joined
from .streams import times
from .sums import I8, Sums, bytes_at, load_bytes
from .vectors import broadcast, join, split


def word_adder(form, width):
    """An intrinsic (gates, w, byte, x, k, stride, sums) of a form and a register of `width` lanes.

    `sums` plus the products of the weights from byte `byte` of w on and word ``x[k]`` of each stream, which stand `stride` words apart.
    gates: tag of one stream's sums.
    """
    (prepare, multiply), group = FORMS[form], GROUP[form]

    def weights_of(builder, place, pieces):
        """The weights of a stream's sums, register by register."""
        at = 0
        for piece in pieces:
            few = min(piece, width)
            for _ in range(0, piece, few):
                yield load_bytes(builder, place, at, ir.VectorType(I8, group * few))
                at += group * few

    def with_word(builder, word, weights, sums):
        """A stream's sums."""
        left, prepared = iter(weights), {}
        for part in sums:
            lanes = min(part.type.count, width)
            if lanes not in prepared:
                prepared[lanes] = prepare(builder, broadcast(builder, word, lanes))
            yield joined(builder, [multiply(builder, few, next(left), *prepared[lanes]) for few in cut(builder, part, width)])

    @intrinsic
    def add_word(typingctx, gates, w, byte, x, k, stride, sums):
        def codegen(context, builder, signature, args):
            weights = list(weights_of(builder, bytes_at(builder, args[1], args[2]), gates.vec.pieces))
            words, each, done = builder.bitcast(args[3], I32.as_pointer()), split(builder, args[6]), []
            for number in range(sums.rows // gates.vec.rows):
                place = builder.gep(words, [builder.add(args[4], times(builder, args[5], number))])
                own = each[number * len(gates.vec.pieces) : (number + 1) * len(gates.vec.pieces)]
                done += with_word(builder, builder.load(place, align=4), weights, own)
            return join(builder, done)

        return sums(gates, w, byte, x, k, stride, sums), codegen

    return add_word


@intrinsic
def spread_sums(typingctx, every, sums):
    """The rows of `sums` for each of several streams. every: tag of the rows of all."""

    def codegen(context, builder, signature, args):
        return join(builder, split(builder, args[1]) * (every.vec.rows // sums.rows))

    return Sums(every.vec.lanes, every.vec.rows)(every, sums), codegen
