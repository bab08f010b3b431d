"""The record of a float32 GRU layer."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import ShapeError, UnsupportedModelError, printable
from .activations import bound, checked
from .record import Array, require_shape
from .recurrent import Mixing, Recurrent, Restarting

#: What a layer normalisation may be of: the sums of x and h together, or those of each apart.
NORMS = ("joint", "torch")

#: How many of the gates r z n each norm may be over.
NORM_GROUPS = ((3,), (2, 1), (1, 2), (1, 1, 1))

#: The most that a candidate may reach behind a norm.
MOST_NORMED = 2.0**20


@dataclass(eq=False, repr=False)
class GRU(Mixing, Restarting, Recurrent):
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
    norm : {"joint", "torch"}, optional
        Layer normalisation: ``normalised(v) = (v - mean(v)) / sqrt(variance(v) + norm_epsilon)``. The biases come behind it. As in
        `LSTM`, "joint" is of the sums of x and h together, and "torch" of each apart.

        "joint"
            ``s = normalised(weight_ih x + weight_hh h + norm_start_ih) * norm_weight + bias_ih + bias_hh``; ``r = gate(s_r)``;
            ``z = gate(s_z)``; ``n = cell(r s_n)`` (DreamerV2 and V3). Without `reset_after` n is by itself in `norm_groups`, and
            ``weight_hh_n`` multiplies ``r h``: ``n = cell(s_n)``.
        "torch"
            ``a = normalised(weight_ih x + norm_start_ih) * norm_weight + bias_ih``;
            ``b = normalised(weight_hh h + norm_start_hh) * norm_weight_hh + bias_hh``; then as without a norm. With `reset_after` alone
            (Ba, Kiros and Hinton 2016, by groups of 2 and 1; haste's LayerNormGRU).
    norm_groups : tuple of int, optional
        With a `norm`: how many of the gates r z n, in their order, each mean and variance is over. Default (3,): all together.
    norm_weight : (3*hidden_size,), optional
    norm_weight_hh : (3*hidden_size,), optional
        With "torch" alone.
    norm_start_ih, norm_start_hh : (3*hidden_size,), optional
        What is added inside the norm; the second with "torch" alone. Zero where absent.
    norm_epsilon : float, optional
        With a `norm`; by default 1e-5.
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
    norm: str | None = None
    norm_groups: tuple[int, ...] | None = None
    norm_weight: Array = None
    norm_weight_hh: Array = None
    norm_start_ih: Array = None
    norm_start_hh: Array = None
    norm_epsilon: float | None = None

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
        self._check_norm()

    @property
    def apart(self) -> bool:
        """Whether x and h have norms of their own."""
        return self.norm == "torch"

    @property
    def largest_normed(self) -> float:
        """What nothing exceeds that comes out of the norms, biases added."""
        gains = sum(float(np.abs(a).max()) for a in (self.norm_weight, self.norm_weight_hh) if a is not None)
        return float((3 * self.hidden_size) ** 0.5 * gains + np.abs(self.bias_ih).max() + np.abs(self.bias_hh).max())

    def _check_norm(self) -> None:
        """Each convention has its arrays: all that it needs, and no others."""
        if self.norm is not None and self.norm not in NORMS:
            raise UnsupportedModelError(f"{self.label}: norm {printable(repr(self.norm), 60)} is not one of {', '.join(NORMS)}.")
        rows = 3 * self.hidden_size
        takes = {"norm_weight": NORMS, "norm_weight_hh": ("torch",), "norm_start_ih": NORMS, "norm_start_hh": ("torch",)}
        for name, norms in takes.items():
            given, needed = getattr(self, name) is not None, self.norm in norms and name.startswith("norm_weight")
            if (given and self.norm not in norms) or (needed and not given):
                raise ShapeError(f"{self.label}: norm {self.norm!r} {'needs a' if needed else 'takes no'} {name}.")
            self._check_vector(name, rows, f"hidden_size is {self.hidden_size}")
        self._check_positive("norm_epsilon")
        if self.norm is None:
            if self.norm_epsilon is not None or self.norm_groups is not None:
                raise UnsupportedModelError(
                    f"{self.label}: norm_epsilon and norm_groups belong to a norm, and there is none; leave them out."
                )
            return
        self._set("norm_epsilon", float(np.float32(1e-5)) if self.norm_epsilon is None else self.norm_epsilon)
        self._check_normed()

    def _check_normed(self) -> None:
        """What a norm asks of the rest."""
        groups = self.norm_groups if self.norm_groups is not None else (3,)
        groups = tuple(groups) if isinstance(groups, list | tuple) else groups
        if groups not in NORM_GROUPS:
            raise UnsupportedModelError(f"{self.label}: norm_groups {printable(repr(groups), 60)} is not one of {NORM_GROUPS}.")
        self._set("norm_groups", groups)
        if not self.reset_after and (self.apart or groups[-1] != 1):
            raise UnsupportedModelError(
                f"{self.label}: without reset_after the norm is 'joint', and n by itself in norm_groups; got {self.norm!r} and {groups}."
            )
        if self.halves or not self.mixes or bound(self.cell_activation, self.largest_normed) > MOST_NORMED:
            raise UnsupportedModelError(
                f"{self.label}: a norm goes with weights in float32, gates of sigmoid or hard_sigmoid, and a candidate up to 2**20; "
                f"got {self.kind}, {self.gate_activation} and {self.cell_activation}."
            )


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
    norm : {"joint", "torch"}, optional
    norm_groups : tuple of int, optional
    norm_weight, norm_weight_hh, norm_start_ih, norm_start_hh : (3*hidden_size,), optional
    norm_epsilon : float, optional
        Absent: a norm goes with float32.
    """

    kind: ClassVar[str] = "gru_half"
    forms: ClassVar[tuple[str, ...]] = ("f16-weight",)
    float_kind: ClassVar[str] = "gru"
    halves: ClassVar[bool] = True
