"""The record of a convolution along time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import ShapeError
from .record import Array, checked_array, require_shape
from .sliding import Padded


@dataclass(eq=False, repr=False)
class Conv1D(Padded):
    """Convolution along time: ``y = bias + sum over j of weight[:, :, j] x[now - dilation * (taps - 1 - j)]``, one timestep's row a value.

    An answer is due at every `stride`-th row. With padding ``"causal"`` zeros stand before the first row, and answers are due from the
    first row on (`align` ``"first"``, as Keras) or at the last row of each stride (``"last"``, so that no row comes too late to be seen).
    With ``"valid"`` the first is due when the window is full, as ``torch.nn.Conv1d`` without padding. With zeros behind the last row too,
    ``"same"`` or ``(before, behind)``, the model reads whole recordings.

    Parameters
    ----------
    weight : (output_size, input_size / groups, taps)
        As ``torch.nn.Conv1d`` has it: the last tap multiplies the newest row.
    bias : (output_size,), optional
    stride : int
        Rows from one answer to the next.
    dilation : int
        Rows from one tap to the next.
    groups : int
        Inputs and outputs are split into so many groups, each of which reads its own inputs.
    padding : str or (int, int)
        ``"causal"``, ``"valid"``, ``"same"`` or ``"same_lower"`` (`layers.sliding.PADDINGS`), or so many rows of zeros before the
        recording and behind it.
    align : {"first", "last"}
    """

    kind: ClassVar[str] = "conv1d"
    weight: Array
    bias: Array = None
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    padding: str | Sequence[int] = "causal"
    align: str = "first"

    def _check(self) -> None:
        self._set("weight", checked_array(self.label, "weight", self.weight, 3))
        bias = np.zeros(self.weight.shape[0], np.float32) if self.bias is None else self.bias
        self._set("bias", checked_array(self.label, "bias", bias, 1))
        require_shape(self.label, "bias", self.bias, self.weight.shape[:1], f"weight has shape {self.weight.shape}")
        self._check_counts("stride", "dilation", "groups")
        self._check_padding()
        if self.weight.shape[0] % self.groups:
            raise ShapeError(f"{self.label}: {self.weight.shape[0]} outputs must fall into {self.groups} groups of one size.")

    @property
    def taps(self) -> int:
        return int(self.weight.shape[2])

    @property
    def spacing(self) -> int:
        return self.dilation

    @property
    def input_width(self) -> int:
        return int(self.weight.shape[1]) * self.groups

    @property
    def multiply_accumulates(self) -> int:
        return int(self.weight.size)

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, self.input_width, f"weight has shape {self.weight.shape} and there are {self.groups} groups")
        return int(self.weight.shape[0])
