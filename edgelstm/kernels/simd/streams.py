"""Sums of several streams in registers: a `Vec` whose rows are, stream by stream, the gates of a tile.

A row of weights is loaded once, and multiplied by a value of every stream.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .formulas import F32, Value, cut, joined, picked
from .vectors import I64, broadcast, join, pieces, split


def placed(builder, pointer, index, kind):
    """The address of vectors of this kind, `index` elements behind a pointer."""
    return builder.bitcast(builder.gep(pointer, [index]), kind.as_pointer())


def rows_at(builder, pointer, index, widths):
    """LLVM vectors of so many lanes each, one behind the other from `pointer[index]` on."""
    parts, at = [], 0
    for width in widths:
        place = placed(builder, pointer, builder.add(index, ir.Constant(I64, at)), ir.VectorType(F32, width))
        parts.append(builder.load(place, align=4))
        at += width
    return parts


def times(builder, stride, number):
    """The distance of stream `number` from the first."""
    return builder.mul(stride, ir.Constant(I64, number))


@intrinsic
def spread(typingctx, every, vector):
    """The rows of `vector` for each of several streams. every: tag of the rows of all."""

    def codegen(context, builder, signature, args):
        return join(builder, split(builder, args[1]) * (every.vec.rows // vector.rows))

    return every.vec(every, vector), codegen


@intrinsic
def load_each(typingctx, every, gates, pointer, stride):
    """Rows of each of several streams, which stand `stride` floats apart. every, gates: tags of the rows of all, and of one."""

    def codegen(context, builder, signature, args):
        parts = []
        for number in range(every.vec.rows // gates.vec.rows):
            parts += rows_at(builder, args[2], times(builder, args[3], number), gates.vec.pieces)
        return join(builder, parts)

    return every.vec(every, gates, pointer, stride), codegen


@intrinsic
def add_row(typingctx, gates, w, at, x, k, stride, sums):
    """`sums` plus the row of weights at ``w[at]`` times ``x[k]`` of each stream, which stand `stride` floats apart. gates: tag of a row."""

    def codegen(context, builder, signature, args):
        row, done = rows_at(builder, args[1], args[2], gates.vec.pieces), []
        each = split(builder, args[6])
        for number in range(sums.rows // gates.vec.rows):
            place = builder.gep(args[3], [builder.add(args[4], times(builder, args[5], number))])
            value = builder.load(place, align=4)
            for weights, before in zip(row, each[number * len(row) :], strict=False):
                factor = Value(builder, broadcast(builder, value, weights.type.count))
                done.append(factor.fma(Value(builder, weights), Value(builder, before)).value)
        return join(builder, done)

    return sums(gates, w, at, x, k, stride, sums), codegen


@intrinsic
def multiply_each(typingctx, gates, vector, x, stride):
    """The rows of each stream times its value of x, which stand `stride` floats apart. gates: tag of one stream's rows."""

    def codegen(context, builder, signature, args):
        each, of_one, done = split(builder, args[1]), len(gates.vec.pieces), []
        for number in range(vector.rows // gates.vec.rows):
            value = builder.load(builder.gep(args[2], [times(builder, args[3], number)]), align=4)
            done += [
                builder.fmul(part, broadcast(builder, value, part.type.count)) for part in each[number * of_one : (number + 1) * of_one]
            ]
        return join(builder, done)

    return vector(gates, vector, x, stride), codegen


def _side_by_side(builder, parts, lanes):
    """Vectors of as many lanes each, a power of two, as the LLVM vectors of a `Vec` of `lanes` in all."""
    done, at = [], 0
    for width in pieces(lanes):
        count = max(1, width // parts[0].type.count)
        done.append(joined(builder, parts[at : at + count]))
        at += count
    return done


@intrinsic
def store_by_gate(typingctx, gates, pointer, sums):
    """Sums of several streams, gate by gate: of a gate, the units of one stream behind those of the other. gates: tag of one stream's.

    A row of `sums` is a gate of a stream, or all its gates side by side; units are then a power of two. Whole registers are written, so
    that they can be read again at once.
    """
    units, count = gates.vec.lanes, gates.vec.rows
    per_row = sums.lanes // units
    streams = sums.rows * per_row // count

    def of_gate(builder, rows, gate):
        """What is stored of a gate, in order."""
        if per_row > 1:
            wanted = range(gate * units, (gate + 1) * units)
            return _side_by_side(builder, [picked(builder, row[0], wanted) for row in rows], streams * units)
        own = rows[gate::count]
        return (
            _side_by_side(builder, [row[0] for row in own], streams * units) if len(own[0]) == 1 else [part for row in own for part in row]
        )

    def codegen(context, builder, signature, args):
        parts, at = split(builder, args[2]), 0
        size = len(parts) // sums.rows
        rows = [parts[start : start + size] for start in range(0, len(parts), size)]
        for gate in range(count):
            for part in of_gate(builder, rows, gate):
                builder.store(part, placed(builder, args[1], ir.Constant(I64, at), part.type), align=4)
                at += part.type.count
        return context.get_dummy_value()

    return types.void(gates, pointer, sums), codegen


def _places(builder, places, at, streams, kind):
    """Where vectors of this kind stand, `at` bytes behind each of so many addresses."""
    for number in range(streams):
        address = builder.load(builder.inttoptr(builder.add(places, ir.Constant(I64, 8 * number)), I64.as_pointer()), align=8)
        yield builder.inttoptr(builder.add(address, at), kind.as_pointer())


@intrinsic
def load_behind(typingctx, side, units, places, at):
    """The units of several streams side by side, each `at` bytes behind one of the addresses at `places`.

    side, units: tags of all, and of one stream's, a power of two.
    """

    def codegen(context, builder, signature, args):
        kind = ir.VectorType(F32, units.vec.lanes)
        found = _places(builder, args[2], args[3], side.vec.lanes // units.vec.lanes, kind)
        return join(builder, _side_by_side(builder, [builder.load(place, align=4) for place in found], side.vec.lanes))

    return side.vec(side, units, places, at), codegen


@intrinsic
def store_behind(typingctx, units, vector, places, at):
    """What `load_behind` would load again."""

    def codegen(context, builder, signature, args):
        width = units.vec.lanes
        own = [few for part in split(builder, args[1]) for few in cut(builder, part, width)]
        for few, place in zip(own, _places(builder, args[2], args[3], len(own), own[0].type), strict=True):
            builder.store(few, place, align=4)
        return context.get_dummy_value()

    return types.void(units, vector, places, at), codegen
