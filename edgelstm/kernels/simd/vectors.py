"""Vectors for nopython Numba code, legalised by LLVM for any CPU: one kernel source for AVX-512, AVX2 and NEON.

    units = Lanes(40)
    acc = zero(units)
    acc = fma(load(units, w, k * 40), splat(units, x[k]), acc)

A `Vec` of any number of lanes is held as power-of-two pieces, widest first (40 lanes: 32 + 8), each an LLVM vector value that
never touches memory. Arithmetic is strict IEEE: no reassociation, no contraction beyond the `fma` that is written, so that
the same kernel gives the same bits on every CPU that has fused multiply-add.
"""

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import register_default
from numba.core.datamodel.models import OpaqueModel, PrimitiveModel
from numba.core.imputils import lower_constant
from numba.extending import intrinsic, typeof_impl

from .formulas import F32, I32, Value, call, constant, cut, indices, joined, picked

I64 = ir.IntType(64)

#: Most lanes of any CPU's register.
REGISTER = 16

#: Pointer to float32, the type of every array that a kernel takes.
FLOATS = types.CPointer(types.float32)


def pieces(lanes):
    """`lanes` as a sum of powers of two, widest first."""
    return [1 << bit for bit in range(lanes.bit_length() - 1, -1, -1) if lanes >> bit & 1]


class Vec(types.Type):
    """Numba type of `rows` times `lanes` float32 values in registers; a row is what `row0` to `row3` take out."""

    def __init__(self, lanes, rows=1):
        self.lanes, self.rows = lanes, rows
        super().__init__(f"Vec(float32 x {rows} x {lanes})")

    @property
    def pieces(self):
        """Widths of the LLVM vectors that hold a value, in memory order."""
        return pieces(self.lanes) * self.rows


@register_default(Vec)
class _VecModel(PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, ir.LiteralStructType([ir.VectorType(F32, n) for n in fe_type.pieces]))


class Lanes:
    """Compile-time tag of a vector's width: a global or closure variable of kernels, the first argument of `load` and `splat`.

    kept: floats of a row in memory, where they are fewer than its lanes: the other lanes hold anything finite, and are not stored.
    """

    def __init__(self, lanes, rows=1, kept=0):
        self.vec, self.kept = Vec(lanes, rows), kept or lanes


class _LanesType(types.Type):
    def __init__(self, vec, kept):
        self.vec, self.kept = vec, kept
        super().__init__(f"Lanes({vec.rows} x {kept} in {vec.lanes})")


@register_default(_LanesType)
class _LanesModel(OpaqueModel):
    pass


@typeof_impl.register(Lanes)
def _typeof_lanes(value, _context):
    return _LanesType(value.vec, value.kept)


@lower_constant(_LanesType)
def _lower_lanes(context, _builder, _type, _value):
    return context.get_dummy_value()


def split(builder, value):
    """The LLVM vectors that a Vec value consists of."""
    return [builder.extract_value(value, index) for index in range(len(value.type.elements))]


def join(builder, parts):
    """The Vec value that consists of these LLVM vectors."""
    value = ir.Constant(ir.LiteralStructType([part.type for part in parts]), ir.Undefined)
    for index, part in enumerate(parts):
        value = builder.insert_value(value, part, index)
    return value


def broadcast(builder, scalar, lanes):
    """A scalar in every lane of an LLVM vector."""
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, undefined, indices([0] * lanes))


@intrinsic
def zero(typingctx, lanes):
    """All lanes 0."""

    def codegen(context, builder, signature, args):
        return join(builder, [constant(ir.VectorType(F32, n), 0.0) for n in lanes.vec.pieces])

    return lanes.vec(lanes), codegen


@intrinsic
def splat(typingctx, lanes, scalar):
    """One float32 in every lane."""

    def codegen(context, builder, signature, args):
        value = context.cast(builder, args[1], signature.args[1], types.float32)
        return join(builder, [broadcast(builder, value, n) for n in lanes.vec.pieces])

    return lanes.vec(lanes, scalar), codegen


@intrinsic
def load(typingctx, lanes, pointer, index):
    """Consecutive floats from `pointer[index]`; any alignment. Of lanes beyond those that are kept, none is read behind the last row."""
    whole, rows, kept = lanes.vec.lanes, lanes.vec.rows, lanes.kept

    def codegen(context, builder, signature, args):
        parts = []
        for row in range(rows):
            at, left = row * kept, whole if row + 1 < rows else kept
            for n in pieces(whole):
                place = builder.gep(args[1], [builder.add(args[2], ir.Constant(args[2].type, at))])
                parts.append(_loaded(builder, place, n, min(n, left)))
                at, left = at + n, left - n
        return join(builder, parts)

    return lanes.vec(lanes, pointer, index), codegen


def _loaded(builder, place, lanes, first):
    """An LLVM vector from memory, 0 in all but its `first` lanes."""
    kind = ir.VectorType(F32, lanes)
    place = builder.bitcast(place, kind.as_pointer())
    if first == lanes:
        return builder.load(place, align=4)
    name, mask = f"llvm.masked.load.v{lanes}f32.p0", _first(lanes, first)
    return call(builder, name, kind, [place, ir.Constant(I32, 4), mask, constant(kind, 0.0)])


def _first(lanes, count):
    """The constant mask of the first lanes."""
    return ir.Constant(ir.VectorType(ir.IntType(1), lanes), [ir.Constant(ir.IntType(1), lane < count) for lane in range(lanes)])


@intrinsic
def store(typingctx, pointer, index, vector):
    """Lanes to `pointer[index]` and following; any alignment."""

    def codegen(context, builder, signature, args):
        at = 0
        for part in split(builder, args[2]):
            place = builder.gep(args[0], [builder.add(args[1], ir.Constant(args[1].type, at))])
            builder.store(part, builder.bitcast(place, part.type.as_pointer()), align=4)
            at += part.type.count
        return context.get_dummy_value()

    return types.void(pointer, index, vector), codegen


def storing(kept):
    """`store` of the first `kept` lanes alone."""

    @intrinsic
    def store_kept(typingctx, pointer, index, vector):
        def codegen(context, builder, signature, args):
            at = 0
            for part in split(builder, args[2]):
                lanes = part.type.count
                place = builder.gep(args[0], [builder.add(args[1], ir.Constant(args[1].type, at))])
                place = builder.bitcast(place, part.type.as_pointer())
                mask = _first(lanes, kept - at)
                call(builder, f"llvm.masked.store.v{lanes}f32.p0", ir.VoidType(), [part, place, ir.Constant(I32, 4), mask])
                at += lanes
            return context.get_dummy_value()

        return types.void(pointer, index, vector), codegen

    return store_kept


def _lane(number):
    @intrinsic
    def lane(typingctx, lanes, four):
        """One lane of a 4-lane vector in every lane: NEON multiplies by element."""

        def codegen(context, builder, signature, args):
            (vector,) = split(builder, args[1])
            return join(builder, [picked(builder, vector, [number] * n) for n in lanes.vec.pieces])

        return lanes.vec(lanes, four), codegen

    return lane


lane0, lane1, lane2, lane3 = (_lane(number) for number in range(4))


def _row(number):
    @intrinsic
    def row(typingctx, vector):
        """One row of a vector of several rows."""
        one = Vec(vector.lanes)

        def codegen(context, builder, signature, args):
            count = len(one.pieces)
            return join(builder, split(builder, args[0])[number * count : (number + 1) * count])

        return one(vector), codegen

    return row


row0, row1, row2, row3 = (_row(number) for number in range(4))


@intrinsic
def fma(typingctx, factor, other, summand):
    """factor * other + summand, rounded once."""

    def codegen(context, builder, signature, args):
        columns = zip(*(split(builder, arg) for arg in args), strict=True)
        return join(builder, [Value(builder, a).fma(Value(builder, b), Value(builder, c)).value for a, b, c in columns])

    return summand(factor, other, summand), codegen


def _binary(operation):
    @intrinsic
    def apply(typingctx, one, other):
        """The operation on each pair of lanes."""

        def codegen(context, builder, signature, args):
            columns = zip(*(split(builder, arg) for arg in args), strict=True)
            return join(builder, [getattr(builder, operation)(a, b) for a, b in columns])

        return one(one, other), codegen

    return apply


add, subtracted, multiplied = (_binary(operation) for operation in ("fadd", "fsub", "fmul"))


@intrinsic
def offset(typingctx, pointer, index):
    """The pointer `index` elements further on."""

    def codegen(context, builder, signature, args):
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, index), codegen


@intrinsic
def opaque(typingctx, pointer):
    """The same pointer, of which the optimiser does not know where it comes from: it stays the base of the accesses made through it.

    AArch64 loads two registers with one instruction within 1 KiB of a base. Left alone, LLVM makes fewer bases that reach less.
    """

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(args[0].type, [args[0].type])
        return builder.asm(kind, "", "=r,0", [args[0]], False)

    return pointer(pointer), codegen


def elementwise(formula, rows=1):
    """An intrinsic of as many vectors as `formula` has parameters, which applies it to each lane: `formula(*Value) -> Value`.

    A formula is taken to its end for the lanes of one register before the next ones: together they would need more registers than
    there are.

    rows: how many values the formula gives, as a tuple if more than one; the intrinsic's vector has as many rows.
    """

    def build(vectors):
        def of_lanes(builder, lanes):
            result = formula(*(Value(builder, part) for part in lanes))
            return [value.value for value in (result if rows > 1 else (result,))]

        def of_parts(builder, parts):
            narrow = zip(*(cut(builder, part, REGISTER) for part in parts), strict=True)
            return [joined(builder, row) for row in zip(*(of_lanes(builder, lanes) for lanes in narrow), strict=True)]

        def applied(builder, args):
            columns = zip(*(split(builder, arg) for arg in args), strict=True)
            results = [of_parts(builder, parts) for parts in columns]
            return [value for row in zip(*results, strict=True) for value in row]

        def codegen(context, builder, signature, args):
            return join(builder, applied(builder, args))

        return Vec(vectors[0].lanes, vectors[0].rows * rows)(*vectors), codegen

    names = ", ".join(f"v{k}" for k in range(formula.__code__.co_argcount))
    return intrinsic(eval(f"lambda typingctx, {names}: build(({names},))", {"build": build}))  # Numba wants each parameter by name
