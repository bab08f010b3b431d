"""The record of an LSTM layer in integers alone: TensorFlow Lite's 8x8_16."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import ShapeError, printable
from .cells import COUPLED
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
    weight_hh : (4*hidden_size, projection_size) int8
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
        What turns ``o * tanh(c)`` in Q0.30 into steps of h, or of what the projection reads.
    cell_bits : int
        An integer step of the cell is ``2**-cell_bits``; 9 to 15.
    bias : (4*hidden_size,) int32, optional
        In steps of the products of weight_ih and x; with a norm, added to what comes out of it times its weights, of which it has steps
        2**-10 times as large.
    cell_clip : int, optional
        The cell is held within +-cell_clip integer steps, 1 to 32767.
    h0 : (projection_size,) int8, optional
    c0 : (hidden_size,) int16, optional
        State before the first step, in integers. Absent, it stands for zero.
    coupled : {"f=1-i", "i=1-f"}, optional
        As in `LSTM`. One is 2**15 - 1.
    peephole : (3, hidden_size) int16, optional
        p_i p_f p_o.
    mantissa_peephole : (3,) int32, optional
    shift_peephole : (3,) int8, optional
        What turns their products with the cell into steps of a gate.
    norm_weight : (4*hidden_size,) int16, optional
        Weights of a norm of each gate over its units; sums of products then need not be in Q3.12.
    mantissa_norm : (4,) int32, optional
    shift_norm : (4,) int8, optional
        What turns a normalised gate times its weight into Q3.12.
    norm_guard : (4,) int32, optional
        Variance of a gate whose units hardly differ, 1 and more.
    weight_hr : (projection_size, hidden_size) int8, optional
        Projection, within +-127.
    mantissa_hr : (1,) or (projection_size,) int32, optional
    shift_hr : (1,) or (projection_size,) int8, optional
        What turns its sums into steps of h.
    bias_hr : (projection_size,) int32, optional
        In steps of the projection's products.
    gated_zero_point : int, optional
        The integer that stands for 0 in what the projection reads; 0 if not given.
    projection_clip : int, optional
        h of a projection is held within +-projection_clip integer steps, 1 to 127, its zero point among them.
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
    coupled: str | None = None
    peephole: Array = None
    mantissa_peephole: Array = None
    shift_peephole: Array = None
    norm_weight: Array = None
    mantissa_norm: Array = None
    shift_norm: Array = None
    norm_guard: Array = None
    weight_hr: Array = None
    mantissa_hr: Array = None
    shift_hr: Array = None
    bias_hr: Array = None
    gated_zero_point: Any = None
    projection_clip: int | None = None

    @property
    def hidden_size(self) -> int:
        """Size of the cell."""
        return int(self.weight_hh.shape[0]) // 4

    @property
    def projection_size(self) -> int:
        """Size of h as the layer gives it and feeds it back: that of the cell where there is no projection."""
        return int(self.weight_hh.shape[1])

    @property
    def plain(self) -> bool:
        """Whether the cell has none of the options."""
        return self.coupled is None and self.peephole is None and self.norm_weight is None and self.weight_hr is None

    @property
    def multiply_accumulates(self) -> int:
        gates = 4 if self.coupled is None else 3
        products = gates * self.hidden_size * (self.input_size + self.projection_size)
        return products + (0 if self.weight_hr is None else int(self.weight_hr.size))

    @property
    def numbers(self) -> str:
        return "int8-static"

    @property
    def output_grid(self) -> tuple[Array, int]:
        return self.hidden_scale, self.hidden_zero_point

    @property
    def within_one(self) -> bool:
        return False

    def output_size(self, sizes: Sequence[int]) -> int:
        super().output_size(sizes)
        return self.projection_size

    def _check(self) -> None:
        rows, given = check_matrix(self, "weight_hh").shape
        hidden = given if self.weight_hr is None else check_matrix(self, "weight_hr").shape[1]
        if self.weight_hr is not None:
            require_shape(self.label, "weight_hr", self.weight_hr, (given, hidden), f"weight_hh has projection_size = {given} columns")
        require_shape(
            self.label, "weight_hh", self.weight_hh, (4 * hidden, given), "its rows are the gates i f g o of hidden_size rows each"
        )
        inputs = check_matrix(self, "weight_ih").shape[1]
        require_shape(self.label, "weight_ih", self.weight_ih, (rows, inputs), f"weight_hh has {rows} rows")
        bias = np.zeros(rows, np.int32) if self.bias is None else self.bias
        self._set("bias", integers(self.label, "bias", bias, np.int32, (rows,)))
        for names in (("mantissa_ih", "shift_ih"), ("mantissa_hh", "shift_hh")):
            check_multiplier(self, names, 4, rows)
        check_multiplier(self, ("mantissa_out", "shift_out"), 1, 1)
        check_scale(self, "input_scale", "input_zero_point")
        check_scale(self, "hidden_scale", "hidden_zero_point")
        check_whole(self, "cell_bits", CELL_BITS[0], CELL_BITS[-1])
        if self.cell_clip is not None:
            check_whole(self, "cell_clip", 1, 32767)
        check_sums(self, self.weight_ih, self.input_zero_point, self.bias if self.norm_weight is None else np.zeros(1, np.int32))
        check_sums(self, self.weight_hh, self.hidden_zero_point, np.zeros(1, np.int32))
        for name, dtype, size in (("h0", np.int8, given), ("c0", np.int16, hidden)):
            if getattr(self, name) is not None:
                self._set(name, integers(self.label, name, getattr(self, name), dtype, (size,)))
        self._check_options(hidden, given)

    def _check_options(self, hidden: int, given: int) -> None:
        """Every option is whole: what belongs to one is there with it, and absent without."""
        if self.coupled not in (None, *COUPLED):
            raise ShapeError(
                f"{self.label}: coupled must be one of {', '.join(COUPLED)}, or None; got {printable(repr(self.coupled), 60)}."
            )
        for option, names in _BELONGING.items():
            if wrong := [name for name in names if (getattr(self, name) is None) != (getattr(self, option) is None)]:
                raise ShapeError(f"{self.label}: {option} and {wrong[0]} must both be given, or both be left out.")
        if self.peephole is not None:
            self._set("peephole", integers(self.label, "peephole", self.peephole, np.int16, (3, hidden)))
            check_multiplier(self, ("mantissa_peephole", "shift_peephole"), 3, 3)
        if self.norm_weight is not None:
            self._set("norm_weight", integers(self.label, "norm_weight", self.norm_weight, np.int16, (4 * hidden,)))
            self._set("norm_guard", integers(self.label, "norm_guard", self.norm_guard, np.int32, (4,)))
            check_multiplier(self, ("mantissa_norm", "shift_norm"), 4, 4)
            if self.norm_guard.min() < 1:
                raise ShapeError(f"{self.label}: norm_guard must be 1 and more; got {self.norm_guard.min()}.")
        if self.weight_hr is None:
            if any(part is not None for part in (self.bias_hr, self.projection_clip, self.gated_zero_point)):
                raise ShapeError(f"{self.label}: bias_hr, gated_zero_point and projection_clip belong to weight_hr, which is not there.")
            return
        self._set("gated_zero_point", self.gated_zero_point or 0)
        check_multiplier(self, ("mantissa_hr", "shift_hr"), 1, given)
        check_whole(self, "gated_zero_point", -128, 128)
        if self.projection_clip is not None:
            check_whole(self, "projection_clip", 1, 127)
        bias = np.zeros(given, np.int32) if self.bias_hr is None else self.bias_hr
        self._set("bias_hr", integers(self.label, "bias_hr", bias, np.int32, (given,)))
        check_sums(self, self.weight_hr, self.gated_zero_point, self.bias_hr)


#: Arrays that an option needs.
_BELONGING = {
    "peephole": ("mantissa_peephole", "shift_peephole"),
    "norm_weight": ("mantissa_norm", "shift_norm", "norm_guard"),
    "weight_hr": ("mantissa_hr", "shift_hr"),
}
