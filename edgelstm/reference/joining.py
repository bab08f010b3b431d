"""Twins of the layers that join inputs or take a part of one."""

import numpy as np

from ..layers.joining import Gather, Slice
from .functions import Twin, Vector, stateless


def part(layer: Slice, x: Vector) -> Vector:
    return x[layer.start : layer.stop]


def gather(layer: Gather, x: Vector) -> Vector:
    return np.asarray(x[layer.indices])


TWINS = {
    "mul": Twin(lambda _layer, xs, state: (np.asarray(np.prod(xs, axis=0)), state)),
    "concat": stateless(lambda _layer, x: x),
    "slice": stateless(part),
    "gather": stateless(gather),
}
