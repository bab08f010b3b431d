"""Twin of self-attention."""

import numpy as np

from ..layers.self_attention import SelfAttention
from .functions import Rows, Twin, softmax


def attention(layer: SelfAttention, xs: list[Rows]) -> Rows:
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


TWINS = {"self_attention": Twin(whole=attention)}
