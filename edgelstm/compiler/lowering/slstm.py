"""sLSTM layers in float32 -> kernel and packed weights, in the layout of `kernels.slstm_f32`."""

from typing import Any

import numpy as np

from ...layers.slstm import SLSTM
from ..targets import Target
from . import Floats, Lowered, Reach, Rule, largest, row_sums, tiled, tiling, up_to

#: m before the first step, below all that i can be; what is kept of nothing is then nothing.
FIRST_M = -1e30


def lower(layer: SLSTM, sizes: list[int], target: Target) -> Lowered:
    """Heads that no vector of four divides become one head, whose weights are zeros between them."""
    whole = layer.head_size % 4 != 0
    padded = up_to(4, layer.hidden_size)
    head = padded if whole else layer.head_size
    _, units, tail = tiling(head, target)
    rows = by_unit(layer, padded, whole)  # (gate, unit, row)
    rows[3] *= np.float32(0.5)
    state = np.zeros((4, padded), np.float32)
    state[3] = FIRST_M
    constants: dict[str, Any] = {"inputs": layer.input_size, "hidden": padded, "head": head, "units": units, "tail": tail}
    constants |= {"paired": int(target.pairs), "division": target.division}
    weights = [tiled(rows[:, start : start + head], units) for start in range(0, padded, head)]
    return Lowered("slstm_f32", constants, padded, np.concatenate(weights), state.ravel())


def by_unit(layer: SLSTM, padded: int, whole: bool) -> Floats:
    """Bias, input weights and recurrent weights: (4, padded, rows)."""
    hidden, size = layer.hidden_size, layer.head_size
    recurrent = layer.weight_hh.reshape(4, hidden, size)
    if whole:
        recurrent = np.zeros((4, hidden, padded), np.float32)
        for first in range(0, hidden, size):
            recurrent[:, first : first + size, first : first + size] = layer.weight_hh.reshape(4, hidden, size)[:, first : first + size]
    parts = [layer.bias.reshape(4, hidden, 1), layer.weight_ih.reshape(4, hidden, -1), recurrent]
    rows = np.zeros((4, padded, sum(part.shape[2] for part in parts)), np.float32)
    rows[:, :hidden] = np.concatenate(parts, axis=2)
    return rows


def reach(layer: SLSTM) -> Reach:
    """|c| is at most n, so that h stays within 1."""
    recurrent = row_sums(layer.weight_hh) + np.abs(layer.bias)
    return Reach(2 * largest(row_sums(layer.weight_ih)), -FIRST_M + 2 * largest(recurrent), 1.0)


RULES = {"slstm": Rule(lower, reach)}
