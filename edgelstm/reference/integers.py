"""Exact integer arithmetic of the twins: rounding, rescaling, tanh and sigmoid from a table."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers.integers import ACTIVATION_BITS, GATE_BITS, TABLE_END, tanh_table

Vector = NDArray[np.float64]


Integers = NDArray[np.int64]


#: Bits behind the point of what `interpolated` takes and gives; a table interval is 2**8 of its steps.
_IN_BITS, _OUT_BITS, _INTERVAL_BITS = 15, 24, 8


_TABLE = tanh_table().astype(np.int64)


def saturated(x: Integers, bits: int) -> Integers:
    """x held within a signed integer of `bits` bits."""
    return np.asarray(np.clip(x, -(1 << (bits - 1)), (1 << (bits - 1)) - 1))


def rounded_shift(x: Integers, bits: NDArray[Any] | int) -> Integers:
    """x / 2**bits, halves away from zero: gemmlowp's ``RoundingDivideByPOT``."""
    half = np.left_shift(np.int64(1), bits) >> 1
    return np.asarray(np.sign(x) * ((np.abs(x) + half) >> bits))


def rescaled(x: Integers, mantissa: NDArray[np.int32], shift: NDArray[np.int8]) -> Integers:
    """x * mantissa / 2**31 * 2**shift, rounded twice: TensorFlow Lite's ``MultiplyByQuantizedMultiplier`` for int32.

    First to int32, halves up, after a left shift; then by a right shift, halves away from zero. The left shift saturates where
    TensorFlow Lite leaves it undefined. x: (rows,); mantissa and shift: one for each row, or for each of several equal groups of rows.
    """
    factor, power = (np.repeat(a.astype(np.int64), x.size // a.size) for a in (mantissa, shift))  # (rows,)
    left = saturated(x << np.maximum(power, 0), 32)
    product = (left * factor + (1 << 30)) >> 31
    return rounded_shift(product, np.maximum(-power, 0))


def interpolated(x: Integers) -> Integers:
    """Tanh of x >= 0: from 15 bits behind the point to 24. What lies beyond the table takes its end."""
    x = np.minimum(x, (TABLE_END << _IN_BITS) - 1)
    interval, rest = x >> _INTERVAL_BITS, x & ((1 << _INTERVAL_BITS) - 1)
    return np.asarray((_TABLE[interval] << _INTERVAL_BITS) + (_TABLE[interval + 1] - _TABLE[interval]) * rest)


def tanh(x: Integers, bits: int) -> Integers:
    """Tanh of x with `bits` (9 to 15) behind the point, in Q0.15; within one step of the exact value."""
    drop = _OUT_BITS - ACTIVATION_BITS
    positive = (interpolated(np.abs(x) << (_IN_BITS - bits)) + (1 << (drop - 1))) >> drop
    return np.asarray(np.sign(x) * np.minimum(positive, (1 << ACTIVATION_BITS) - 1))


def sigmoid(x: Integers) -> Integers:
    """``1/2 + tanh(x/2)/2`` of x in Q3.12, in Q0.15; within one step of the exact value."""
    twice = (1 << _OUT_BITS) + np.sign(x) * interpolated(np.abs(x) << (_IN_BITS - GATE_BITS - 1))
    drop = _OUT_BITS + 1 - ACTIVATION_BITS
    return np.asarray(np.minimum((twice + (1 << (drop - 1))) >> drop, (1 << ACTIVATION_BITS) - 1))


def quantised(x: Vector, scale: NDArray[np.float32], zero_point: int) -> Integers:
    """round(x / scale) + zero_point within int8. x and the scale's inverse are multiplied in float32; ties go to even."""
    with np.errstate(over="ignore"):
        steps = np.asarray(x, np.float32) * (np.float32(1) / scale[0])
    return np.asarray(np.clip(np.rint(steps) + np.float32(zero_point), -128, 127).astype(np.int64))


def dequantised(q: Integers, scale: NDArray[np.float32], zero_point: int) -> Vector:
    """(q - zero_point) * scale in float32."""
    return np.asarray(((q - zero_point).astype(np.float32) * scale[0]).astype(np.float64))


def toward_zero(x: int, divisor: int) -> int:
    """x / divisor without its fraction, as C divides."""
    return x // divisor if x >= 0 else -(-x // divisor)


def _doubled_product(a: int, b: int) -> int:
    """a * b / 2**31 of what is not negative, halves up: gemmlowp's ``SaturatingRoundingDoublingHighMul``."""
    return (a * b + (1 << 30)) >> 31


def inverse_root(x: int) -> tuple[int, int]:
    """1 / sqrt(x) of a whole number from 1 up, as a mantissa and a shift: TensorFlow Lite's ``GetInvSqrtQuantizedMultiplierExp``.

    Five of Newton's steps from 1, with three bits before the point, for x moved by pairs of bits into 2**27 to 2**29.
    """
    if x == 1:
        return (1 << 31) - 1, 0
    shift = 11
    while x >= 1 << 29:
        x, shift = x // 4, shift + 1
    while x < 1 << 27:
        x, shift = x << 2, shift - 1
    half, root, most = ((x >> 1) + 1) >> 1, 1 << 28, (1 << 31) - 1
    for _ in range(5):
        cube = min(_doubled_product(_doubled_product(root, root), root) << 6, most)
        root = min((_doubled_product(3 << 27, root) - _doubled_product(half, cube)) << 3, most)
    mantissa = _doubled_product(root, round(2**31 * 0.5**0.5))
    return (mantissa << -shift, 0) if shift < 0 else (mantissa, -shift)
