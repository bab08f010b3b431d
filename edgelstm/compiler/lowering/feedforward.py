"""Layers around recurrent ones -> kernels."""

import math

import numpy as np

from ...layers.activations import bound
from ...layers.feedforward import Activation, Add, Dense, Embedding, LogSoftmax, Normalizer, Softmax
from ...layers.record import MAX_SIZE
from ..targets import Target
from . import Lowered, Reach, Rule, largest, row_sums

#: A Dense layer of fewer outputs is one dot product each. Measured on Zen 4.
FEWEST_COLUMNS = 4


def dense(layer: Dense, sizes: list[int], target: Target) -> Lowered:
    outputs, inputs = layer.weight.shape
    if layer.halves:
        return dense_half(layer, target)
    if outputs < FEWEST_COLUMNS:
        weights = np.concatenate([layer.weight.ravel(), layer.bias])
        return Lowered("dense_dot_f32", {"inputs": inputs, "outputs": outputs}, outputs, weights)
    units = min(outputs, 2 * target.lanes)
    rows = np.concatenate([layer.bias[:, None], layer.weight], axis=1)  # (outputs, 1 + inputs)
    weights = np.concatenate([rows[start : start + units].T.ravel() for start in range(0, outputs, units)])
    return Lowered("dense_columns_f32", {"inputs": inputs, "outputs": outputs, "units": units}, outputs, weights)


def dense_half(layer: Dense, target: Target) -> Lowered:
    """The same with weights in half precision."""
    from .halves import form, half_tiles, packed

    outputs, inputs = layer.weight.shape
    constants = {"inputs": inputs, "outputs": outputs, "halves": 1}
    if outputs < FEWEST_COLUMNS:
        return Lowered("dense_dot_f32", constants, outputs, np.concatenate([packed(layer.weight).ravel(), layer.bias]))
    units = min(outputs, 2 * target.lanes)
    whole = outputs // units * units
    constants |= {"units": units, "halves": form(target, layer.weight, whole=units % 4 == 0)}
    rows = np.concatenate([layer.bias[:, None], layer.weight], axis=1)[None]  # (1, outputs, 1 + inputs)
    tiles = [half_tiles(rows[:, :whole], units, inputs, constants["halves"])]
    if whole < outputs:
        tiles.append(half_tiles(rows[:, whole:], units, inputs, 1))
    return Lowered("dense_columns_f32", constants, outputs, np.concatenate(tiles))


def activation(layer: Activation, sizes: list[int], target: Target) -> Lowered:
    return Lowered("activation_f32", {"function": layer.function, "size": sum(sizes)}, sum(sizes))


def softmax(layer: Softmax, sizes: list[int], target: Target) -> Lowered:
    size, groups = sum(sizes), layer.groups
    if groups > 1:
        return Lowered("softmax_groups_f32", {"size": size, "groups": groups}, size)
    return Lowered("softmax_f32", {"size": size}, size)


def log_softmax(layer: LogSoftmax, sizes: list[int], target: Target) -> Lowered:
    return Lowered("log_softmax_f32", {"size": sum(sizes)}, sum(sizes))


def normalizer(layer: Normalizer, sizes: list[int], target: Target) -> Lowered:
    weights = np.concatenate([layer.mean, (1 / layer.scale.astype(np.float64)).astype(np.float32)])
    return Lowered("normalizer_f32", {"size": layer.mean.size}, layer.mean.size, weights)


def embedding(layer: Embedding, sizes: list[int], target: Target) -> Lowered:
    return Lowered("embedding_f32", {"size": layer.weight.shape[1]}, layer.weight.shape[1], layer.weight.ravel())


def add(layer: Add, sizes: list[int], target: Target) -> Lowered:
    return Lowered("add_f32", {"terms": len(sizes), "size": sizes[0]}, sizes[0])


def dense_reach(layer: Dense) -> Reach:
    return Reach(largest(row_sums(layer.weight)), largest(layer.bias))


def half_reach(layer: Dense) -> Reach:
    from . import halves

    return halves.half_reach(dense_reach(layer))


def activation_reach(layer: Activation) -> Reach:
    return Reach(1.0, most=bound(layer.function), grows=lambda given: max(*given, bound(layer.function, max(given))))


def normalizer_reach(layer: Normalizer) -> Reach:
    inverse = np.maximum(1 / np.abs(layer.scale.astype(np.float64)), 1)
    return Reach(largest(inverse), largest(layer.mean * inverse))


RULES = {
    "dense": Rule(dense, dense_reach),
    "dense_half": Rule(dense, half_reach),
    "activation": Rule(activation, activation_reach),
    "softmax": Rule(softmax, lambda layer: Reach(1.0, 0.0, 1.0)),
    "log_softmax": Rule(log_softmax, lambda layer: Reach(2.0, math.log(MAX_SIZE))),
    "normalizer": Rule(normalizer, normalizer_reach),
    "embedding": Rule(embedding, lambda layer: Reach(0.0, largest(layer.weight))),
    "add": Rule(add, lambda layer: Reach(1.0, sums=True)),
}
