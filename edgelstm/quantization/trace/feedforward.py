"""Layers without a state over many windows at once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers.dense_int8 import DenseInt8
from ...layers.dense_int8_static import DenseInt8Static
from ...layers.feedforward import Activation, Dense, Embedding, LogSoftmax, Normalizer, Softmax
from ...reference.functions import activation
from . import sliding
from .rounding import Floats, factors, float_rows, on_grid, rounded


def _joined(xs: list[Floats]) -> Floats:
    return np.concatenate(xs, axis=-1)


def _dense(layer: Dense, xs: list[Floats]) -> Floats:
    return np.asarray(_joined(xs) @ np.asarray(layer.weight, np.float32).T + layer.bias)


def _dense_int8(layer: DenseInt8, xs: list[Floats]) -> Floats:
    return np.asarray(rounded(layer, _joined(xs)) @ float_rows(layer.weight, layer.scale).T + layer.bias)


def _dense_int8_static(layer: DenseInt8Static, xs: list[Floats]) -> Floats:
    products = factors(layer.mantissa, layer.shift, layer.bias.size) * layer.output_scale
    y = rounded(layer, _joined(xs)) @ float_rows(layer.weight, products / layer.input_scale).T + layer.bias * products
    return on_grid(y, *layer.output_grid)


def _activation(layer: Activation, xs: list[Floats]) -> Floats:
    function: Callable[[Any], Any] = activation(layer.function)
    return np.asarray(function(_joined(xs)), np.float32)


def _softmax(layer: Softmax, xs: list[Floats]) -> Floats:
    x = _joined(xs)
    groups = x.reshape(*x.shape[:-1], layer.groups, -1)
    e = np.exp(groups - groups.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True)).reshape(x.shape)


def _log_softmax(layer: LogSoftmax, xs: list[Floats]) -> Floats:
    x = _joined(xs)
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _embedding(layer: Embedding, xs: list[Floats]) -> Floats:
    return np.asarray(layer.weight[xs[0][..., 0].astype(np.int64)])


def _normalizer(layer: Normalizer, xs: list[Floats]) -> Floats:
    return np.asarray((_joined(xs) - layer.mean) / layer.scale)


#: By kind: a layer and (windows, time, size) of each input -> (windows, time, output_size).
ANSWERS: dict[str, Callable[[Any, list[Floats]], Floats]] = {
    "dense": _dense,
    "dense_half": _dense,
    "dense_int8": _dense_int8,
    "dense_int8_static": _dense_int8_static,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "activation": _activation,
    "embedding": _embedding,
    "normalizer": _normalizer,
    "add": lambda layer, xs: np.asarray(np.sum(xs, axis=0)),
    **sliding.ANSWERS,
}
