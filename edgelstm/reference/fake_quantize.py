"""Twins of layers that round activations. They round in float32, as kernels do: a half must be the same half."""

import numpy as np

from ..layers.fake_quantize import DynamicFakeQuantize, FakeQuantize
from .functions import Rows, State, Twin, Vector, stateless


def fake_quantize(layer: FakeQuantize, x: Vector) -> Vector:
    with np.errstate(over="ignore"):
        levels = np.rint(np.clip(x.astype(np.float32) / layer.scale, layer.low, layer.high))
    return np.asarray((levels * layer.scale).astype(np.float64))


def over_range(x: Rows) -> Rows:
    """Values rounded over the range of all of them."""
    x = x.astype(np.float32)
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    scale = (high - low) / np.float32(255)
    scale = scale if scale > 0 else np.float32(1)
    zero = np.rint(np.clip(-low / scale, 0, 255))
    levels = np.clip(np.rint(x / scale) + zero, 0, 255) - zero
    return np.asarray((levels * scale).astype(np.float64))


def dynamic_step(layer: DynamicFakeQuantize, xs: list[Vector], state: State) -> tuple[Vector, State]:
    return over_range(np.concatenate(xs)), state


def dynamic_whole(layer: DynamicFakeQuantize, xs: list[Rows]) -> Rows:
    x = np.concatenate(xs, axis=1)
    return over_range(x) if layer.whole else np.stack([over_range(row) for row in x])


TWINS = {"fake_quantize": stateless(fake_quantize), "dynamic_fake_quantize": Twin(dynamic_step, whole=dynamic_whole)}
