"""Twins of layers that round activations. They round in float32, as kernels do: a half must be the same half."""

import numpy as np

from ..layers.fake_quantize import DynamicFakeQuantize, FakeQuantize, Requantize, Rescale
from .functions import Rows, State, Twin, Vector, levels_over_range, rounded_over_range, stateless


def fake_quantize(layer: FakeQuantize, x: Vector) -> Vector:
    with np.errstate(over="ignore"):
        levels = np.rint(np.clip(x.astype(np.float32) / layer.scale, layer.low, layer.high))
    return np.asarray((levels * layer.scale).astype(np.float64))


def requantize(layer: Requantize, x: Vector) -> Vector:
    with np.errstate(over="ignore"):
        levels = np.rint(np.clip(x.astype(np.float32) * layer.multiplier, layer.low, layer.high))
    return np.asarray(levels.astype(np.float64))


def rescale(layer: Rescale, x: Vector) -> Vector:
    return np.asarray(x[:-1] * (x[-1] * layer.scale.astype(np.float64)) + layer.bias)


def dynamic_step(layer: DynamicFakeQuantize, xs: list[Vector], state: State) -> tuple[Vector, State]:
    return _rounded(layer, np.concatenate(xs)[None])[0], state


def dynamic_whole(layer: DynamicFakeQuantize, xs: list[Rows]) -> Rows:
    x = np.concatenate(xs, axis=1)
    return _rounded(layer, x) if layer.whole else np.concatenate([_rounded(layer, row[None]) for row in x])


def _rounded(layer: DynamicFakeQuantize, x: Rows) -> Rows:
    """Rows over the range of them all."""
    if layer.gives == "numbers":
        return rounded_over_range(x)
    levels, scale = levels_over_range(x)
    return levels.astype(np.float64) if layer.gives == "levels" else np.full((len(x), 1), np.float64(scale))


TWINS = {
    "fake_quantize": stateless(fake_quantize),
    "requantize": stateless(requantize),
    "rescale": stateless(rescale),
    "dynamic_fake_quantize": Twin(dynamic_step, whole=dynamic_whole),
}
