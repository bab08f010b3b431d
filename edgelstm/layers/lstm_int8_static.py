"""The record of an LSTM layer in integers alone: TensorFlow Lite's 8x8_16."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .integers import CELL_BITS, check_matrix, check_multiplier, check_scale, check_sums, check_whole, integers
from .record import Array, require_shape
from .recurrent import Recurrent


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
    forms: ClassVar[tuple[str, ...]] = ("int8-static",)
    float_kind: ClassVar[str] = "lstm"
    rounds: ClassVar[bool] = True
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

    @property
    def numbers(self) -> str:
        return "int8-static"

    @property
    def output_grid(self) -> tuple[Array, int]:
        return self.hidden_scale, self.hidden_zero_point

    @property
    def within_one(self) -> bool:
        return False

    def _check(self) -> None:
        hidden = check_matrix(self, "weight_hh").shape[1]
        require_shape(
            self.label, "weight_hh", self.weight_hh, (4 * hidden, hidden), "its rows are the gates i f g o of hidden_size rows each"
        )
        inputs = check_matrix(self, "weight_ih").shape[1]
        require_shape(self.label, "weight_ih", self.weight_ih, (4 * hidden, inputs), f"weight_hh has hidden_size = {hidden} columns")
        bias = np.zeros(4 * hidden, np.int32) if self.bias is None else self.bias
        self._set("bias", integers(self.label, "bias", bias, np.int32, (4 * hidden,)))
        for names in (("mantissa_ih", "shift_ih"), ("mantissa_hh", "shift_hh")):
            check_multiplier(self, names, 4, 4 * hidden)
        check_multiplier(self, ("mantissa_out", "shift_out"), 1, 1)
        check_scale(self, "input_scale", "input_zero_point")
        check_scale(self, "hidden_scale", "hidden_zero_point")
        check_whole(self, "cell_bits", CELL_BITS[0], CELL_BITS[-1])
        if self.cell_clip is not None:
            check_whole(self, "cell_clip", 1, 32767)
        check_sums(self, self.weight_ih, self.input_zero_point, self.bias)
        check_sums(self, self.weight_hh, self.hidden_zero_point, np.zeros(1, np.int32))
        for name, dtype in (("h0", np.int8), ("c0", np.int16)):
            if getattr(self, name) is not None:
                self._set(name, integers(self.label, name, getattr(self, name), dtype, (hidden,)))
