"""The record of a fully connected layer in integers alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .integers import _check_multiplier, _check_scale, _check_sums, _check_weights, integers
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
    weight: Array
    mantissa: Array
    shift: Array
    input_scale: Array
    input_zero_point: int
    output_scale: Array
    output_zero_point: int
    bias: Array = None

    def _check(self) -> None:
        outputs = _check_weights(self, "weight").shape[0]
        bias = np.zeros(outputs, np.int32) if self.bias is None else self.bias
        self._set("bias", integers(self.label, "bias", bias, np.int32, (outputs,)))
        _check_multiplier(self, ("mantissa", "shift"), 1, outputs)
        _check_scale(self, "input_scale", "input_zero_point")
        _check_scale(self, "output_scale", "output_zero_point")
        _check_sums(self, self.weight, self.input_zero_point, self.bias)

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, int(self.weight.shape[1]), f"weight has shape {self.weight.shape}")
        return int(self.weight.shape[0])
