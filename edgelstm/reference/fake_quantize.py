"""Twins of layers that round activations. They round in float32, as kernels do: a half must be the same half."""

import numpy as np

from ..layers.fake_quantize import DynamicFakeQuantize, FakeQuantize, Requantize
from .functions import Rows, State, Twin, Vector, rounded_over_range, stateless


def fake_quantize(layer: FakeQuantize, x: Vector) -> Vector:
    with np.errstate(over="ignore"):
        levels = np.rint(np.clip(x.astype(np.float32) / layer.scale, layer.low, layer.high))
    return np.asarray((levels * layer.scale).astype(np.float64))


def requantize(layer: Requantize, x: Vector) -> Vector:
    with np.errstate(over="ignore"):
        levels = np.rint(np.clip(x.astype(np.float32) * layer.multiplier, layer.low, layer.high))
    return np.asarray(levels.astype(np.float64))


def dynamic_step(layer: DynamicFakeQuantize, xs: list[Vector], state: State) -> tuple[Vector, State]:
    return rounded_over_range(np.concatenate(xs)), state


def dynamic_whole(layer: DynamicFakeQuantize, xs: list[Rows]) -> Rows:
    x = np.concatenate(xs, axis=1)
    return rounded_over_range(x) if layer.whole else np.stack([rounded_over_range(row) for row in x])


TWINS = {
    "fake_quantize": stateless(fake_quantize),
    "requantize": stateless(requantize),
    "dynamic_fake_quantize": Twin(dynamic_step, whole=dynamic_whole),
}
