"""Fixed-point arithmetic of the integer-only layers: the compiled side of `reference.integers`, function by function.

Everything is int64, so that no intermediate value can overflow, whatever a restored state holds.
"""

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from .simd.formulas import ROUNDER, ROUNDER_BITS
from .simd.vectors import FLOATS

inlined = njit(inline="always")

#: As in `reference.integers`: bits behind the point of a gate, of an activation, of what the table takes and gives, of an interval.
GATE_BITS, ACTIVATION_BITS, IN_BITS, OUT_BITS, INTERVAL_BITS = 12, 15, 15, 24, 8
LAST = (8 << IN_BITS) - 1

#: 3/2 with three bits before the point, and sqrt(2)/2 with none.
THREE_HALVES, HALF_ROOT_OF_TWO = 3 << 27, 1518500250


def _view(width):
    kind, numba_type = {8: (ir.IntType(8), types.int8), 16: (ir.IntType(16), types.uint16), 32: (ir.IntType(32), types.int32)}[width]

    @intrinsic
    def view(typingctx, pointer, at):
        """The memory of a float pointer as integers, from byte `at`."""

        def codegen(context, builder, signature, args):
            place = builder.gep(builder.bitcast(args[0], ir.IntType(8).as_pointer()), [args[1]])
            return builder.bitcast(place, kind.as_pointer())

        return types.CPointer(numba_type)(FLOATS, types.int64), codegen

    return view


int8_at, uint16_at, int32_at = _view(8), _view(16), _view(32)


@intrinsic
def whole(typingctx, x):
    """The nearest whole number, ties to even, of a float32 within +-2**22, as int32: in the bits of a sum, as in `simd.dots`."""

    def codegen(context, builder, signature, args):
        moved = builder.fadd(args[0], ir.Constant(ir.FloatType(), ROUNDER))
        return builder.sub(builder.bitcast(moved, ir.IntType(32)), ir.Constant(ir.IntType(32), ROUNDER_BITS))

    return types.int32(types.float32), codegen


@inlined
def saturated(x, low, high):
    """x held within low to high."""
    return min(max(x, low), high)


@inlined
def rounded_shift(x, bits):
    """x / 2**bits, halves away from zero."""
    half = (1 << bits) >> 1
    return (x + half) >> bits if x >= 0 else -((half - x) >> bits)


@inlined
def rescaled(x, mantissa, shift):
    """x * mantissa / 2**31 * 2**shift, rounded twice."""
    left = saturated(x << max(shift, 0), -(1 << 31), (1 << 31) - 1)
    return rounded_shift((left * mantissa + (1 << 30)) >> 31, max(-shift, 0))


@inlined
def toward_zero(x, divisor):
    """x / divisor without its fraction, as C divides; divisor > 0."""
    return x // divisor if x >= 0 else -(-x // divisor)


@inlined
def doubled_product(a, b):
    """a * b / 2**31 of what is not negative, halves up: gemmlowp's ``SaturatingRoundingDoublingHighMul``."""
    return (a * b + (1 << 30)) >> 31


@inlined
def inverse_root(x):
    """Mantissa and shift of 1 / sqrt(x), x >= 1: `reference.integers.inverse_root`, step by step."""
    mantissa, shift = (1 << 31) - 1, 0
    if x > 1:
        shift = 11
        while x >= 1 << 29:
            x = x // 4
            shift += 1
        while x < 1 << 27:
            x = x << 2
            shift -= 1
        half, root = ((x >> 1) + 1) >> 1, 1 << 28
        for _ in range(5):
            cube = min(doubled_product(doubled_product(root, root), root) << 6, (1 << 31) - 1)
            root = min((doubled_product(THREE_HALVES, root) - doubled_product(half, cube)) << 3, (1 << 31) - 1)
        mantissa = doubled_product(root, HALF_ROOT_OF_TWO)
        if shift < 0:
            mantissa, shift = mantissa << -shift, 0
    return mantissa, -shift


@inlined
def interpolated(table, x):
    """Tanh of x >= 0: from 15 bits behind the point to 24."""
    x = min(x, LAST)
    interval = x >> INTERVAL_BITS
    rest = x & ((1 << INTERVAL_BITS) - 1)
    low = int(table[interval])
    return (low << INTERVAL_BITS) + (int(table[interval + 1]) - low) * rest


@inlined
def tanh(table, x, bits):
    """Tanh of x with `bits` behind the point, in Q0.15."""
    drop = OUT_BITS - ACTIVATION_BITS
    positive = min((interpolated(table, abs(x) << (IN_BITS - bits)) + (1 << (drop - 1))) >> drop, (1 << ACTIVATION_BITS) - 1)
    return positive if x >= 0 else -positive


@inlined
def sigmoid(table, x):
    """1/2 + tanh(x/2)/2 of x in Q3.12, in Q0.15."""
    drop = OUT_BITS + 1 - ACTIVATION_BITS
    half = interpolated(table, abs(x) << (IN_BITS - GATE_BITS - 1))
    twice = (1 << OUT_BITS) + (half if x >= 0 else -half)
    return min((twice + (1 << (drop - 1))) >> drop, (1 << ACTIVATION_BITS) - 1)
