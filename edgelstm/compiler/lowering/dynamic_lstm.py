"""LSTM layers whose products are of whole numbers -> kernel and packed weights, in the layout of `kernels.dynamic_lstm_f32`."""

from typing import Any

import numpy as np

from ...layers.dynamic_lstm import DynamicLSTM
from ..targets import Target
from . import (
    FETCH_ABOVE,
    FETCH_AHEAD,
    MULTIPLY_ADDS_IN_FLIGHT,
    TURN_ABOVE,
    Floats,
    Lowered,
    Reach,
    Rule,
    checked_start,
    floats_of,
    largest,
    lstm_state,
    row_sums,
    tiled,
    tiling,
)

#: Most levels of h on either side of 0; its largest scale, which is 1 where h is all zeros, and magnitude: tanh exceeds one by a bit.
_LEVELS, _LARGEST = 255, 1.000001


def lower(layer: DynamicLSTM, sizes: list[int], target: Target) -> Lowered:
    hidden, size = layer.hidden_size, floats_of(layer)
    padded, units, tail = tiling(hidden, target)
    constants = {
        "inputs": layer.input_size - 1,
        "hidden": hidden,
        "padded": padded,
        "units": units,
        "tail": tail,
        "chains": 2 if 4 * -(-units // target.lanes) < MULTIPLY_ADDS_IN_FLIGHT else 1,
        "ahead": FETCH_AHEAD if size > FETCH_ABOVE and target.fetches else 0,
        "hoisted": target.strip,
        "turning": int(padded >= 2 * units and size > TURN_ABOVE),
        "paired": int(target.pairs),
    }
    weights, state = pack(layer, padded, units), lstm_state(layer, padded, padded)
    keeps = (("h", 0, hidden), ("c", padded, hidden))
    return Lowered("dynamic_lstm_f32", constants, padded, weights, state, 5 * padded, keeps=keeps)


def pack(layer: DynamicLSTM, padded: int, units: int) -> Floats:
    """Tiles of a bias of zero, inputs and recurrent rows; then bias and scales."""
    hidden = layer.hidden_size

    def by_gate(*columns: Any) -> Floats:
        rows = np.zeros((4, padded, sum(column.shape[1] for column in columns)), np.float32)  # (gate, unit, row)
        rows[:, :hidden] = np.concatenate(columns, axis=1).reshape(4, hidden, -1)
        return rows

    levels = by_gate(np.zeros((4 * hidden, 1)), layer.weight_ih, layer.weight_hh)
    numbers = [tiled(by_gate(one[:, None]), units) for one in (layer.bias, layer.scale_ih, layer.scale_hh)]
    return np.concatenate([tiled(levels, units), *numbers])


def reach(layer: DynamicLSTM) -> Reach:
    """Sums of levels are multiplied by their scale, which is one of the inputs."""
    checked_start(layer)
    state = _LARGEST if layer.h0 is None else max(_LARGEST, largest(layer.h0))
    of_x, of_h = row_sums(layer.weight_ih), row_sums(layer.weight_hh) * _LEVELS
    recurrent = largest(of_h) + largest(of_h * layer.scale_hh) * state + largest(layer.bias)

    def grows(given: list[float]) -> float:
        *levels, scale = given if layer.mask is None else given[:-1]
        level = max(levels)
        return largest(of_x) * level + largest(layer.scale_ih) * scale + largest(of_x * layer.scale_ih) * level * scale + recurrent

    return Reach(0.0, most=state, grows=grows)


RULES = {"dynamic_lstm": Rule(lower, reach)}
