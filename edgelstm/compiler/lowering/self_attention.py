"""Self-attention -> kernel."""

import numpy as np

from ...layers.self_attention import SelfAttention
from ..targets import Target
from . import Lowered, Reach, Rule

#: Keys whose scores are made before any value is read.
KEYS = 16

#: What a score stays below, so that none is lower than what stands for none.
HIGHEST_SCORE = 1e29


def lower(layer: SelfAttention, sizes: list[int], target: Target) -> Lowered:
    values = layer.output_size(sizes)
    constants = {
        "heads": layer.heads,
        "size": layer.size,
        "values": values // layer.heads,
        "keys": KEYS,
        "additive": int(layer.score == "additive"),
        "causal": int(layer.causal),
        "padding": int(layer.padding),
    }
    return Lowered("self_attention_f32", constants, values, layer.weight, workspace=KEYS + layer.size, whole=True)


def reach(layer: SelfAttention) -> Reach:
    """Scores grow with the product of a query and a key."""
    weights = float(np.abs(layer.weight).sum(dtype=np.float64)) + 1
    room = float(np.finfo(np.float32).max) / 4 / HIGHEST_SCORE

    def grows(given: list[float]) -> float:
        largest = max(1.0, *given)
        score = weights if layer.score == "additive" else weights * largest * largest
        return max(2 * largest, room * score)

    return Reach(2.0, grows=grows)


RULES = {"self_attention": Rule(lower, reach)}
