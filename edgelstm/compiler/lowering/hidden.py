"""What rules of layers share whose whole state is h: GRU and Elman layers of any form of numbers."""

from typing import Any

import numpy as np

from ...layers.activations import within_one
from ..targets import Target
from . import FETCH_ABOVE, FETCH_AHEAD, HOIST_ABOVE, MULTIPLY_ADDS_IN_FLIGHT, TURN_ABOVE, Floats, Reach, floats_of, largest, row_sums

#: Tiles of an Elman layer are so many times as wide as those of an LSTM, which has as many gates.
WIDER = 4

#: Independent multiply-adds of a tile that is not the only one: its weights come from memory, which is slower. Measured on Zen 5.
ENOUGH_OF_MEMORY = 6

#: Registers that each gate of a GRU's tile fills at least: with three gates, six sums are under way at a time. Measured on Zen 5.
TILE_REGISTERS = 2

#: What gates and states are cut at where their functions have no bound, so that none becomes infinite. A network that comes here has
#: diverged.
LARGEST_GATE, LARGEST_STATE = 2.0**30, 2.0**60


def hidden_state(layer: Any, padded: int) -> Floats:
    """Initial h (padded,) and the turn, of layers without a cell; padding units stay at 0."""
    state = np.zeros(padded + 1, np.float32)
    if layer.h0 is not None:
        state[: layer.hidden_size] = layer.h0
    return state


def hidden_keeps(layer: Any) -> tuple[tuple[str, int, int], ...]:
    """What other streams may give of that state."""
    return (("h", 0, layer.hidden_size),)


def walk_of(layer: Any, gates: int, padded: int, units: int, target: Target, most: int = 2) -> dict[str, tuple[int, ...]]:
    """Constants of kernels that take `gates` gates in tiles of `units` units: how blocks are walked, and how sums are taken.

    most: chains in which a tile's rows are summed at most. More than 2 only where 2 are not enough and the sums of all fill half of the
    registers or fewer, and on x86 alone. Measured on Zen 5.
    """
    size = floats_of(layer)
    hoisted = layer.input_size >= 8 and size > HOIST_ABOVE
    enough = MULTIPLY_ADDS_IN_FLIGHT if units == padded else ENOUGH_OF_MEMORY
    registers = gates * -(-units // target.lanes)
    room = 2 * most * registers <= target.registers and target.architecture == "x86_64"
    apart = most if room and 2 * registers < enough else 2
    chains = apart if registers < enough else 1
    ahead = FETCH_AHEAD if size > FETCH_ABOVE and target.fetches else 0
    return {
        "walk": (target.strip if hoisted else 0, int(padded >= 2 * units and size > TURN_ABOVE)),
        "sums": (int(target.pairs), chains, ahead),
    }


def gru_tile(target: Target) -> int:
    """Units of the tiles that a large GRU is cut into."""
    return max(target.tile, TILE_REGISTERS * target.lanes)


def gru_cell(layer: Any, division: str) -> tuple[Any, ...]:
    """What `kernels.gru_cell.Cell` takes of a GRU in any form."""
    most = (
        0.0 if within_one(layer.gate_activation) else LARGEST_GATE,
        0.0 if within_one(layer.cell_activation) else LARGEST_STATE,
        0.0 if layer.mixes else LARGEST_STATE,
    )
    return (layer.gate_activation, layer.cell_activation, layer.gate_clip or 0.0, most, division)


def rnn_cell(layer: Any, division: str) -> tuple[Any, ...]:
    """What `kernels.rnn_f32.activated` takes of an Elman layer in any form."""
    return (layer.activation, layer.gate_clip or 0.0, 0.0 if within_one(layer.activation) else LARGEST_STATE, division)


def gru_biases(layer: Any) -> tuple[Floats, Floats]:
    """What is added to pre-activations (3*hidden_size,), and what of the bias of n the reset gate multiplies (hidden_size,)."""
    hidden = layer.hidden_size
    bias, multiplied = layer.bias_ih + layer.bias_hh, np.zeros(hidden, np.float32)
    if layer.reset_after:
        bias[2 * hidden :], multiplied = layer.bias_ih[2 * hidden :], layer.bias_hh[2 * hidden :]
    return bias, multiplied


def gru_reach(layer: Any, scales: tuple[Any, Any] = (1.0, 1.0), units: tuple[Any, Any] = (1.0, 1.0)) -> Reach:
    """The reach of a GRU. Gates without a bound are cut, and multiply sums. scales, units: as `lstm_reach` takes them."""
    factor = 1.0 if within_one(layer.gate_activation) else LARGEST_GATE
    bounded = layer.mixes and within_one(layer.cell_activation)
    return _reach(layer, bounded, factor, np.abs(layer.bias_ih) + factor * np.abs(layer.bias_hh), scales, units)


def rnn_reach(layer: Any, scales: tuple[Any, Any] = (1.0, 1.0), units: tuple[Any, Any] = (1.0, 1.0)) -> Reach:
    """The reach of an Elman layer."""
    return _reach(layer, within_one(layer.activation), 1.0, np.abs(layer.bias), scales, units)


def _reach(layer: Any, bounded: bool, factor: float, biases: Any, scales: tuple[Any, Any], units: tuple[Any, Any]) -> Reach:
    """factor: what recurrent products are multiplied by at most."""
    state = max(1.0 if bounded else LARGEST_STATE, 0.0 if layer.h0 is None else largest(layer.h0))
    recurrent = factor * row_sums(layer.weight_hh, scales[1]) / units[1] * state + biases
    return Reach(largest(row_sums(layer.weight_ih, scales[0]) / units[0]), max(largest(recurrent), 2 * factor * state), state)
