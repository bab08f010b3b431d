"""Layers over a window of the last rows, over many windows at once: (windows, time, size) -> (windows, answers due, output_size)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers.convolution import Conv1D, Conv1DInt8
from ...layers.sliding import Padded, Sliding
from .rounding import Floats, rounded


def taken(layer: Sliding, x: Floats) -> Floats:
    """The rows that each answer reads, the oldest first, zeros around them: (windows, answers due, taps, size)."""
    left, right = layer.pads(x.shape[1]) if isinstance(layer, Padded) else (0, 0)
    fill = np.float32(layer.fill if isinstance(layer, Padded) else 0)
    padded = np.pad(x[:, max(-left, 0) :], ((0, 0), (max(left, 0), right), (0, 0)), constant_values=fill)
    begins = np.arange(0, padded.shape[1] - layer.history, layer.stride)
    return np.asarray(padded[:, begins[:, None] + layer.spacing * np.arange(layer.taps)])


def _over(answer: Callable[[Any, Floats], Any]) -> Callable[[Any, list[Floats]], Floats]:
    return lambda layer, xs: np.asarray(answer(layer, taken(layer, np.concatenate(xs, axis=-1))), np.float32)


def _conv1d(layer: Conv1D, rows: Floats) -> Any:
    return _products(layer.weight, rows, layer.groups) + layer.bias


def _conv1d_int8(layer: Conv1DInt8, rows: Floats) -> Any:
    """All rows of an answer are rounded by one step."""
    seen = rounded(layer, rows.reshape(*rows.shape[:2], -1)).reshape(rows.shape)
    return _products(layer.weight * layer.scale[:, None, None], seen, layer.groups) + layer.bias


def _products(weight: Floats, rows: Floats, groups: int) -> Any:
    """Of weights (outputs, inputs of a group, taps) and rows (windows, answers, taps, inputs): (windows, answers, outputs)."""
    outer = rows.shape[:2]
    pairs = zip(np.split(rows, groups, axis=-1), np.split(weight, groups), strict=True)
    return np.concatenate([x.reshape(*outer, -1) @ w.transpose(2, 1, 0).reshape(-1, len(w)) for x, w in pairs], axis=-1)


def _mean_so_far(_layer: Any, xs: list[Floats]) -> Floats:
    x = np.concatenate(xs, axis=-1)
    sums = np.cumsum(x, axis=1, dtype=np.float64)
    return np.asarray(sums / np.arange(1, x.shape[1] + 1)[:, None], np.float32)


#: By kind, as `feedforward.ANSWERS`.
ANSWERS: dict[str, Callable[[Any, list[Floats]], Floats]] = {
    "conv1d": _over(_conv1d),
    "conv1d_int8": _over(_conv1d_int8),
    "window": _over(lambda _layer, rows: rows.reshape(*rows.shape[:2], -1)),
    "max_pool1d": _over(lambda _layer, rows: rows.max(axis=2)),
    "average_pool1d": _over(lambda _layer, rows: rows.mean(axis=2)),
    "global_max_pool1d": lambda _layer, xs: np.maximum.accumulate(np.concatenate(xs, axis=-1), axis=1),
    "global_average_pool1d": _mean_so_far,
}
