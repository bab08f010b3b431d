"""Twins of attention."""

import numpy as np

from ..layers.attention import Attention, AttentionPool
from .functions import Rows, State, Twin, Vector, softmax


def step(_layer: AttentionPool, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. state: the largest score so far, the sum of ``exp(score - largest)`` (both (1,)), and that of the rows, so weighted."""
    *x, score = np.concatenate(xs)
    largest, weights, rows = state
    top = np.maximum(largest, score)
    before, now = np.exp(largest - top), np.exp(score - top)
    weights, rows = weights * before + now, rows * before + now * np.array(x)
    return rows / weights, (top, weights, rows)


def attention(layer: Attention, xs: list[Rows]) -> Rows:
    """Row by row, head by head."""
    x, weight = np.concatenate(xs, axis=1), layer.weight.astype(np.float64)
    keep = x[:, -1] != 0 if layer.padding else np.ones(len(x), np.bool_)
    queries, keys, values = np.split(
        x[:, : -1 if layer.padding else None], [layer.heads * layer.size, 2 * layer.heads * layer.size], axis=1
    )
    y = np.zeros_like(values)
    heads = (np.split(part, layer.heads, axis=1) for part in (queries, keys, values, y))
    for q, k, v, out in zip(*heads, strict=True):
        for t in np.flatnonzero(keep):
            seen = keep & (np.arange(len(x)) <= (t if layer.causal else len(x)))
            parts = np.tanh(q[t] + k[seen]) if layer.score == "additive" else q[t] * k[seen]
            out[t] = softmax((weight * parts).sum(axis=1)) @ v[seen]
    return y


TWINS = {
    "attention_pool": Twin(step, lambda _layer: (np.full(1, -np.inf), np.zeros(1), np.zeros(1))),
    "attention": Twin(whole=attention),
}
