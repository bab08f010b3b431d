"""The record of a float32 Elman layer."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .activations import checked, within_one
from .record import Array, checked_array, require_shape
from .recurrent import Recurrent, Restarting


@dataclass(eq=False, repr=False)
class RNN(Restarting, Recurrent):
    """Simple recurrent layer, one direction: ``h = activation(weight_ih x + weight_hh h + bias)`` (Elman 1990; ``torch.nn.RNN``).

    Parameters
    ----------
    weight_ih : (hidden_size, input_size)
    weight_hh : (hidden_size, hidden_size)
    bias : (hidden_size,), optional
        Where a framework keeps two, their sum.
    h0 : (hidden_size,), optional
        State before the first step. Zero where absent.
    activation : str
        A word of `layers.activations`.
    gate_clip : float, optional
        What pre-activations are clipped to, on either side (ONNX's ``clip``).
    reverse, mask
        See `layers.recurrent.Recurrent`.
    """

    kind: ClassVar[str] = "rnn"
    gates: ClassVar[tuple[str, ...]] = ("h",)
    weight_ih: Array
    weight_hh: Array
    bias: Array = None
    h0: Array = None
    activation: str = "tanh"
    gate_clip: float | None = None

    @property
    def within_one(self) -> bool:
        return within_one(self.activation)

    def _check(self) -> None:
        self._set("weight_hh", checked_array(self.label, "weight_hh", self.weight_hh, 2))
        self._set("weight_ih", checked_array(self.label, "weight_ih", self.weight_ih, 2))
        hidden = self.weight_hh.shape[1]
        because = f"weight_hh has hidden_size = {hidden} columns"
        require_shape(self.label, "weight_hh", self.weight_hh, (hidden, hidden), "it takes h to h")
        require_shape(self.label, "weight_ih", self.weight_ih, (hidden, self.weight_ih.shape[1]), because)
        if self.bias is None:
            self._set("bias", np.zeros(hidden, np.float32))
        self._check_vector("bias", hidden, because)
        self._check_vector("h0", hidden, because)
        self._check_positive("gate_clip")
        self._set("activation", checked(f"{self.label}: activation", self.activation))
