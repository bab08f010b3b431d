"""GRU layers with layer normalisation -> kernel and packed weights, in the layout of `kernels.gru_norms`."""

from typing import Any

import numpy as np

from ...layers.activations import bound
from ..targets import Target
from . import Floats, Lowered, Reach, chains, largest, row_sums, up_to
from .hidden import gru_cell, hidden_keeps


def lower(layer: Any, target: Target) -> Lowered:
    """One layer. A table of input products is one tile of all units."""
    hidden, padded = layer.hidden_size, up_to(4, layer.hidden_size)
    panel = min(3 * padded, 4 * target.tile)
    constants = {
        "inputs": layer.input_size,
        "hidden": hidden,
        "padded": padded,
        "panel": panel,
        "groups": layer.norm_groups,
        "apart": int(layer.apart),
        "reset_after": int(layer.reset_after),
        "epsilon": layer.norm_epsilon,
        "sums": (int(target.pairs), chains(panel, target), 0),
        "cell": gru_cell(layer, target.division),
        "units": padded,
    }
    state = np.zeros(padded, np.float32)
    if layer.h0 is not None:
        state[:hidden] = layer.h0
    workspace = 6 * padded if layer.apart else 4 * padded
    return Lowered("gru_norms_f32", constants, padded, packed(layer, padded, panel), state, workspace=workspace, keeps=hidden_keeps(layer))


def packed(layer: Any, padded: int, panel: int) -> Floats:
    """Tiles of x, if it reads any, and of h; the mask; weights and biases of the norms."""
    hidden = layer.hidden_size

    def by_gate(array: Any) -> Floats:
        gates = np.zeros((3, padded, *array.shape[1:]), np.float32)
        gates[:, :hidden] = array.reshape(3, hidden, *array.shape[1:])
        return gates

    def begun(array: Any) -> Floats:
        return by_gate(np.zeros(3 * hidden, np.float32) if array is None else array)[:, :, None]

    of_x = np.concatenate([begun(layer.norm_start_ih), by_gate(layer.weight_ih)], axis=2)
    of_h = by_gate(layer.weight_hh)
    if layer.apart:
        of_h = np.concatenate([begun(layer.norm_start_hh), of_h], axis=2)
    blocks = [of_x] if layer.input_size else []
    blocks += [of_h] if layer.reset_after else [of_h[:2], of_h[2:]]
    half = np.array([0.5, 0.5, 1] if layer.gate_activation == "sigmoid" else [1, 1, 1], np.float32)[:, None]
    mask = np.zeros(padded, np.float32)
    mask[:hidden] = 1
    apart = (layer.norm_weight, layer.bias_ih, layer.norm_weight_hh, layer.bias_hh)
    behind = apart if layer.apart else (layer.norm_weight, layer.bias_ih + layer.bias_hh)
    parts = [*(_tiles(block.reshape(-1, block.shape[2]), panel) for block in blocks), mask, *(by_gate(a) * half for a in behind)]
    return np.concatenate([part.ravel() for part in parts])


def _tiles(rows: Floats, panel: int) -> Floats:
    """(outputs, values) -> tiles of `panel` outputs, value by value."""
    panel = min(panel, len(rows))
    return np.concatenate([rows[start : start + panel].T.ravel() for start in range(0, len(rows), panel)])


def reach(layer: Any) -> Reach:
    """A norm squares deviations, which no sum exceeds twice, and sums them; what comes out of it is bounded by its weights and biases."""
    state = max(bound(layer.cell_activation, layer.largest_normed), 0.0 if layer.h0 is None else largest(layer.h0))
    starts = sum(largest(a) for a in (layer.norm_start_ih, layer.norm_start_hh) if a is not None)
    weights, recurrent = largest(row_sums(layer.weight_ih)), largest(row_sums(layer.weight_hh)) * state + starts

    def grows(given: list[float]) -> float:
        inside = 2 * (weights * max(given) + recurrent)
        return float(max(3 * layer.hidden_size * inside**2, 2 * layer.largest_normed, 2 * state))

    return Reach(weights, most=state, grows=grows)
