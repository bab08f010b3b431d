"""The record of an LSTM layer with int8 weights. What its numbers mean, step by step, stands in `reference.lstm_int8`."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedModelError, printable
from .cells import Cell
from .integers import HALF_STEP, LIMIT, MOST_BIAS, MOST_FLOAT_SHIFT, MOST_PRODUCTS, MOST_SHIFT, check_scheme, int8_matrix, positive
from .record import Array, checked_array


@dataclass(eq=False, repr=False)
class LSTMInt8(Cell):
    """An LSTM layer with int8 weights, one scale a row, and a float32 cell.

    With "int8-weight", pre-activations are ``bias + scale_ih * sum(weight_ih * x) + scale_hh * sum(weight_hh * h)``. With "int8-dynamic"
    they are ``scale_hh * hidden_scale * (bias_steps + 2**input_shift * sum(weight_ih * q_x) + sum(weight_hh * q_h))``, where q are the
    integers of x and h; if x is calibrated, the bracket is one integer, and the bias is shifted too.

    Parameters
    ----------
    scheme : {"int8-weight", "int8-dynamic"}
        Whether x and h stay float32, or are quantised at each step, to multiples of `input_scale` and `hidden_scale`.
    weight_ih : (4*hidden_size, input_size) int8
    weight_hh : (4*hidden_size, projection_size) int8
        Rows i f g o.
    scale_hh : (4*hidden_size,)
        A recurrent weight is its integer times its row's scale; an input weight is its integer times `weight_scale_ih`.
    bias : (4*hidden_size,), optional
    input_scale : (1,), optional
        Calibrated step of x. Absent, with "int8-dynamic": max(abs(x)) / 127 of each step.
    hidden_scale : (1,), optional
        Calibrated step of h; beyond 127 of them h is clipped. Absent, with "int8-dynamic": 1/127, of a range that no h leaves unless it is
        projected.
    input_shift : int
        How far the integers of input products are shifted left: 0 to `MOST_SHIFT` where x is calibrated, else within +-`MOST_FLOAT_SHIFT`.
    h0 : (projection_size,), optional
    c0 : (hidden_size,), optional
        State before the first step; no h0 beyond 127 steps where h is quantised.
    scale_ih : (4*hidden_size,), optional
        With "int8-weight" alone: the scales of input weights. Absent, ``scale_hh * 2**input_shift``; the record then holds that.
    peephole : (3, hidden_size), optional
    weight_hr : (projection_size, hidden_size), optional
        In float32, or int8 where there is a `scale_hr`; h is float32 before it in either scheme.
    scale_hr : (projection_size,), optional
        A weight of the projection is its integer times its row's scale.
    bias_hr : (projection_size,), optional
    coupled : {"f=1-i", "i=1-f"}, optional
    cell_clip, projection_clip, gate_clip : float, optional
        As `layers.lstm.LSTM` has them, in float32.
    """

    kind: ClassVar[str] = "lstm_int8"
    forms: ClassVar[tuple[str, ...]] = ("int8-weight", "int8-dynamic")
    float_kind: ClassVar[str] = "lstm"
    rounds: ClassVar[bool] = True
    scheme: str
    weight_ih: Array
    weight_hh: Array
    scale_hh: Array
    bias: Array = None
    input_scale: Array = None
    hidden_scale: Array = None
    input_shift: int = 0
    h0: Array = None
    c0: Array = None
    scale_ih: Array = None
    scale_hr: Array = None

    @property
    def hidden_steps(self) -> np.float32:
        """Integers a unit of h."""
        return np.float32(LIMIT) if self.hidden_scale is None else np.float32(1) / np.float32(self.hidden_scale[0])

    @property
    def product_scale(self) -> NDArray[np.float32]:
        """Of the products of h: (4*hidden_size,)."""
        return np.asarray(self.scale_hh / self.hidden_steps)

    @property
    def _bias_scale(self) -> NDArray[np.float64]:
        """Of the products that the bias is added to, those of x if it is calibrated, else those of h: (4*hidden_size,)."""
        return np.asarray(self.product_scale * 2.0 ** (0 if self.input_scale is None else self.input_shift), np.float64)

    @property
    def bias_steps(self) -> NDArray[np.int64]:
        """The bias in steps of the products that it is added to: (4*hidden_size,)."""
        return np.asarray(np.rint(self.bias / self._bias_scale), np.int64)

    @property
    def rounded_bias(self) -> Array:
        """The bias as it is added to pre-activations: (4*hidden_size,)."""
        return self.bias if self.scheme == "int8-weight" else np.asarray(self.bias_steps * self._bias_scale, np.float32)

    @property
    def weight_scale_ih(self) -> NDArray[np.float32]:
        """What an integer of `weight_ih` stands for, by row: (4*hidden_size,)."""
        if self.scale_ih is not None:
            return np.asarray(self.scale_ih)
        step = 1.0 if self.input_scale is None else 1 / (float(self.hidden_steps) * float(self.input_scale[0]))
        return np.asarray(self.scale_hh * step * 2.0**self.input_shift, np.float32)

    @property
    def numbers(self) -> str:
        return str(self.scheme)

    def _check(self) -> None:
        check_scheme(self)
        self._set("weight_hh", int8_matrix(self.label, "weight_hh", self.weight_hh))
        self._set("weight_ih", int8_matrix(self.label, "weight_ih", self.weight_ih))
        if self.bias is None:
            self._set("bias", np.zeros(self.weight_hh.shape[0], np.float32))
        self._check_shapes()
        self._check_options()
        self._check_scale_hr()
        for name in ("scale_hh", "scale_ih"):
            self._check_vector(name, 4 * self.hidden_size, f"hidden_size is {self.hidden_size}")
        positive(self.label, "scale_hh", self.scale_hh)
        self._check_shift()
        self._check_scale_ih()
        self._check_bias()
        limit = 1.0 if self.hidden_scale is None else LIMIT * float(self.hidden_scale[0])
        if self.scheme == "int8-dynamic" and self.h0 is not None and np.abs(self.h0).max() > limit * (1 + HALF_STEP):
            raise UnsupportedModelError(
                f"{self.label}: h0 reaches {np.abs(self.h0).max():g}; quantised h lies within {limit:g}. Keep this layer in f32."
            )

    def _projection(self) -> Array:
        return super()._projection() if self.scale_hr is None else int8_matrix(self.label, "weight_hr", self.weight_hr)

    @property
    def projection_weights(self) -> NDArray[np.float64]:
        weights = super().projection_weights
        return weights if self.scale_hr is None else weights * self.scale_hr.astype(np.float64)[:, None]

    def _check_scale_hr(self) -> None:
        """A scale for each output of a projection in integers."""
        if self.scale_hr is None:
            return
        if self.weight_hr is None:
            raise UnsupportedModelError(f"{self.label}: scale_hr belongs to a weight_hr, and there is none; leave it out.")
        self._check_vector("scale_hr", self.projection_size, f"weight_hr has shape {self.weight_hr.shape}")
        positive(self.label, "scale_hr", self.scale_hr)

    def _check_shift(self) -> None:
        lowest, most = (-MOST_FLOAT_SHIFT, MOST_FLOAT_SHIFT) if self.input_scale is None else (0, MOST_SHIFT)
        if type(self.input_shift) is not int or not lowest <= self.input_shift <= most:
            raise UnsupportedModelError(
                f"{self.label}: input_shift must be a whole number from {lowest} to {most}; got {printable(repr(self.input_shift), 60)}."
            )
        if self.input_scale is not None and (self.input_size << self.input_shift) + self.hidden_size > MOST_PRODUCTS:
            raise UnsupportedModelError(
                f"{self.label}: input_shift {self.input_shift} and {self.input_size} inputs can overflow an integer sum. Make it smaller."
            )

    def _check_scale_ih(self) -> None:
        """Input weights have scales of their own with "int8-weight", and there alone."""
        if self.scheme != "int8-weight":
            if self.scale_ih is not None:
                raise UnsupportedModelError(
                    f"{self.label}: scheme {self.scheme} takes no scale_ih; it derives it from scale_hh and input_shift."
                )
            return
        if self.scale_ih is None:
            self._set("scale_ih", checked_array(self.label, "scale_ih", self.weight_scale_ih, 1))
        elif self.input_shift:
            raise UnsupportedModelError(f"{self.label}: input_shift must be 0 beside a scale_ih; got {self.input_shift}.")
        positive(self.label, "scale_ih", self.scale_ih)
        self._set("input_shift", 0)

    def _check_bias(self) -> None:
        """The bias fits in an integer sum."""
        most = MOST_BIAS * self.product_scale.astype(np.float64)
        if self.scheme == "int8-dynamic" and (np.abs(self.bias) > most).any():
            row = int((np.abs(self.bias) / most).argmax())
            raise UnsupportedModelError(
                f"{self.label}: the bias of row {row}, {self.bias[row]:g}, is beyond {MOST_BIAS} steps of its products; make its scale_hh "
                f"larger, or keep this layer in f32."
            )
