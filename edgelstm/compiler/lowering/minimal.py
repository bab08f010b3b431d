"""Minimal recurrent layers -> kernels and packed weights, in the layout of `kernels.minimal_f32`."""

from typing import Any

import numpy as np

from ...layers.activations import bound
from ...layers.minimal import Minimal
from ..targets import Target
from . import Lowered, Reach, Rule, chains, largest, row_sums, tiled, tiling

#: Inputs from which on a tile's sums are taken in parts: with fewer, sums of several tiles are under way together. Measured on Zen 5.
LONG = 8


def lower(layer: Minimal, sizes: list[int], target: Target) -> Lowered:
    hidden, gates = layer.hidden_size, len(layer.gates)
    padded, units, tail = tiling(hidden, target)
    rows = np.zeros((gates, padded, 1 + layer.input_size), np.float32)  # (gate, unit, row)
    rows[:, :hidden] = np.concatenate([layer.bias[:, None], layer.weight_ih], axis=1).reshape(gates, hidden, -1)
    if layer.kind == "min_gru":
        rows[0] *= np.float32(0.5)
    state = np.zeros(padded, np.float32)
    if layer.h0 is not None:
        state[:hidden] = layer.h0
    constants: dict[str, Any] = {"inputs": layer.input_size, "padded": padded, "units": units, "tail": tail, "paired": int(target.pairs)}
    constants |= {"candidate": layer.candidate, "division": target.division}
    constants["chains"] = chains(gates * units, target) if layer.input_size >= LONG else 1
    return Lowered(f"{layer.kind}_f32", constants, padded, tiled(rows, units), state)


def reach(layer: Minimal) -> Reach:
    """h lies between its old value and the candidate."""
    gain, offset = largest(row_sums(layer.weight_ih)), largest(layer.bias)
    start = 0.0 if layer.h0 is None else largest(layer.h0)

    def grows(given: list[float]) -> float:
        inner = gain * max(given) + offset
        return 2 * max(inner, bound(layer.candidate, inner), start)

    return Reach(gain, most=max(bound(layer.candidate), start), grows=grows)


RULES = {"min_gru": Rule(lower, reach), "min_lstm": Rule(lower, reach)}
