"""GRU layers in float32 -> kernel and packed weights, in the layout of `kernels.gru_f32`."""

import numpy as np

from ...layers.activations import within_one
from ...layers.gru import GRU
from ..targets import Target
from . import LARGEST_GATE, LARGEST_STATE, Floats, Lowered, Reach, Rule, hidden_state, largest, row_sums, tiling, walk_of

#: Registers that each gate of a tile fills at least: with three gates, six sums are under way at a time. Measured on Zen 5.
TILE_REGISTERS = 2


def lower(layer: GRU, sizes: list[int], target: Target) -> Lowered:
    padded, units, tail = tiling(layer.hidden_size, target, max(target.tile, TILE_REGISTERS * target.lanes))
    walk = walk_of(layer, 3, padded, units, target)
    constants = {
        "inputs": layer.input_size,
        "hidden": layer.hidden_size,
        "padded": padded,
        "units": units,
        "tail": tail,
        "reset_after": int(layer.reset_after),
        **walk,
        "cell": gru_cell(layer, target.division),
    }
    row = 3 * padded if layer.reset_after else 4 * padded
    hoisted = walk["walk"][0]
    scratch, workspace = (row, 0) if hoisted else (0, 0 if layer.reset_after else row)
    return Lowered("gru_f32", constants, padded, pack(layer, padded, units), hidden_state(layer, padded), scratch, workspace)


def pack(layer: GRU, padded: int, units: int) -> Floats:
    """Tiles of `units` units, as the kernel's file says."""
    hidden, before = layer.hidden_size, 1 + layer.input_size
    bias, multiplied = gru_biases(layer)
    rows = np.zeros((3, padded, before + hidden), np.float32)  # (gate, unit, row)
    rows[:, :hidden] = np.concatenate([bias[:, None], layer.weight_ih, layer.weight_hh], axis=1).reshape(3, hidden, -1)
    if layer.gate_activation == "sigmoid":
        rows[:2] *= np.float32(0.5)
    behind = np.pad(multiplied, (0, padded - hidden))
    parts = []
    for start in range(0, padded, units):
        tile = rows[:, start : start + units].transpose(2, 0, 1)  # (row, gate, unit)
        if layer.reset_after:
            parts += [tile, behind[start : start + units]]
        else:
            parts += [tile[:before], tile[before:, :2], tile[before:, 2]]
    return np.concatenate([part.ravel() for part in parts])


def reach(layer: GRU) -> Reach:
    """Gates without a bound multiply sums, and are cut."""
    bounded = layer.mixes and within_one(layer.cell_activation)
    state = max(1.0 if bounded else LARGEST_STATE, 0.0 if layer.h0 is None else largest(layer.h0))
    factor = 1.0 if within_one(layer.gate_activation) else LARGEST_GATE
    recurrent = factor * row_sums(layer.weight_hh) * state + np.abs(layer.bias_ih) + factor * np.abs(layer.bias_hh)
    return Reach(largest(row_sums(layer.weight_ih)), max(largest(recurrent), 2 * factor * state), state)


RULES = {"gru": Rule(lower, reach)}
