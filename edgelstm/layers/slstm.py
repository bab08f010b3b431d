"""The record of a float32 sLSTM layer."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import ShapeError
from .record import Array, checked_array, require_shape
from .recurrent import Recurrent


@dataclass(eq=False, repr=False)
class SLSTM(Recurrent):
    """The sLSTM cell of xLSTM, with its stabiliser m (Beck et al. 2024, arXiv:2405.04517; the cell of the package xlstm).

    ``a = weight_ih x + weight_hh h + bias``, split in the order i f z o, h being that of the unit's own head; ``l = m + log(sigmoid(f))``;
    ``m' = max(i, l)``, on the first step ``i``; ``i' = exp(i - m')``; ``f' = exp(l - m')``; ``c = f' c + i' tanh(z)``;
    ``n = f' n + i'``; ``h = sigmoid(o) c / n``. All states begin at 0.

    Parameters
    ----------
    weight_ih : (4*hidden_size, input_size)
    weight_hh : (4*hidden_size, head_size)
        A unit's rows multiply the h of its head. Heads are hidden_size / head_size ranges of units, one behind the other.
    bias : (4*hidden_size,), optional
    """

    kind: ClassVar[str] = "slstm"
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "z", "o")
    weight_ih: Array
    weight_hh: Array
    bias: Array = None

    @property
    def hidden_size(self) -> int:
        return int(self.weight_hh.shape[0]) // 4

    @property
    def head_size(self) -> int:
        """Units of a head."""
        return int(self.weight_hh.shape[1])

    def _check(self) -> None:
        self._set("weight_hh", checked_array(self.label, "weight_hh", self.weight_hh, 2))
        self._set("weight_ih", checked_array(self.label, "weight_ih", self.weight_ih, 2))
        rows, head = self.weight_hh.shape
        if rows % (4 * head):
            raise ShapeError(
                f"{self.label}: weight_hh must have rows of the gates i f z o for whole heads of {head} units; got shape {(rows, head)}."
            )
        because = f"weight_hh has {rows} rows"
        require_shape(self.label, "weight_ih", self.weight_ih, (rows, self.weight_ih.shape[1]), because)
        if self.bias is None:
            self._set("bias", np.zeros(rows, np.float32))
        self._check_vector("bias", rows, because)
