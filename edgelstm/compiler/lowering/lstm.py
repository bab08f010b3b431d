"""LSTM layers in float32 -> kernel and packed weights, in the layout of `kernels.lstm_f32`."""

import numpy as np

from ...errors import UnsupportedModelError
from ...layers.lstm import LSTM
from ..targets import Target
from . import (
    FETCH_ABOVE,
    FETCH_AHEAD,
    HOIST_ABOVE,
    MULTIPLY_ADDS_IN_FLIGHT,
    TURN_ABOVE,
    Floats,
    Lowered,
    Rule,
    lstm_reach,
    lstm_state,
    tiling,
)


def lower(layer: LSTM, sizes: list[int], target: Target) -> Lowered:
    if layer.variant:
        raise UnsupportedModelError(f"{layer.label}: {', '.join(layer.variant)} has no kernel yet.")
    inputs, hidden = layer.input_size, layer.hidden_size
    padded, units, tail = tiling(hidden, target)
    size = layer.weight_ih.size + layer.weight_hh.size
    hoisted = inputs >= 8 and size > HOIST_ABOVE
    constants = {
        "inputs": inputs,
        "hidden": hidden,
        "padded": padded,
        "units": units,
        "tail": tail,
        "small": int(padded == units <= target.lanes),
        "two_chains": int(4 * -(-units // target.lanes) < MULTIPLY_ADDS_IN_FLIGHT),
        "ahead": FETCH_AHEAD if size > FETCH_ABOVE and target.fetches else 0,
        "hoisted": int(hoisted),
        "turning": int(padded >= 2 * units and size > TURN_ABOVE),
        "paired": int(target.pairs),
        "division": target.division,
    }
    weights = pack(layer, padded, units)
    return Lowered("lstm_f32", constants, padded, weights, lstm_state(layer, padded), 4 * padded if hoisted else 0)


def pack(layer: LSTM, padded: int, units: int) -> Floats:
    """Tiles of `units` units: for each row of [bias, inputs, recurrent] the gates i f g o side by side; i, f and o halved."""
    hidden = layer.hidden_size
    rows = np.zeros((4, padded, 1 + layer.input_size + hidden), np.float32)  # (gate, unit, row)
    rows[:, :hidden] = np.concatenate([layer.bias[:, None], layer.weight_ih, layer.weight_hh], axis=1).reshape(4, hidden, -1)
    rows[[0, 1, 3]] *= np.float32(0.5)
    tiles = [rows[:, start : start + units].transpose(2, 0, 1).ravel() for start in range(0, padded, units)]
    return np.concatenate(tiles)


RULES = {"lstm": Rule(lower, lstm_reach)}
