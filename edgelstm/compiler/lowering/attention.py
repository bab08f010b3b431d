"""Attention -> kernels and states, in the layouts of `kernels.attention_f32`."""

import numpy as np

from ...layers.attention import LARGEST, Attention, AttentionPool, SelfAttention, WindowAttention
from ..targets import Target
from . import LINE, Counting, Floats, Lowered, Reach, Rule


def pool(layer: AttentionPool, sizes: list[int], target: Target) -> Lowered:
    size = layer.output_size(sizes)
    return Lowered("attention_pool_f32", {"size": size}, size, state=np.zeros(2 + size, np.float32))


def attention(layer: Attention, sizes: list[int], target: Target) -> Lowered:
    size, query, additive = layer.output_size(sizes), layer.query_size, layer.score == "additive"
    constants = {"query": query, "size": size, "rows": layer.rows, "heads": layer.heads, "scale": layer.scale, "additive": int(additive)}
    keeps = (("memory", 0, LINE + layer.rows * (query + size)),)
    return Lowered("attention_f32", constants, size, vector_of(layer), memory_of(layer, layer.memory), workspace=layer.rows, keeps=keeps)


def self_attention(layer: SelfAttention, sizes: list[int], target: Target) -> Lowered:
    size, additive = layer.output_size(sizes), int(layer.score == "additive")
    constants = {"query": layer.query_size, "size": size, "heads": layer.heads, "scale": layer.scale, "additive": additive}
    return Lowered("self_attention_f32", constants | {"causal": int(layer.causal)}, size, vector_of(layer), whole=True)


def window_attention(layer: WindowAttention, sizes: list[int], target: Target) -> Lowered:
    size, additive = layer.output_size(sizes), int(layer.score == "additive")
    constants = {"query": layer.query_size, "size": size, "rows": layer.steps, "heads": layer.heads, "scale": layer.scale}
    state = np.zeros(layer.steps * (layer.query_size + size), np.float32)
    counts, vector = Counting(1, 1), vector_of(layer)
    return Lowered("window_attention_f32", constants | {"additive": additive}, size, vector, state, workspace=layer.steps, counts=counts)


def vector_of(layer: Attention | SelfAttention | WindowAttention) -> Floats:
    """What additive scores are weighted by: (query_size,); nothing for others."""
    if layer.score != "additive":
        return np.zeros(0, np.float32)
    return np.ones(layer.query_size, np.float32) if layer.vector is None else np.asarray(layer.vector)


def memory_of(layer: Attention, memory: Floats | None) -> Floats:
    """A memory as the kernel reads it: how many rows there are, the keys, and the values, both with zeros behind."""
    size = layer.output_size([layer.query_size])
    state = np.zeros(LINE + layer.rows * (layer.query_size + size), np.float32)
    if memory is not None:
        keys, values = layer.remembered(memory)
        state[0] = len(keys)
        state[LINE : LINE + keys.size] = keys.ravel()
        state[LINE + layer.rows * layer.query_size :][: values.size] = values.ravel()
    return state


def reach(layer: Attention) -> Reach:
    """Scores of keys and queries, or of their sums; no answer is larger than a value."""
    gain = abs(layer.scale) * (layer.query_size * LARGEST if layer.score == "dot" else 1)
    return Reach(max(gain, 1.0), LARGEST + abs(layer.scale) * float(np.abs(vector_of(layer)).sum()), LARGEST)


def own_reach(layer: SelfAttention | WindowAttention) -> Reach:
    """The same where keys are read too: products of two numbers that are read."""
    scale, summed = abs(layer.scale), float(np.abs(vector_of(layer)).sum())

    def grows(given: list[float]) -> float:
        most = max(given)
        return max(2 * most, scale * summed, scale * layer.query_size * most**2 if layer.score == "dot" else 0.0)

    return Reach(1.0, grows=grows)


RULES = {
    "attention_pool": Rule(pool, lambda layer: Reach(2.0)),
    "attention": Rule(attention, reach),
    "self_attention": Rule(self_attention, own_reach),
    "window_attention": Rule(window_attention, own_reach),
}
