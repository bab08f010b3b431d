"""Records of the minimal recurrent layers of Feng et al. 2024: no product with h, so that a step is one of x and a mixture."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .activations import checked, within_one
from .record import Array, checked_array, require_shape
from .recurrent import Recurrent


@dataclass(eq=False, repr=False)
class Minimal(Recurrent):
    """What both share."""

    weight_ih: Array
    bias: Array = None
    h0: Array = None
    candidate: str = "linear"

    @property
    def hidden_size(self) -> int:
        return int(self.weight_ih.shape[0]) // len(self.gates)

    @property
    def within_one(self) -> bool:
        return within_one(self.candidate) and (self.h0 is None or bool(np.abs(self.h0).max() <= 1))

    def _check(self) -> None:
        self._set("weight_ih", checked_array(self.label, "weight_ih", self.weight_ih, 2))
        rows, gates = self.weight_ih.shape[0], len(self.gates)
        shape = (max(1, rows // gates) * gates, self.input_size)
        require_shape(self.label, "weight_ih", self.weight_ih, shape, f"its rows are {' '.join(self.gates)} of hidden_size rows each")
        because = f"weight_ih has {rows} rows"
        if self.bias is None:
            self._set("bias", np.zeros(rows, np.float32))
        self._check_vector("bias", rows, because)
        self._check_vector("h0", self.hidden_size, because)
        self._set("candidate", checked(f"{self.label}: candidate", self.candidate))


@dataclass(eq=False, repr=False)
class MinGRU(Minimal):
    """Minimal GRU: ``z = sigmoid(a_z)``; ``h = (1 - z) h + z candidate(a_n)``, where a = weight_ih x + bias, in the order z n.

    Feng et al. 2024, arXiv:2410.01201. The published packages differ in the candidate: ``"linear"`` as in the paper's section 3, and in
    mingru-keras; ``"positive"`` as in its appendix B.3, and in mingru-pytorch.

    Parameters
    ----------
    weight_ih : (2*hidden_size, input_size)
    bias : (2*hidden_size,), optional
    h0 : (hidden_size,), optional
    candidate : str
        A word of `layers.activations`.
    """

    kind: ClassVar[str] = "min_gru"
    gates: ClassVar[tuple[str, ...]] = ("z", "n")


@dataclass(eq=False, repr=False)
class MinLSTM(Minimal):
    """Minimal LSTM, its gates normalised: ``f = sigmoid(a_f)``; ``i = sigmoid(a_i)``; ``h = (f h + i candidate(a_n)) / (f + i)``.

    a = weight_ih x + bias, in the order f i n (Feng et al. 2024, arXiv:2410.01201).

    Parameters
    ----------
    weight_ih : (3*hidden_size, input_size)
    bias : (3*hidden_size,), optional
    h0 : (hidden_size,), optional
    candidate : str
        As `MinGRU` has it.
    """

    kind: ClassVar[str] = "min_lstm"
    gates: ClassVar[tuple[str, ...]] = ("f", "i", "n")
