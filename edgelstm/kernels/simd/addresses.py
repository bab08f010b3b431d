"""Raw addresses in kernels: what the call from Python needs and no arithmetic does."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vectors import FLOATS

#: Floats in a cache line.
CACHE_LINE = 16

_WIDTHS = {"i64": (ir.IntType(64), types.int64), "i32": (ir.IntType(32), types.int32), "f32": (ir.FloatType(), types.float32)}


def _place(builder, args, kind):
    return builder.inttoptr(builder.add(args[0], args[1]), kind.as_pointer())


def _peek(width):
    kind, numba_type = _WIDTHS[width]

    @intrinsic
    def peek(typingctx, address, offset):
        """The value at `address + offset` bytes."""

        def codegen(context, builder, signature, args):
            return builder.load(_place(builder, args, kind), align=4)

        return numba_type(types.int64, types.int64), codegen

    return peek


def _poke(width):
    kind, numba_type = _WIDTHS[width]

    @intrinsic
    def poke(typingctx, address, offset, value):
        """Write `value` at `address + offset` bytes."""

        def codegen(context, builder, signature, args):
            builder.store(args[2], _place(builder, args, kind), align=4)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, numba_type), codegen

    return poke


peek_i64, peek_i32, peek_f32 = _peek("i64"), _peek("i32"), _peek("f32")
poke_i32, poke_i64 = _poke("i32"), _poke("i64")


@intrinsic
def fetch(typingctx, lanes, pointer, ahead):
    """Ask for the vector of this width at `pointer[ahead]` to be brought near, wherever that is: it is not read."""

    def codegen(context, builder, signature, args):
        void, byte, word = ir.VoidType(), ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(void, [byte, word, word, word]), "llvm.prefetch.p0")
        for at in range(0, sum(lanes.vec.pieces), CACHE_LINE):
            place = builder.gep(args[1], [builder.add(args[2], ir.Constant(args[2].type, at))])
            builder.call(function, [builder.bitcast(place, byte), *(ir.Constant(word, v) for v in (0, 3, 1))])  # to read, often, data
        return context.get_dummy_value()

    return types.void(lanes, pointer, types.int64), codegen


@intrinsic
def floats_at(typingctx, address):
    """The address as a pointer to float32."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], ir.FloatType().as_pointer())

    return FLOATS(types.int64), codegen


@intrinsic
def steps_taken(typingctx, arena):
    """The number of steps taken, with which an arena begins."""

    def codegen(context, builder, signature, args):
        return builder.load(builder.bitcast(args[0], ir.IntType(64).as_pointer()), align=4)

    return types.int64(FLOATS), codegen


@intrinsic
def call_address(typingctx, address, a, b, c, d):
    """Call the C function at `address` with four words; its answer is a word."""

    def codegen(context, builder, signature, args):
        word = ir.IntType(64)
        function = ir.FunctionType(word, [word] * 4).as_pointer()
        return builder.call(builder.inttoptr(args[0], function), args[1:])

    return types.int64(*[types.int64] * 5), codegen


@intrinsic
def run_step(typingctx, weights, arena):
    """One step of the model that this module is compiled for, on the arena's own input and output."""

    def codegen(context, builder, signature, args):
        word = ir.IntType(64)
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [word, word]), "edgelstm_step_in_place")
        builder.call(function, args)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def run_block(typingctx, weights, arena, x, y, steps):
    """A block of steps of the model that this module is compiled for, from x to y."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [a.type for a in args])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "edgelstm_block"), args)
        return context.get_dummy_value()

    return types.void(FLOATS, FLOATS, FLOATS, FLOATS, types.int64), codegen


def _calling_fused(symbol):
    """Code of an intrinsic that passes its arguments on to a function of this module, which gives nothing."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [a.type for a in args])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), args)
        return context.get_dummy_value()

    return codegen


@intrinsic
def run_apart(typingctx, weights, state, room, x, y):
    """One step of a stream whose state lies apart from its scratch and rows, which are in `room`."""
    return types.void(*[FLOATS] * 5), _calling_fused("edgelstm_apart")


@intrinsic
def run_apart_block(typingctx, weights, state, room, x, y, steps):
    """The same of a block of steps."""
    return types.void(*[FLOATS] * 5, types.int64), _calling_fused("edgelstm_apart_block")


@intrinsic
def call_streams(typingctx, call, x, y):
    """`entry.streams.run_streams` of this module."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(ir.IntType(64), [a.type for a in args])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "edgelstm_run_streams"), args)

    return types.int64(types.int64, FLOATS, FLOATS), codegen


@intrinsic
def run_group(typingctx, weights, places, rooms, x, y, x_stride, y_stride, count):
    """One step of a group of streams, whose states are at the addresses at `places`. Strides: floats from stream to stream."""
    kinds = FLOATS, types.int64, FLOATS, FLOATS, FLOATS, types.int64, types.int64, types.int64
    return types.void(*kinds), _calling_fused("edgelstm_group")


@intrinsic
def call_run(typingctx, weights, arena, x, y, n, limit, checked):
    """`entry.blocks.process` of this module."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(ir.IntType(64), [a.type for a in args])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "edgelstm_run"), args, attrs=("noinline",))

    return types.int64(*[FLOATS] * 4, types.int64, types.float32, types.int64), codegen


@intrinsic
def block_of_rows(typingctx, binding, args):
    """`entry.python_call.python_block` of this module."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(ir.IntType(64), [a.type for a in args])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "edgelstm_python_block"), args)

    return types.int64(types.int64, types.int64), codegen


def calling(symbol):
    """An intrinsic (w, x, y, s, z, n): the call of a layer's kernel that is compiled under `symbol`."""

    @intrinsic
    def call_kernel(typingctx, w, x, y, s, z, n):
        def codegen(context, builder, signature, args):
            kind = ir.FunctionType(ir.VoidType(), [a.type for a in args])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), args)
            return context.get_dummy_value()

        return types.void(*[FLOATS] * 5, types.int64), codegen

    return call_kernel


def calling_counted(symbol):
    """An intrinsic (w, x, y, s, z, n, before): the same of a kernel that takes how many rows it has read before."""

    @intrinsic
    def call_kernel(typingctx, w, x, y, s, z, n, before):
        def codegen(context, builder, signature, args):
            kind = ir.FunctionType(ir.VoidType(), [a.type for a in args])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), args)
            return context.get_dummy_value()

        return types.void(*[FLOATS] * 5, types.int64, types.int64), codegen

    return call_kernel


@intrinsic
def run_recording(typingctx, weights, arena, work, x, y, rows):
    """A whole recording through the model that this module is compiled for, from x to y."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [a.type for a in args])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "edgelstm_recording"), args)
        return context.get_dummy_value()

    return types.void(*[FLOATS] * 5, types.int64), codegen


@intrinsic
def find_bad(typingctx, x, limit, steps):
    """`checks` for this model: index of the first timestep that is not fit, `steps` where there is none."""

    def codegen(context, builder, signature, args):
        kinds = [a.type for a in args]
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(64), kinds), "edgelstm_first_bad")
        return builder.call(function, args)

    return types.int64(FLOATS, types.float32, types.int64), codegen
