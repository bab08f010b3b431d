"""Twin of attention pooling."""

import numpy as np

from ..layers.attention import AttentionPool
from .functions import State, Twin, Vector


def step(_layer: AttentionPool, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. state: the largest score so far, the sum of ``exp(score - largest)`` (both (1,)), and that of the rows, so weighted."""
    *x, score = np.concatenate(xs)
    largest, weights, rows = state
    top = np.maximum(largest, score)
    before, now = np.exp(largest - top), np.exp(score - top)
    weights, rows = weights * before + now, rows * before + now * np.array(x)
    return rows / weights, (top, weights, rows)


TWINS = {"attention_pool": Twin(step, lambda _layer: (np.full(1, -np.inf), np.zeros(1), np.zeros(1)))}
