"""Elman layers in float32 -> kernel and packed weights, in the layout of `kernels.rnn_f32`."""

import numpy as np

from ...layers.rnn import RNN
from ..targets import Target
from . import Floats, Lowered, Rule, up_to
from .hidden import WIDER, hidden_keeps, hidden_state, rnn_cell, rnn_reach, walk_of
from .tables import input_products, with_table, without_inputs

#: Chains in which a narrow tile is summed: with one gate, its sums alone would wait for each other. Measured on Zen 5: a step of 16 to 32
#: units takes an eighth less than with two.
CHAINS = 4


def lower(layer: RNN, sizes: list[int], target: Target) -> Lowered:
    padded = up_to(4, layer.hidden_size)
    units = min(padded, WIDER * target.tile)
    walk = walk_of(layer, 1, padded, units, target, CHAINS)
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
    return Lowered(
        "rnn_f32", constants, padded, pack(layer, padded, units), hidden_state(layer, padded), scratch, keeps=hidden_keeps(layer)
    )


def looked_up(layer: RNN, table: Floats, target: Target) -> Lowered:
    """The same where x is a row of a table."""
    low = lower(without_inputs(layer), [0], target)
    products = np.zeros((1, low.constants["padded"], len(table)), np.float32)  # (1, unit, index)
    products[0, : layer.hidden_size] = input_products(layer, table, layer.bias)
    return with_table(low, products)


def pack(layer: RNN, padded: int, units: int) -> Floats:
    """Tiles of `units` units: each row of [bias, inputs, recurrent]."""
    rows = np.zeros((padded, 1 + layer.input_size + layer.hidden_size), np.float32)  # (unit, row)
    rows[: layer.hidden_size] = np.concatenate([layer.bias[:, None], layer.weight_ih, layer.weight_hh], axis=1)
    return np.concatenate([rows[start : start + units].T.ravel() for start in range(0, padded, units)])


RULES = {"rnn": Rule(lower, rnn_reach, looked_up)}
