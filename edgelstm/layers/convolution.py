"""The records of convolutions along time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..errors import ShapeError, UnsupportedModelError
from .integers import MOST_PRODUCTS, check_scheme, integers, positive
from .record import Array, checked_array, require_shape
from .sliding import Padded


class Convolution(Padded):
    """What convolutions of any number format share: a weight (output_size, input_size / groups, taps), and a bias for each output."""

    if TYPE_CHECKING:
        weight: Array
        bias: Array
        dilation: int
        groups: int

    def _check_window(self) -> None:
        """Everything but the weight, which is checked."""
        outputs = self.weight.shape[:1]
        bias = np.zeros(outputs, np.float32) if self.bias is None else self.bias
        self._set("bias", checked_array(self.label, "bias", bias, 1))
        require_shape(self.label, "bias", self.bias, outputs, f"weight has shape {self.weight.shape}")
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


@dataclass(eq=False, repr=False)
class Conv1D(Convolution):
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
        self._check_window()


@dataclass(eq=False, repr=False)
class Conv1DInt8(Convolution):
    """A convolution along time with int8 weights, one scale an output, and float32 output. Formula: `Conv1D`.

    Parameters
    ----------
    scheme : {"int8-weight", "int8-dynamic"}
        Whether rows stay float32, or are quantised, all that an answer reads by one step.
    weight : (output_size, input_size / groups, taps) int8
    scale : (output_size,)
    bias : (output_size,), optional
    input_scale : (1,), optional
        Calibrated step of x. Absent, with "int8-dynamic": max(abs(x)) / 127 of the rows that an answer reads.
    stride, dilation, groups : int
    padding : str or (int, int)
    align : {"first", "last"}
        As `Conv1D` has them.
    """

    kind: ClassVar[str] = "conv1d_int8"
    forms: ClassVar[tuple[str, ...]] = ("int8-weight", "int8-dynamic")
    float_kind: ClassVar[str] = "conv1d"
    rounds: ClassVar[bool] = True
    scheme: str
    weight: Array
    scale: Array
    bias: Array = None
    input_scale: Array = None
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    padding: str | Sequence[int] = "causal"
    align: str = "first"

    @property
    def numbers(self) -> str:
        return str(self.scheme)

    def _check(self) -> None:
        check_scheme(self)
        self._set("weight", integers(self.label, "weight", self.weight, np.int8, (None, None, None)))
        if (self.weight == -128).any():
            raise ShapeError(f"{self.label}: weight holds -128; quantised weights lie in -127 to 127.")
        if self.weight[0].size > MOST_PRODUCTS:
            raise UnsupportedModelError(f"{self.label}: more than {MOST_PRODUCTS} products can overflow an integer sum. Keep it in f32.")
        self._check_window()
        self._set("scale", positive(self.label, "scale", checked_array(self.label, "scale", self.scale, 1)))
        require_shape(self.label, "scale", self.scale, self.weight.shape[:1], f"weight has shape {self.weight.shape}")
