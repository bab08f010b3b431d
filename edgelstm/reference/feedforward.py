"""Twins of the layers around recurrent ones."""

import numpy as np

from ..layers.feedforward import Activation, Dense, Embedding, Normalizer, Softmax
from .functions import Twin, Vector, log_softmax, stateless
from .functions import activation as function_of
from .functions import softmax as softmax_of


def dense(layer: Dense, x: Vector) -> Vector:
    return np.asarray(layer.weight.astype(np.float64) @ x + layer.bias)


def activation(layer: Activation, x: Vector) -> Vector:
    return function_of(layer.function)(x)


def softmax(layer: Softmax, x: Vector) -> Vector:
    return np.concatenate([softmax_of(group) for group in np.split(x, layer.groups)])


def embedding(layer: Embedding, x: Vector) -> Vector:
    row: Vector = layer.weight[int(x[0])].astype(np.float64)
    return row


def normalizer(layer: Normalizer, x: Vector) -> Vector:
    units: Vector = (x - layer.mean.astype(np.float64)) / layer.scale.astype(np.float64)
    return units


TWINS = {
    "dense": stateless(dense),
    "dense_half": stateless(dense),
    "activation": stateless(activation),
    "softmax": stateless(softmax),
    "log_softmax": stateless(lambda _layer, x: log_softmax(x)),
    "embedding": stateless(embedding),
    "normalizer": stateless(normalizer),
    "add": Twin(lambda _layer, xs, state: (np.asarray(np.sum(xs, axis=0)), state)),
}
