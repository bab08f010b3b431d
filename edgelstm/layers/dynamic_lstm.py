"""The record of an LSTM layer whose products are of whole numbers, as ONNX Runtime's DynamicQuantizeLSTM computes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..errors import ShapeError
from .record import Array, checked_array, require_shape
from .recurrent import Recurrent

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Largest level of a weight, less its zero point: float32 then holds sums of 257 products with any levels of x or h exactly, and those of
#: most larger layers.
LARGEST_LEVEL = 255


@dataclass(eq=False, repr=False)
class DynamicLSTM(Recurrent):
    """An LSTM layer that reads levels of `DynamicFakeQuantize` and their scale s, and rounds h so at every step, with a scale r.

    ``z = (weight_ih x) (s scale_ih) + (weight_hh h) (r scale_hh) + bias``, split in the order i f g o, where x and h are levels;
    ``c = sigmoid(f) c + sigmoid(i) tanh(g)``; ``h = sigmoid(o) tanh(c)``. In float32 each operation, each function too, rounds as in ONNX
    Runtime on x86-64 with FMA3: a level is the same level.

    Parameters
    ----------
    weight_ih : (4*hidden_size, input_size - 1)
        Whole numbers from -255 to 255. The last input, which has a name of its own among the inputs, is s.
    weight_hh : (4*hidden_size, hidden_size)
        Whole numbers from -255 to 255.
    scale_ih, scale_hh : (4*hidden_size,)
        Above 0.
    bias : (4*hidden_size,), optional
    h0 : (hidden_size,), optional
    c0 : (hidden_size,), optional
        State before the first step. Zero where absent.
    """

    kind: ClassVar[str] = "dynamic_lstm"
    rounds: ClassVar[bool] = True
    weight_ih: Array
    weight_hh: Array
    scale_ih: Array
    scale_hh: Array
    bias: Array = None
    h0: Array = None
    c0: Array = None

    @property
    def within_one(self) -> bool:
        """Its tanh exceeds one by a last bit."""
        return False

    @property
    def input_size(self) -> int:
        return int(self.weight_ih.shape[1]) + 1

    def reads(self, wanted: "NDArray[np.bool_]", width: int) -> "NDArray[np.bool_]":
        return np.pad((self.weight_ih != 0).any(axis=0), (0, width - self.weight_ih.shape[1]), constant_values=True)

    def output_size(self, sizes: Sequence[int]) -> int:
        mask = "" if self.mask is None else ", and a mask"
        read = list(sizes if self.mask is None else sizes[:-1])
        if sum(read[:-1]) != self.input_size - 1 or read[-1:] != [1] or (self.mask is not None and sizes[-1] != 1):
            raise ShapeError(
                f"{self.label}: reads {self.input_size - 1} levels, their scale as an input of its own{mask}; got {list(sizes)} values."
            )
        return self.hidden_size

    def _check(self) -> None:
        for name in ("weight_hh", "weight_ih"):
            self._set(name, checked_array(self.label, name, getattr(self, name), 2))
            self._check_levels(name)
        rows, hidden = self.weight_hh.shape
        require_shape(self.label, "weight_hh", self.weight_hh, (4 * hidden, hidden), f"it has hidden_size = {hidden} columns")
        require_shape(self.label, "weight_ih", self.weight_ih, (rows, self.weight_ih.shape[1]), f"weight_hh has {rows} rows")
        for name in ("scale_ih", "scale_hh"):
            self._set(name, checked_array(self.label, name, getattr(self, name), 1))
            require_shape(self.label, name, getattr(self, name), (rows,), f"weight_hh has {rows} rows")
            if (getattr(self, name) <= 0).any():
                raise ShapeError(f"{self.label}: {name} must be above 0; got {getattr(self, name).min():g}.")
        if self.bias is None:
            self._set("bias", np.zeros(rows, np.float32))
        for name, size in (("bias", rows), ("h0", hidden), ("c0", hidden)):
            self._check_vector(name, size, f"hidden_size is {hidden}")

    def _check_levels(self, name: str) -> None:
        levels = getattr(self, name)
        if (levels != np.rint(levels)).any() or np.abs(levels).max() > LARGEST_LEVEL:
            raise ShapeError(f"{self.label}: {name} must hold whole numbers from -{LARGEST_LEVEL} to {LARGEST_LEVEL}.")
