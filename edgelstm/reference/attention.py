"""Twins of attention."""

import numpy as np

from ..layers.attention import Attention, AttentionPool
from .functions import State, Twin, Vector


def step(_layer: AttentionPool, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. state: the largest score so far, the sum of ``exp(score - largest)`` (both (1,)), and that of the rows, so weighted."""
    *x, score = np.concatenate(xs)
    largest, weights, rows = state
    top = np.maximum(largest, score)
    before, now = np.exp(largest - top), np.exp(score - top)
    weights, rows = weights * before + now, rows * before + now * np.array(x)
    return rows / weights, (top, weights, rows)


def attended(layer: Attention, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. state: keys (rows, query_size), and values (rows, output_size)."""
    keys, values = state
    if not len(keys):
        return np.zeros(values.shape[1]), state
    query, found = np.concatenate(xs), []
    parts = zip(*(np.split(part, layer.heads, axis=-1) for part in (query, keys, values)), strict=True)
    for q, k, v in parts:
        vector = np.ones(len(q)) if layer.vector is None else layer.vector.astype(np.float64)
        scores = layer.scale * (k @ q if layer.score == "dot" else np.tanh(q + k) @ vector)
        weights = np.exp(scores - scores.max())
        found.append(weights @ v / weights.sum())
    return np.concatenate(found), state


def remembering(layer: Attention) -> State:
    """The memory before the first step."""
    if layer.memory is None:
        return np.zeros((0, layer.query_size)), np.zeros((0, layer.output_size([layer.query_size])))
    return layer.remembered(layer.memory)


TWINS = {
    "attention_pool": Twin(step, lambda _layer: (np.full(1, -np.inf), np.zeros(1), np.zeros(1))),
    "attention": Twin(attended, remembering),
}
