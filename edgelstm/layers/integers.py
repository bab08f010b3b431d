"""Shared checks of integer records: weights, scales, multipliers, and the table of tanh."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import ShapeError, UnsupportedModelError, printable
from .record import Array, Layer, checked_array, require_shape

#: Largest magnitude of a quantised weight or activation: -128 is never used, so that products of two stay within 2**14.
LIMIT = 127


#: Largest shift of input products that are integers; how many products of two integers, and what bias beside them, fit in an int32.
MOST_SHIFT, MOST_PRODUCTS, MOST_BIAS = 8, 1 << 16, 1 << 30


#: Largest shift, to either side, of input products that are floats: where x has a scale of each step.
MOST_FLOAT_SHIFT = 100


#: Half a step of an activation, in its range: what rounding alone may move.
HALF_STEP = 0.5 / LIMIT


#: What the records below can be computed in.
SCHEMES = ("int8-weight", "int8-dynamic")


def int8_matrix(owner: str, name: str, value: Array) -> NDArray[np.int8]:
    """`value` as a private, read-only int8 matrix without -128."""
    array = integers(owner, name, value, np.int8, (None, None))
    if (array == -128).any():
        raise ShapeError(f"{owner}: {name} holds -128; quantised weights lie in -127 to 127.")
    return array


def positive(owner: str, name: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
    if not (array > 0).all():
        raise ShapeError(f"{owner}: {name} must be positive; a row of zeros has the scale 1.")
    return array


def check_scheme(layer: Layer) -> None:
    """The scheme is known, and a calibrated scale of an activation, where there is one, is a positive number."""
    if layer.numbers not in SCHEMES:
        raise UnsupportedModelError(f"{layer.label}: scheme {printable(repr(layer.numbers), 60)} is not one of {', '.join(SCHEMES)}.")
    for name in ("input_scale", "hidden_scale"):
        value = getattr(layer, name, None)
        if value is None:
            continue
        if layer.numbers == "int8-weight":
            raise UnsupportedModelError(f"{layer.label}: scheme int8-weight leaves activations in float32 and takes no {name}.")
        scale = checked_array(layer.label, name, value, 1)
        require_shape(layer.label, name, scale, (1,), "one step serves all values")
        object.__setattr__(layer, name, positive(layer.label, name, scale))


#: Bits behind the point of a gate before its activation (Q3.12) and after it (Q0.15).
GATE_BITS, ACTIVATION_BITS = 12, 15


#: Bits behind the point that an int16 cell may have: it reaches from +-1 to +-64.
CELL_BITS = range(9, 16)


#: Smallest and largest mantissa of a multiplier that is not 0, and the shifts that may follow it.
MANTISSA = (1 << 30, (1 << 31) - 1)


SHIFT = (-31, 30)


#: Scales of real activations lie far inside; their inverses are finite in float32.
SCALE = (1e-30, 1e30)


#: Intervals of `tanh_table` in 1, and where it ends.
TABLE_STEPS, TABLE_END = 128, 8


def tanh_table() -> NDArray[np.uint16]:
    """Tanh at multiples of 1/128 from 0 to 8, in Q0.16: (1025,). With linear interpolation it serves tanh and sigmoid."""
    exact = np.tanh(np.arange(TABLE_STEPS * TABLE_END + 1) / TABLE_STEPS)
    return np.asarray(np.minimum(np.rint(exact * 65536), 65535).astype(np.uint16))


def multiplier(factor: float) -> tuple[int, int]:
    """`factor` as (mantissa, shift): ``mantissa / 2**31 * 2**shift``, the mantissa at least 2**30, or (0, 0) where it is below 2**-32.

    Source: ``QuantizeMultiplier`` of TensorFlow Lite.

    Raises
    ------
    UnsupportedModelError
        If it is negative, not a number, or 2**30 and more.
    """
    if not 0 <= factor < 2.0 ** SHIFT[1]:
        raise UnsupportedModelError(f"a multiplier must lie from 0 to 2**{SHIFT[1]}; got {factor:g}. Check the scales of the tensors.")
    fraction, shift = math.frexp(factor)
    mantissa = round(fraction * (1 << 31))
    if mantissa == 1 << 31:
        mantissa, shift = 1 << 30, shift + 1
    return (mantissa, shift) if shift >= SHIFT[0] else (0, 0)


def integers(owner: str, name: str, value: Array, dtype: DTypeLike, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """`value` as a private, read-only, C-ordered array that already has this dtype; None in `shape` stands for any length."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(n > 0 and (want is None or n == want) for n, want in zip(array.shape, shape, strict=True))
    if array.dtype != np.dtype(dtype) or not fits:
        expected = ", ".join("any" if n is None else str(n) for n in shape)
        raise ShapeError(f"{owner}: {name} must be {np.dtype(dtype)} of shape ({expected}); got {array.dtype} of shape {array.shape}.")
    array = np.array(array, order="C")
    array.flags.writeable = False
    return array


def check_matrix(layer: Layer, name: str) -> NDArray[np.int8]:
    array = int8_matrix(layer.label, name, getattr(layer, name))
    object.__setattr__(layer, name, array)
    return array


def check_multiplier(layer: Layer, names: tuple[str, str], groups: int, rows: int) -> None:
    """Mantissas and shifts: one a group of rows, or one a row."""
    lengths = {np.asarray(getattr(layer, name)).size for name in names}
    if lengths not in ({groups}, {rows}):
        raise ShapeError(f"{layer.label}: {' and '.join(names)} must both hold {groups} or {rows} numbers; got {sorted(lengths)}.")
    size = lengths.pop()
    mantissa = integers(layer.label, names[0], getattr(layer, names[0]), np.int32, (size,))
    shift = integers(layer.label, names[1], getattr(layer, names[1]), np.int8, (size,))
    if ((mantissa < MANTISSA[0]) & (mantissa != 0)).any():
        raise ShapeError(f"{layer.label}: {names[0]} must be 0 or {MANTISSA[0]} and more; got {mantissa.min()}.")
    if shift.min() < SHIFT[0] or shift.max() > SHIFT[1]:
        raise ShapeError(f"{layer.label}: {names[1]} must lie from {SHIFT[0]} to {SHIFT[1]}; got {shift.min()} to {shift.max()}.")
    object.__setattr__(layer, names[0], mantissa)
    object.__setattr__(layer, names[1], shift)


def check_scale(layer: Layer, scale_name: str, zero_point_name: str) -> None:
    scale = checked_array(layer.label, scale_name, getattr(layer, scale_name), 1)
    require_shape(layer.label, scale_name, scale, (1,), "one scale serves all values")
    if not SCALE[0] < scale[0] < SCALE[1]:
        raise ShapeError(f"{layer.label}: {scale_name} must lie between {SCALE[0]:g} and {SCALE[1]:g}; got {scale[0]:g}.")
    object.__setattr__(layer, scale_name, scale)
    check_whole(layer, zero_point_name, -128, 127)


def check_whole(layer: Layer, name: str, low: int, high: int) -> None:
    value = getattr(layer, name)
    if type(value) is not int or not low <= value <= high:
        raise ShapeError(f"{layer.label}: {name} must be a whole number from {low} to {high}; got {printable(repr(value), 60)}.")


def check_sums(layer: Layer, weight: NDArray[np.int8], zero_point: int, bias: NDArray[np.int32]) -> None:
    """No sum of a row, at any input, leaves int32."""
    reach = max(127 - zero_point, zero_point + 128)
    largest = np.abs(weight.astype(np.int64)).sum(axis=1) * reach + np.abs(bias.astype(np.int64))  # (rows,)
    if largest.max() >= 1 << 31:
        raise UnsupportedModelError(
            f"{layer.label}: row {largest.argmax()} can sum up to {largest.max()}, beyond int32, because of its bias or its length. "
            "Keep this layer in f32."
        )
