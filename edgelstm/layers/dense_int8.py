"""The record of a fully connected layer with int8 weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .integers import check_scheme, int8_matrix, positive
from .record import Array, Layer, checked_array, require_shape


@dataclass(eq=False, repr=False)
class DenseInt8(Layer):
    """A fully connected layer with int8 weights, one scale a row, and float32 output.

    Parameters
    ----------
    scheme : {"int8-weight", "int8-dynamic"}
    weight : (output_size, input_size) int8
    scale : (output_size,)
    bias : (output_size,), optional
    input_scale : (1,), optional
        As in `LSTMInt8`.
    """

    kind: ClassVar[str] = "dense_int8"
    forms: ClassVar[tuple[str, ...]] = ("int8-weight", "int8-dynamic")
    float_kind: ClassVar[str] = "dense"
    rounds: ClassVar[bool] = True
    scheme: str
    weight: Array
    scale: Array
    bias: Array = None
    input_scale: Array = None

    @property
    def numbers(self) -> str:
        return str(self.scheme)

    @property
    def input_width(self) -> int:
        return int(self.weight.shape[1])

    def _check(self) -> None:
        check_scheme(self)
        self._set("weight", int8_matrix(self.label, "weight", self.weight))
        outputs = self.weight.shape[:1]
        if self.bias is None:
            self._set("bias", np.zeros(outputs, np.float32))
        for name in ("bias", "scale"):
            self._set(name, checked_array(self.label, name, getattr(self, name), 1))
            require_shape(self.label, name, getattr(self, name), outputs, f"weight has shape {self.weight.shape}")
        positive(self.label, "scale", self.scale)

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, int(self.weight.shape[1]), f"weight has shape {self.weight.shape}")
        return int(self.weight.shape[0])
