"""Layer records with int8 weights: what `quantization` makes of the float records, and what importers read from int8 files.

Like `layers`, they hold numbers and check shapes. What the numbers mean, step by step, stands in `reference_int8`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .errors import ShapeError, UnsupportedModelError
from .layers import Array, Layer, Recurrent, checked_array, require_shape

#: Largest magnitude of a quantised weight or activation: -128 is never used, so that products of two stay within 2**14.
LIMIT = 127

#: What the records below can be computed in.
SCHEMES = ("int8-weight", "int8-dynamic")


def _weights(owner: str, name: str, value: Array) -> NDArray[np.int8]:
    """`value` as a private, read-only int8 matrix without -128."""
    array = np.asarray(value)
    if array.dtype != np.int8 or array.ndim != 2 or 0 in array.shape:
        raise ShapeError(f"{owner}: {name} must be an int8 matrix; got {array.dtype} of shape {array.shape}.")
    if (array == -128).any():
        raise ShapeError(f"{owner}: {name} holds -128; quantised weights lie in -127 to 127.")
    array = np.array(array, order="C")
    array.flags.writeable = False
    return array


def _positive(owner: str, name: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
    if not (array > 0).all():
        raise ShapeError(f"{owner}: {name} must be positive; a row of zeros has the scale 1.")
    return array


@dataclass(eq=False, repr=False)
class LSTMInt8(Recurrent):
    """An LSTM layer with int8 weights, one scale a row, and a float32 cell.

    Parameters
    ----------
    scheme : {"int8-weight", "int8-dynamic"}
        Whether x and h stay float32, or are quantised at each step: h to multiples of 1/127, x to multiples of `input_scale`.
    weight_ih : (4*hidden_size, input_size) int8
    weight_hh : (4*hidden_size, hidden_size) int8
        Rows i f g o. A weight is its integer times its row's scale.
    scale_ih, scale_hh : (4*hidden_size,)
    bias : (4*hidden_size,), optional
    input_scale : (1,), optional
        Calibrated step of x. Absent, with "int8-dynamic": max(abs(x)) / 127 of each step.
    h0, c0 : (hidden_size,), optional
        State before the first step; magnitudes at most 1 where h is quantised.
    """

    kind: ClassVar[str] = "lstm_int8"
    scheme: str
    weight_ih: Array
    weight_hh: Array
    scale_ih: Array
    scale_hh: Array
    bias: Array = None
    input_scale: Array = None
    h0: Array = None
    c0: Array = None

    def _check(self) -> None:
        _check_scheme(self)
        self._set("weight_hh", _weights(self.label, "weight_hh", self.weight_hh))
        self._set("weight_ih", _weights(self.label, "weight_ih", self.weight_ih))
        hidden = self.hidden_size
        because = f"weight_hh has hidden_size = {hidden} columns"
        require_shape(
            self.label, "weight_hh", self.weight_hh, (4 * hidden, hidden), "its rows are the gates i f g o of hidden_size rows each"
        )
        require_shape(self.label, "weight_ih", self.weight_ih, (4 * hidden, self.input_size), because)
        if self.bias is None:
            self._set("bias", np.zeros(4 * hidden, np.float32))
        for name, size in (("bias", 4 * hidden), ("scale_ih", 4 * hidden), ("scale_hh", 4 * hidden), ("h0", hidden), ("c0", hidden)):
            if getattr(self, name) is not None:
                self._set(name, checked_array(self.label, name, getattr(self, name), 1))
                require_shape(self.label, name, getattr(self, name), (size,), because)
        _positive(self.label, "scale_ih", self.scale_ih)
        _positive(self.label, "scale_hh", self.scale_hh)
        if self.scheme == "int8-dynamic" and self.h0 is not None and np.abs(self.h0).max() > 1:
            raise UnsupportedModelError(
                f"{self.label}: h0 reaches {np.abs(self.h0).max():g}; quantised h lies within 1. Keep this layer in f32."
            )


@dataclass(eq=False, repr=False)
class DenseInt8(Layer):
    """A fully connected layer with int8 weights, one scale a row, and float32 output.

    Parameters
    ----------
    scheme : {"int8-weight", "int8-dynamic"}
    weight : (output_size, input_size) int8
    scale : (output_size,)
    bias : (output_size,), optional
    input_scale : (1,), optional
        As in `LSTMInt8`.
    """

    kind: ClassVar[str] = "dense_int8"
    scheme: str
    weight: Array
    scale: Array
    bias: Array = None
    input_scale: Array = None

    def _check(self) -> None:
        _check_scheme(self)
        self._set("weight", _weights(self.label, "weight", self.weight))
        outputs = self.weight.shape[:1]
        if self.bias is None:
            self._set("bias", np.zeros(outputs, np.float32))
        for name in ("bias", "scale"):
            self._set(name, checked_array(self.label, name, getattr(self, name), 1))
            require_shape(self.label, name, getattr(self, name), outputs, f"weight has shape {self.weight.shape}")
        _positive(self.label, "scale", self.scale)

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, int(self.weight.shape[1]), f"weight has shape {self.weight.shape}")
        return int(self.weight.shape[0])


def _check_scheme(layer: LSTMInt8 | DenseInt8) -> None:
    """The scheme is known, and a calibrated input scale, where there is one, is a positive number."""
    if layer.scheme not in SCHEMES:
        raise UnsupportedModelError(f"{layer.label}: scheme {layer.scheme!r} is not one of {', '.join(SCHEMES)}.")
    if layer.input_scale is None:
        return
    if layer.scheme == "int8-weight":
        raise UnsupportedModelError(f"{layer.label}: scheme int8-weight leaves inputs in float32 and takes no input_scale.")
    scale = checked_array(layer.label, "input_scale", layer.input_scale, 1)
    require_shape(layer.label, "input_scale", scale, (1,), "one step serves all inputs")
    object.__setattr__(layer, "input_scale", _positive(layer.label, "input_scale", scale))
