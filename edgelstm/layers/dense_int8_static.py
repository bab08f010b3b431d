"""The record of a fully connected layer in integers alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .integers import check_matrix, check_multiplier, check_scale, check_sums, integers
from .record import Array, Layer


@dataclass(eq=False, repr=False)
class DenseInt8Static(Layer):
    """A fully connected layer in integers: int8 in, int32 sums, int8 out; float32 to its neighbours as `LSTMInt8Static`.

    Parameters
    ----------
    weight : (output_size, input_size) int8
        Within +-127.
    mantissa : (1,) or (output_size,) int32
    shift : the same shape, int8
        What turns a sum of products into steps of the output; see `multiplier`.
    input_scale, output_scale : (1,)
    input_zero_point, output_zero_point : int
    bias : (output_size,) int32, optional
        In steps of the products.
    """

    kind: ClassVar[str] = "dense_int8_static"
    forms: ClassVar[tuple[str, ...]] = ("int8-static",)
    float_kind: ClassVar[str] = "dense"
    rounds: ClassVar[bool] = True
    weight: Array
    mantissa: Array
    shift: Array
    input_scale: Array
    input_zero_point: int
    output_scale: Array
    output_zero_point: int
    bias: Array = None

    @property
    def numbers(self) -> str:
        return "int8-static"

    @property
    def input_width(self) -> int:
        return int(self.weight.shape[1])

    @property
    def output_grid(self) -> tuple[Array, int]:
        return self.output_scale, self.output_zero_point

    def _check(self) -> None:
        outputs = check_matrix(self, "weight").shape[0]
        bias = np.zeros(outputs, np.int32) if self.bias is None else self.bias
        self._set("bias", integers(self.label, "bias", bias, np.int32, (outputs,)))
        check_multiplier(self, ("mantissa", "shift"), 1, outputs)
        check_scale(self, "input_scale", "input_zero_point")
        check_scale(self, "output_scale", "output_zero_point")
        check_sums(self, self.weight, self.input_zero_point, self.bias)

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, int(self.weight.shape[1]), f"weight has shape {self.weight.shape}")
        return int(self.weight.shape[0])
