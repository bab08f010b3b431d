"""The record of a float32 LSTM layer."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .record import Array, Recurrent, checked_array, require_shape


@dataclass(eq=False, repr=False)
class LSTM(Recurrent):
    """Long short-term memory, one direction, tanh and sigmoid.

    ``z = weight_ih x + weight_hh h + bias``, split in the order i f g o (input, forget, candidate, output, as PyTorch);
    ``c = sigmoid(f) c + sigmoid(i) tanh(g)``; ``h = sigmoid(o) tanh(c)``
    (Gers, Schmidhuber and Cummins 2000; the form of ``torch.nn.LSTM``).

    Parameters
    ----------
    weight_ih : (4*hidden_size, input_size)
    weight_hh : (4*hidden_size, hidden_size)
    bias : (4*hidden_size,), optional
        Where a framework keeps two, their sum.
    h0, c0 : (hidden_size,), optional
        State before the first step. Zero where absent.
    """

    kind: ClassVar[str] = "lstm"
    weight_ih: Array
    weight_hh: Array
    bias: Array = None
    h0: Array = None
    c0: Array = None

    def _check(self) -> None:
        self._set("weight_hh", checked_array(self.label, "weight_hh", self.weight_hh, 2))
        self._set("weight_ih", checked_array(self.label, "weight_ih", self.weight_ih, 2))
        hidden = self.weight_hh.shape[1]
        because = f"weight_hh has hidden_size = {hidden} columns"
        require_shape(
            self.label, "weight_hh", self.weight_hh, (4 * hidden, hidden), "its rows are the gates i f g o of hidden_size rows each"
        )
        require_shape(self.label, "weight_ih", self.weight_ih, (4 * hidden, self.weight_ih.shape[1]), because)
        bias = np.zeros(4 * hidden, np.float32) if self.bias is None else self.bias
        self._set("bias", checked_array(self.label, "bias", bias, 1))
        require_shape(self.label, "bias", self.bias, (4 * hidden,), because)
        for state in ("h0", "c0"):
            if (value := getattr(self, state)) is not None:
                self._set(state, checked_array(self.label, state, value, 1))
                require_shape(self.label, state, getattr(self, state), (hidden,), because)
