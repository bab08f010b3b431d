"""Exact twin of the int8 layers: integers as int64, the float parts in float64 but for what decides an integer.

An activation in float32 times its steps, exactly, is what kernels round to an integer, and so does this.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layers_int8 import LIMIT, DenseInt8, LSTMInt8

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]


def quantised(x: NDArray[Any], steps: np.float32 | NDArray[np.float32]) -> Vector:
    """round(x * steps), ties to even, within +-127. `steps`: integers a unit, the inverse of the scale."""
    exact = np.asarray(x, np.float32).astype(np.float64) * steps
    return np.asarray(np.clip(np.rint(exact), -LIMIT, LIMIT))


def input_steps(x: Vector, input_scale: NDArray[np.float32] | None) -> np.float32:
    """Integers a unit of x: from the calibrated scale, or so that the largest magnitude of this step becomes 127."""
    if input_scale is not None:
        return np.float32(1) / np.float32(input_scale[0])
    largest = np.float32(np.abs(np.asarray(x, np.float32)).max())
    return np.float32(LIMIT) / max(largest, np.float32(1e-30))


def sums(weight: NDArray[np.int8], x: Vector, steps: np.float32) -> Integers:
    """Product of weight and x, both as integers: exact."""
    return np.asarray(weight.astype(np.int64) @ quantised(x, steps).astype(np.int64))


def dense(layer: DenseInt8, x: Vector) -> Vector:
    """One step of a fully connected layer."""
    if layer.scheme == "int8-weight":
        return np.asarray((layer.weight.astype(np.float64) @ x) * layer.scale + layer.bias)
    steps = input_steps(x, layer.input_scale)
    return np.asarray(sums(layer.weight, x, steps) * layer.scale.astype(np.float64) / np.float64(steps) + layer.bias)


def lstm_preactivations(layer: LSTMInt8, x: Vector, h: Vector) -> Vector:
    """Gates before their activations, in the order i f g o: (4*hidden_size,)."""
    if layer.scheme == "int8-weight":
        weight_ih, weight_hh = layer.weight_ih.astype(np.float64), layer.weight_hh.astype(np.float64)
        return np.asarray(layer.bias + layer.scale_ih * (weight_ih @ x) + layer.scale_hh * (weight_hh @ h))
    scale, shift = layer.scale_hh.astype(np.float64), np.float64(2.0**layer.input_shift)
    steps, h_steps = input_steps(x, layer.input_scale), layer.hidden_steps
    from_x, from_h = sums(layer.weight_ih, x, steps), sums(layer.weight_hh, h, h_steps)
    if layer.input_scale is None:
        inputs = shift * from_x * np.float64(h_steps) / np.float64(steps)
        return np.asarray(scale / np.float64(h_steps) * (inputs + from_h + layer.bias_steps))
    return np.asarray(scale / np.float64(h_steps) * (shift * (from_x + layer.bias_steps) + from_h))
