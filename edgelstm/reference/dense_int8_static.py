"""Exact twin of the integer Dense layer."""

import numpy as np

from ..layers.dense_int8_static import DenseInt8Static
from .functions import stateless
from .integers import Integers, Vector, dequantised, quantised, rescaled, saturated


def dense_step(layer: DenseInt8Static, x: Integers) -> Integers:
    """One step in integers. x: (input_size,) int8; returns (output_size,) int8."""
    sums = layer.weight.astype(np.int64) @ (x - layer.input_zero_point) + layer.bias
    return saturated(rescaled(sums, layer.mantissa, layer.shift) + layer.output_zero_point, 8)


def dense(layer: DenseInt8Static, x: Vector) -> Vector:
    """One step. x: (input_size,); returns (output_size,)."""
    q = dense_step(layer, quantised(x, layer.input_scale, layer.input_zero_point))
    return dequantised(q, layer.output_scale, layer.output_zero_point)


TWINS = {"dense_int8_static": stateless(dense)}
