"""The records of GRU and Elman layers with int8 weights. What their numbers mean, step by step, stands in `reference.hidden_int8`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..errors import UnsupportedModelError
from .activations import checked, within_one
from .integers import HALF_STEP, LIMIT, MOST_PRODUCTS, check_scheme, int8_matrix, positive
from .record import Array, checked_array, require_shape
from .recurrent import Mixing, Recurrent


@dataclass(eq=False, repr=False)
class HiddenInt8(Recurrent):
    """What both share: a weight is its integer times its row's scale, and h is float32."""

    forms: ClassVar[tuple[str, ...]] = ("int8-weight", "int8-dynamic")
    rounds: ClassVar[bool] = True
    scheme: str
    weight_ih: Array
    weight_hh: Array
    scale_ih: Array
    scale_hh: Array

    if TYPE_CHECKING:
        input_scale: Array
        hidden_scale: Array
        h0: Array

    @property
    def numbers(self) -> str:
        return str(self.scheme)

    @property
    def hidden_steps(self) -> np.float32:
        """Integers a unit of h."""
        return np.float32(LIMIT) if self.hidden_scale is None else np.float32(1) / np.float32(self.hidden_scale[0])

    def _check_rows(self, biases: tuple[str, ...]) -> None:
        """Weights, scales, biases and the start fit each other."""
        check_scheme(self)
        self._set("weight_hh", int8_matrix(self.label, "weight_hh", self.weight_hh))
        self._set("weight_ih", int8_matrix(self.label, "weight_ih", self.weight_ih))
        hidden, gates = self.hidden_size, len(self.gates)
        because = f"weight_hh has hidden_size = {hidden} columns"
        rows = f"its rows are the gates {' '.join(self.gates)} of hidden_size rows each"
        require_shape(self.label, "weight_hh", self.weight_hh, (gates * hidden, hidden), rows)
        require_shape(self.label, "weight_ih", self.weight_ih, (gates * hidden, self.input_size), because)
        if max(self.input_size, hidden) > MOST_PRODUCTS:
            raise UnsupportedModelError(f"{self.label}: more than {MOST_PRODUCTS} products can overflow an integer sum. Keep it in f32.")
        for name in biases:
            if getattr(self, name) is None:
                self._set(name, np.zeros(gates * hidden, np.float32))
            self._check_vector(name, gates * hidden, because)
        for name in ("scale_ih", "scale_hh"):
            self._set(name, positive(self.label, name, checked_array(self.label, name, getattr(self, name), 1)))
            require_shape(self.label, name, getattr(self, name), (gates * hidden,), because)
        self._check_vector("h0", hidden, because)
        self._check_start()

    def _check_start(self) -> None:
        """No h0 is beyond the integers of h."""
        limit = 1.0 if self.hidden_scale is None else LIMIT * float(self.hidden_scale[0])
        if self.scheme == "int8-dynamic" and self.h0 is not None and np.abs(self.h0).max() > limit * (1 + HALF_STEP):
            raise UnsupportedModelError(
                f"{self.label}: h0 reaches {np.abs(self.h0).max():g}; quantised h lies within {limit:g}. Keep this layer in f32."
            )


@dataclass(eq=False, repr=False)
class GRUInt8(Mixing, HiddenInt8):
    """A GRU layer with int8 weights, one scale a row, and a float32 h. Formula: `layers.gru.GRU`.

    Parameters
    ----------
    scheme : {"int8-weight", "int8-dynamic"}
        Whether x and h stay float32, or are quantised at each step, to multiples of `input_scale` and `hidden_scale`.
    weight_ih : (3*hidden_size, input_size) int8
    weight_hh : (3*hidden_size, hidden_size) int8
        Rows r z n.
    scale_ih, scale_hh : (3*hidden_size,)
        A weight is its integer times its row's scale.
    bias_ih, bias_hh : (3*hidden_size,), optional
    h0 : (hidden_size,), optional
        State before the first step; no h0 beyond 127 steps where h is quantised.
    input_scale : (1,), optional
        Calibrated step of x. Absent, with "int8-dynamic": max(abs(x)) / 127 of each step.
    hidden_scale : (1,), optional
        Calibrated step of h; beyond 127 of them h is clipped. Absent, with "int8-dynamic": 1/127, beyond which no h can be.
    reset_after : bool
    gate_activation, cell_activation : str
    gate_clip : float, optional
        As in the float layer. Without `reset_after`, what is quantised is the product of r and h.
    """

    kind: ClassVar[str] = "gru_int8"
    float_kind: ClassVar[str] = "gru"
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    bias_ih: Array = None
    bias_hh: Array = None
    h0: Array = None
    input_scale: Array = None
    hidden_scale: Array = None
    reset_after: bool = True
    gate_activation: str = "sigmoid"
    cell_activation: str = "tanh"
    gate_clip: float | None = None

    def _check(self) -> None:
        self._check_rows(("bias_ih", "bias_hh"))
        self._check_flags("reset_after")
        self._check_positive("gate_clip")
        for name in ("gate_activation", "cell_activation"):
            self._set(name, checked(f"{self.label}: {name}", getattr(self, name)))


@dataclass(eq=False, repr=False)
class RNNInt8(HiddenInt8):
    """An Elman layer with int8 weights, one scale a row, and a float32 h. Formula: `layers.rnn.RNN`.

    Parameters
    ----------
    scheme : {"int8-weight", "int8-dynamic"}
    weight_ih : (hidden_size, input_size) int8
    weight_hh : (hidden_size, hidden_size) int8
    scale_ih, scale_hh : (hidden_size,)
    bias : (hidden_size,), optional
    h0 : (hidden_size,), optional
    input_scale, hidden_scale : (1,), optional
        As `GRUInt8` has them.
    activation : str
    gate_clip : float, optional
    """

    kind: ClassVar[str] = "rnn_int8"
    float_kind: ClassVar[str] = "rnn"
    gates: ClassVar[tuple[str, ...]] = ("h",)
    bias: Array = None
    h0: Array = None
    input_scale: Array = None
    hidden_scale: Array = None
    activation: str = "tanh"
    gate_clip: float | None = None

    @property
    def within_one(self) -> bool:
        return within_one(self.activation)

    def _check(self) -> None:
        self._check_rows(("bias",))
        self._check_positive("gate_clip")
        self._set("activation", checked(f"{self.label}: activation", self.activation))
