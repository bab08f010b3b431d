"""Elman layers in float32 -> kernel and packed weights, in the layout of `kernels.rnn_f32`."""

import numpy as np

from ...layers.activations import within_one
from ...layers.rnn import RNN
from ..targets import Target
from . import LARGEST_STATE, Floats, Lowered, Reach, Rule, hidden_state, largest, rnn_cell, row_sums, up_to, walk_of

#: Tiles are so many times as wide as those of an LSTM, which has as many gates.
WIDER = 4


def lower(layer: RNN, sizes: list[int], target: Target) -> Lowered:
    padded = up_to(4, layer.hidden_size)
    units = min(padded, WIDER * target.tile)
    walk = walk_of(layer, 1, padded, units, target)
    constants = {
        "inputs": layer.input_size,
        "hidden": layer.hidden_size,
        "padded": padded,
        "units": units,
        "tail": padded % units,
        **walk,
        "cell": rnn_cell(layer, target.division),
    }
    scratch = padded if walk["walk"][0] else 0
    return Lowered("rnn_f32", constants, padded, pack(layer, padded, units), hidden_state(layer, padded), scratch)


def pack(layer: RNN, padded: int, units: int) -> Floats:
    """Tiles of `units` units: each row of [bias, inputs, recurrent]."""
    rows = np.zeros((padded, 1 + layer.input_size + layer.hidden_size), np.float32)  # (unit, row)
    rows[: layer.hidden_size] = np.concatenate([layer.bias[:, None], layer.weight_ih, layer.weight_hh], axis=1)
    return np.concatenate([rows[start : start + units].T.ravel() for start in range(0, padded, units)])


def reach(layer: RNN) -> Reach:
    state = max(1.0 if within_one(layer.activation) else LARGEST_STATE, 0.0 if layer.h0 is None else largest(layer.h0))
    recurrent = row_sums(layer.weight_hh) * state + np.abs(layer.bias)
    return Reach(largest(row_sums(layer.weight_ih)), largest(recurrent), state)


RULES = {"rnn": Rule(lower, reach)}
