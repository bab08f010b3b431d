"""Twins of the layers that look at a recording as a whole."""

import numpy as np

from ..layers.recording import Last, Mask, Repeat, Reverse
from .functions import Rows, Twin, Vector, stateless


def last(layer: Last, xs: list[Rows]) -> Rows:
    """One row: of each input its last or its first."""
    rows = [x[-1 if end == "last" else 0] for x, end in zip(xs, layer.ends, strict=True)]
    return np.concatenate(rows)[None]


def repeat(layer: Repeat, xs: list[Rows]) -> Rows:
    """The last row: as often as stated, or as there are rows."""
    return np.repeat(np.concatenate(xs, axis=1)[-1:], layer.rows or len(xs[0]), axis=0)


def reverse(layer: Reverse, xs: list[Rows]) -> Rows:
    return np.concatenate(xs, axis=1)[::-1]


def mask(layer: Mask, x: Vector) -> Vector:
    return np.array([float((x != np.float32(layer.value)).any())])


TWINS = {"last": Twin(whole=last), "repeat": Twin(whole=repeat), "reverse": Twin(whole=reverse), "mask": stateless(mask)}
