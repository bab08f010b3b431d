"""Twins of attention."""

import numpy as np

from ..layers.attention import Attention, AttentionPool, SelfAttention, WindowAttention
from .functions import Rows, State, Twin, Vector


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
    return found(layer, np.concatenate(xs), keys, values), state


def found(layer: Attention | SelfAttention | WindowAttention, query: Vector, keys: Rows, values: Rows) -> Vector:
    """What a query finds among keys (rows, query_size) and values (rows, output_size)."""
    answers = []
    for q, k, v in zip(*(np.split(part, layer.heads, axis=-1) for part in (query, keys, values)), strict=True):
        vector = np.ones(len(q)) if layer.vector is None else layer.vector.astype(np.float64)
        scores = layer.scale * (k @ q if layer.score == "dot" else np.tanh(q + k) @ vector)
        weights = np.exp(scores - scores.max())
        answers.append(weights @ v / weights.sum())
    return np.concatenate(answers)


def over_itself(layer: SelfAttention, xs: list[Rows]) -> Rows:
    """Every row of a recording among all of them, or among those up to it."""
    queries, keys, values = np.split(np.concatenate(xs, axis=1), [layer.query_size, 2 * layer.query_size], axis=1)
    ends = [t + 1 if layer.causal else len(keys) for t in range(len(keys))]
    return np.array([found(layer, query, keys[:end], values[:end]) for query, end in zip(queries, ends, strict=True)])


def over_window(layer: WindowAttention, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. state: the last rows, (rows, query, key and value side by side)."""
    row = np.concatenate(xs)
    rows = np.concatenate([state[0].reshape(-1, row.size), row[None]])[-layer.steps :]
    _, keys, values = np.split(rows, [layer.query_size, 2 * layer.query_size], axis=1)
    return found(layer, row[: layer.query_size], keys, values), (rows,)


def remembering(layer: Attention) -> State:
    """The memory before the first step."""
    if layer.memory is None:
        return np.zeros((0, layer.query_size)), np.zeros((0, layer.output_size([layer.query_size])))
    return layer.remembered(layer.memory)


TWINS = {
    "attention_pool": Twin(step, lambda _layer: (np.full(1, -np.inf), np.zeros(1), np.zeros(1))),
    "attention": Twin(attended, remembering),
    "self_attention": Twin(whole=over_itself),
    "window_attention": Twin(over_window, lambda _layer: (np.zeros((0, 0)),)),
}
