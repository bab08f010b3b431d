"""Twins of layers that round activations. They round in float32, as kernels do: a half must be the same half."""

import numpy as np

from ..layers.fake_quantize import DynamicFakeQuantize, FakeQuantize, Requantize
from .functions import Rows, State, Twin, Vector, levels_over_range, rounded_over_range, stateless


def fake_quantize(layer: FakeQuantize, x: Vector) -> Vector:
    with np.errstate(over="ignore"):
        levels = np.rint(np.clip(x.astype(np.float32) / layer.scale, layer.low, layer.high))
    return np.asarray((levels * layer.scale).astype(np.float64))


def requantize(layer: Requantize, x: Vector) -> Vector:
    with np.errstate(over="ignore"):
        levels = np.rint(np.clip(x.astype(np.float32) * layer.multiplier, layer.low, layer.high))
    return np.asarray(levels.astype(np.float64))


def dynamic_step(layer: DynamicFakeQuantize, xs: list[Vector], state: State) -> tuple[Vector, State]:
    return _rounded(layer, np.concatenate(xs)[None])[0], state


def dynamic_whole(layer: DynamicFakeQuantize, xs: list[Rows]) -> Rows:
    x = np.concatenate(xs, axis=1)
    return _rounded(layer, x) if layer.whole else np.concatenate([_rounded(layer, row[None]) for row in x])


def _rounded(layer: DynamicFakeQuantize, x: Rows) -> Rows:
    """Rows over the range of them all."""
    if not layer.levels:
        return rounded_over_range(x)
    levels, scale = levels_over_range(x)
    return np.pad(levels.astype(np.float64), ((0, 0), (0, 1)), constant_values=scale)


TWINS = {
    "fake_quantize": stateless(fake_quantize),
    "requantize": stateless(requantize),
    "dynamic_fake_quantize": Twin(dynamic_step, whole=dynamic_whole),
}
