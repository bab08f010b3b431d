"""Layers over a window of the last rows, over many windows at once: (windows, time, size) -> (windows, answers due, output_size)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers.convolution import Conv1D
from ...layers.sliding import Padded, Sliding
from .rounding import Floats


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
    outer = rows.shape[:2]
    parts = np.split(rows, layer.groups, axis=-1)
    weights = np.split(layer.weight, layer.groups)
    sums = [x.reshape(*outer, -1) @ w.transpose(2, 1, 0).reshape(-1, len(w)) for x, w in zip(parts, weights, strict=True)]
    return np.concatenate(sums, axis=-1) + layer.bias


def _mean_so_far(_layer: Any, xs: list[Floats]) -> Floats:
    x = np.concatenate(xs, axis=-1)
    sums = np.cumsum(x, axis=1, dtype=np.float64)
    return np.asarray(sums / np.arange(1, x.shape[1] + 1)[:, None], np.float32)


#: By kind, as `feedforward.ANSWERS`.
ANSWERS: dict[str, Callable[[Any, list[Floats]], Floats]] = {
    "conv1d": _over(_conv1d),
    "window": _over(lambda _layer, rows: rows.reshape(*rows.shape[:2], -1)),
    "max_pool1d": _over(lambda _layer, rows: rows.max(axis=2)),
    "average_pool1d": _over(lambda _layer, rows: rows.mean(axis=2)),
    "global_max_pool1d": lambda _layer, xs: np.maximum.accumulate(np.concatenate(xs, axis=-1), axis=1),
    "global_average_pool1d": _mean_so_far,
}
