"""Layer records in integers alone (scheme ``int8-static``): int8 weights and activations, an int16 cell, calibrated scales.

The form is TensorFlow Lite's "8x8_16". The records hold numbers and check them; `reference_int8_static` says what they mean, step by step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .errors import ShapeError, UnsupportedModelError, printable
from .layers import Array, Layer, Recurrent, checked_array, require_shape

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


def _check_weights(layer: "LSTMInt8Static | DenseInt8Static", name: str) -> NDArray[np.int8]:
    array = integers(layer.label, name, getattr(layer, name), np.int8, (None, None))
    if (array == -128).any():
        raise ShapeError(f"{layer.label}: {name} holds -128; quantised weights lie in -127 to 127.")
    object.__setattr__(layer, name, array)
    return array


def _check_multiplier(layer: "LSTMInt8Static | DenseInt8Static", names: tuple[str, str], groups: int, rows: int) -> None:
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


def _check_scale(layer: "LSTMInt8Static | DenseInt8Static", scale_name: str, zero_point_name: str) -> None:
    scale = checked_array(layer.label, scale_name, getattr(layer, scale_name), 1)
    require_shape(layer.label, scale_name, scale, (1,), "one scale serves all values")
    if not SCALE[0] < scale[0] < SCALE[1]:
        raise ShapeError(f"{layer.label}: {scale_name} must lie between {SCALE[0]:g} and {SCALE[1]:g}; got {scale[0]:g}.")
    object.__setattr__(layer, scale_name, scale)
    _check_integer(layer, zero_point_name, -128, 127)


def _check_integer(layer: "LSTMInt8Static | DenseInt8Static", name: str, low: int, high: int) -> None:
    value = getattr(layer, name)
    if type(value) is not int or not low <= value <= high:
        raise ShapeError(f"{layer.label}: {name} must be a whole number from {low} to {high}; got {printable(repr(value), 60)}.")


def _check_sums(layer: "LSTMInt8Static | DenseInt8Static", weight: NDArray[np.int8], zero_point: int, bias: NDArray[np.int32]) -> None:
    """No sum of a row, at any input, leaves int32."""
    reach = max(127 - zero_point, zero_point + 128)
    largest = np.abs(weight.astype(np.int64)).sum(axis=1) * reach + np.abs(bias.astype(np.int64))  # (rows,)
    if largest.max() >= 1 << 31:
        raise UnsupportedModelError(
            f"{layer.label}: row {largest.argmax()} can sum up to {largest.max()}, beyond int32, because of its bias or its length. "
            "Keep this layer in f32."
        )


@dataclass(eq=False, repr=False)
class LSTMInt8Static(Recurrent):
    """An LSTM layer in integers: int8 x and h, int16 cell, Q3.12 gates, Q0.15 activations.

    Neighbouring layers see float32: x is quantised on entry, and h leaves as ``(q - hidden_zero_point) * hidden_scale``.

    Parameters
    ----------
    weight_ih : (4*hidden_size, input_size) int8
    weight_hh : (4*hidden_size, hidden_size) int8
        Rows i f g o, within +-127.
    mantissa_ih, mantissa_hh : (4,) or (4*hidden_size,) int32
    shift_ih, shift_hh : the same shape, int8
        What turns a sum of products into Q3.12, a gate or a row: ``mantissa / 2**31 * 2**shift``; see `multiplier`.
    input_scale, hidden_scale : (1,)
        Size of one integer step of x and of h.
    input_zero_point, hidden_zero_point : int
        The integer that stands for 0.
    mantissa_out : (1,) int32
    shift_out : (1,) int8
        What turns ``o * tanh(c)`` in Q0.30 into steps of h.
    cell_bits : int
        An integer step of the cell is ``2**-cell_bits``; 9 to 15.
    bias : (4*hidden_size,) int32, optional
        In steps of the products of weight_ih and x.
    cell_clip : int, optional
        The cell is held within +-cell_clip integer steps, 1 to 32767.
    h0 : (hidden_size,) int8, optional
    c0 : (hidden_size,) int16, optional
        State before the first step, in integers. Absent, it stands for zero.
    """

    kind: ClassVar[str] = "lstm_int8_static"
    weight_ih: Array
    weight_hh: Array
    mantissa_ih: Array
    shift_ih: Array
    mantissa_hh: Array
    shift_hh: Array
    mantissa_out: Array
    shift_out: Array
    input_scale: Array
    input_zero_point: int
    hidden_scale: Array
    hidden_zero_point: int
    cell_bits: int
    bias: Array = None
    cell_clip: int | None = None
    h0: Array = None
    c0: Array = None

    def _check(self) -> None:
        hidden = _check_weights(self, "weight_hh").shape[1]
        require_shape(
            self.label, "weight_hh", self.weight_hh, (4 * hidden, hidden), "its rows are the gates i f g o of hidden_size rows each"
        )
        inputs = _check_weights(self, "weight_ih").shape[1]
        require_shape(self.label, "weight_ih", self.weight_ih, (4 * hidden, inputs), f"weight_hh has hidden_size = {hidden} columns")
        bias = np.zeros(4 * hidden, np.int32) if self.bias is None else self.bias
        self._set("bias", integers(self.label, "bias", bias, np.int32, (4 * hidden,)))
        for names in (("mantissa_ih", "shift_ih"), ("mantissa_hh", "shift_hh")):
            _check_multiplier(self, names, 4, 4 * hidden)
        _check_multiplier(self, ("mantissa_out", "shift_out"), 1, 1)
        _check_scale(self, "input_scale", "input_zero_point")
        _check_scale(self, "hidden_scale", "hidden_zero_point")
        _check_integer(self, "cell_bits", CELL_BITS[0], CELL_BITS[-1])
        if self.cell_clip is not None:
            _check_integer(self, "cell_clip", 1, 32767)
        _check_sums(self, self.weight_ih, self.input_zero_point, self.bias)
        _check_sums(self, self.weight_hh, self.hidden_zero_point, np.zeros(1, np.int32))
        for name, dtype in (("h0", np.int8), ("c0", np.int16)):
            if getattr(self, name) is not None:
                self._set(name, integers(self.label, name, getattr(self, name), dtype, (hidden,)))


@dataclass(eq=False, repr=False)
class DenseInt8Static(Layer):
    """A fully connected layer in integers: int8 in, int32 sums, int8 out; float32 to its neighbours as `LSTMInt8Static`.

    Parameters
    ----------
    weight : (output_size, input_size) int8
        Within +-127.
    mantissa : (1,) or (output_size,) int32
    shift : the same shape, int8
        What turns a sum of products into steps of the output; see `multiplier`.
    input_scale, output_scale : (1,)
    input_zero_point, output_zero_point : int
    bias : (output_size,) int32, optional
        In steps of the products.
    """

    kind: ClassVar[str] = "dense_int8_static"
    weight: Array
    mantissa: Array
    shift: Array
    input_scale: Array
    input_zero_point: int
    output_scale: Array
    output_zero_point: int
    bias: Array = None

    def _check(self) -> None:
        outputs = _check_weights(self, "weight").shape[0]
        bias = np.zeros(outputs, np.int32) if self.bias is None else self.bias
        self._set("bias", integers(self.label, "bias", bias, np.int32, (outputs,)))
        _check_multiplier(self, ("mantissa", "shift"), 1, outputs)
        _check_scale(self, "input_scale", "input_zero_point")
        _check_scale(self, "output_scale", "output_zero_point")
        _check_sums(self, self.weight, self.input_zero_point, self.bias)

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, int(self.weight.shape[1]), f"weight has shape {self.weight.shape}")
        return int(self.weight.shape[0])
