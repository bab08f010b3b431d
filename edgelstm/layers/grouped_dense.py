"""The record of a fully connected layer in groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .record import Array, Layer, checked_array, require_shape


@dataclass(eq=False, repr=False)
class GroupedDense(Layer):
    """Fully connected layers side by side: group k of the inputs gives group k of the outputs, ``y_k = weight[k] x_k + bias_k``.

    One matrix would be block-diagonal.

    Parameters
    ----------
    weight : (groups, output_size / groups, input_size / groups)
    bias : (output_size,), optional
    """

    kind: ClassVar[str] = "grouped_dense"
    weight: Array
    bias: Array = None

    def _check(self) -> None:
        self._set("weight", checked_array(self.label, "weight", self.weight, 3))
        outputs = self.weight.shape[0] * self.weight.shape[1]
        bias = np.zeros(outputs, np.float32) if self.bias is None else self.bias
        self._set("bias", checked_array(self.label, "bias", bias, 1))
        require_shape(self.label, "bias", self.bias, (outputs,), f"weight has shape {self.weight.shape}")

    @property
    def input_width(self) -> int:
        return int(self.weight.shape[0] * self.weight.shape[2])

    @property
    def multiply_accumulates(self) -> int:
        return int(self.weight.size)

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, self.input_width, f"weight has shape {self.weight.shape}")
        return int(self.bias.size)
