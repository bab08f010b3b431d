"""The record of a float32 Elman layer."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import UnsupportedModelError, printable
from .record import Array, Recurrent, checked_array, require_shape

#: What the new state may be a function of.
WORDS = ("tanh", "sigmoid", "relu")


@dataclass(eq=False, repr=False)
class RNN(Recurrent):
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
    gate_clip : float, optional
        What pre-activations are clipped to, on either side (ONNX's ``clip``).
    reverse, mask
        See `layers.record.Recurrent`.
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
        return self.activation in ("tanh", "sigmoid")

    def _check(self) -> None:
        self._set("weight_hh", checked_array(self.label, "weight_hh", self.weight_hh, 2))
        self._set("weight_ih", checked_array(self.label, "weight_ih", self.weight_ih, 2))
        hidden = self.weight_hh.shape[1]
        because = f"weight_hh has hidden_size = {hidden} columns"
        require_shape(self.label, "weight_hh", self.weight_hh, (hidden, hidden), "it takes h to h")
        require_shape(self.label, "weight_ih", self.weight_ih, (hidden, self.weight_ih.shape[1]), because)
        bias = np.zeros(hidden, np.float32) if self.bias is None else self.bias
        for name, value in (("bias", bias), ("h0", self.h0)):
            if value is not None:
                self._set(name, checked_array(self.label, name, value, 1))
                require_shape(self.label, name, getattr(self, name), (hidden,), because)
        self._check_clip()
        if self.activation not in WORDS:
            raise UnsupportedModelError(
                f"{self.label}: activation {printable(repr(self.activation), 60)} is not one of {', '.join(WORDS)}."
            )
