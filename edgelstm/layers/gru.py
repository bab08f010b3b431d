"""The record of a float32 GRU layer."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .activations import checked
from .record import Array, require_shape
from .recurrent import Mixing, Recurrent


@dataclass(eq=False, repr=False)
class GRU(Mixing, Recurrent):
    """Gated recurrent unit, one direction.

    With ``a = weight_ih x + bias_ih`` and ``b = weight_hh h + bias_hh``, both split in the order r z n (reset, update, candidate, as
    PyTorch): ``r = gate(a_r + b_r)``; ``z = gate(a_z + b_z)``; ``n = cell(a_n + r b_n)``; ``h = (1 - z) n + z h``
    (Cho et al. 2014, in the form of ``torch.nn.GRU`` and cuDNN). Without `reset_after` the reset gate meets h before the product, as in
    the paper: ``n = cell(a_n + weight_hh_n (r h) + bias_hh_n)`` (ONNX's ``linear_before_reset=0``).

    Parameters
    ----------
    weight_ih : (3*hidden_size, input_size)
    weight_hh : (3*hidden_size, hidden_size)
    bias_ih, bias_hh : (3*hidden_size,), optional
        Two, since r multiplies one of them.
    h0 : (hidden_size,), optional
        State before the first step. Zero where absent.
    reset_after : bool
        Whether the reset gate multiplies the product with h, or h itself.
    gate_activation, cell_activation : str
        The functions gate and cell: words of `layers.activations`.
    gate_clip : float, optional
        What all pre-activations are clipped to, on either side (ONNX's ``clip``).
    reverse, mask
        See `layers.recurrent.Recurrent`.
    """

    kind: ClassVar[str] = "gru"
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    weight_ih: Array
    weight_hh: Array
    bias_ih: Array = None
    bias_hh: Array = None
    h0: Array = None
    reset_after: bool = True
    gate_activation: str = "sigmoid"
    cell_activation: str = "tanh"
    gate_clip: float | None = None

    def _check(self) -> None:
        self._check_matrix("weight_hh")
        self._check_matrix("weight_ih")
        hidden = self.weight_hh.shape[1]
        because = f"weight_hh has hidden_size = {hidden} columns"
        require_shape(
            self.label, "weight_hh", self.weight_hh, (3 * hidden, hidden), "its rows are the gates r z n of hidden_size rows each"
        )
        require_shape(self.label, "weight_ih", self.weight_ih, (3 * hidden, self.weight_ih.shape[1]), because)
        for name in ("bias_ih", "bias_hh"):
            given = getattr(self, name)
            self._set(name, np.zeros(3 * hidden, np.float32) if given is None else given)
            self._check_vector(name, 3 * hidden, because)
        self._check_vector("h0", hidden, because)
        self._check_flags("reset_after")
        self._check_positive("gate_clip")
        for name in ("gate_activation", "cell_activation"):
            self._set(name, checked(f"{self.label}: {name}", getattr(self, name)))


class GRUHalf(GRU):
    """A GRU layer with weights in half precision, in float32 arithmetic. Formula: `GRU`.

    Parameters
    ----------
    weight_ih : (3*hidden_size, input_size) float16
    weight_hh : (3*hidden_size, hidden_size) float16
        Rounded as `layers.halves.half_matrix` says.
    bias_ih, bias_hh : (3*hidden_size,), optional
    h0 : (hidden_size,), optional
    reset_after : bool
    gate_activation, cell_activation : str
    gate_clip : float, optional
    reverse, mask
        As `GRU` has them.
    """

    kind: ClassVar[str] = "gru_half"
    forms: ClassVar[tuple[str, ...]] = ("f16-weight",)
    float_kind: ClassVar[str] = "gru"
    halves: ClassVar[bool] = True
