"""A layer -> the kernel that runs it, the constants of that kernel, and its weights as the kernel reads them.

Packing is described where it is read, in the kernels. Nothing here compiles.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..layers import LSTM, Activation, Add, Dense, Embedding, Normalizer, Softmax
from .targets import Target

if TYPE_CHECKING:
    from ..layers_int8 import LSTMInt8

Floats = NDArray[np.float32]

_EMPTY = np.zeros(0, np.float32)

#: A Dense layer of fewer outputs is one dot product each. Measured on Zen 4.
FEWEST_COLUMNS = 4

#: An LSTM layer whose weights exceed this many floats (half of a usual first-level cache) takes a block's input products together.
#: Measured on Zen 4 and Zen 5: from (9,64) on, `process` gains a fifth or more; below, nothing.
HOIST_ABOVE = 4096

#: One whose weights exceed this many floats (a usual first-level cache) takes its tiles forwards and backwards in turn.
#: Measured on Zen 5: a step of (40,128) and (128,128) gains a fifth and a quarter.
TURN_ABOVE = 8192

#: Independent multiply-adds that keep a CPU busy: two a cycle, four cycles each. True of Zen 4, Zen 5, Cortex-A72 and A76.
MULTIPLY_ADDS_IN_FLIGHT = 8

#: An LSTM layer whose weights exceed this many floats (a usual second-level cache) fetches them this many floats ahead.
#: Measured on Zen 5, one of `targets.FETCHING`; Zen 4 loses by it, with any distance.
FETCH_ABOVE, FETCH_AHEAD = 1 << 18, 256


class Lowered(NamedTuple):
    """One layer, ready for code generation except for where its rows lie.

    Parameters
    ----------
    kernel : str
        Name in `kernels.table.LAYER_KERNELS`.
    constants : dict of int or str
        The kernel factory's arguments, without the strides.
    weights : (n,) float32
    width : int
        Floats that the kernel writes for each timestep.
    state : (m,) float32
        Initial state; empty for layers without one.
    scratch : int
        Floats of scratch for each timestep of a block.
    workspace : int
        Floats of scratch for one timestep at a time.
    """

    kernel: str
    constants: dict[str, Any]
    width: int
    weights: Floats = _EMPTY
    state: Floats = _EMPTY
    scratch: int = 0
    workspace: int = 0


def up_to(multiple: int, size: int) -> int:
    """`size`, rounded up to a multiple."""
    return -(-size // multiple) * multiple


def tiling(hidden: int, target: Target) -> tuple[int, int, int]:
    """Units that a layer of `hidden` units is padded to, those of its full tiles, and those of its last tile if that is narrower."""
    padded = up_to(4, hidden)
    units = padded if padded <= target.widest_tile else target.tile
    return padded, units, padded % units


def lstm_state(layer: "LSTM | LSTMInt8", padded: int) -> Floats:
    """Initial h (padded,), c (padded,) and the turn; padding units stay at 0."""
    state = np.zeros(2 * padded + 1, np.float32)
    for start, value in ((0, layer.h0), (padded, layer.c0)):
        if value is not None:
            state[start : start + layer.hidden_size] = value
    return state


def lstm(layer: LSTM, sizes: list[int], target: Target) -> Lowered:
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
    weights = pack_lstm(layer, padded, units)
    return Lowered("lstm_f32", constants, padded, weights, lstm_state(layer, padded), 4 * padded if hoisted else 0)


def pack_lstm(layer: LSTM, padded: int, units: int) -> Floats:
    """Tiles of `units` units: for each row of [bias, inputs, recurrent] the gates i f g o side by side; i, f and o halved."""
    hidden = layer.hidden_size
    rows = np.zeros((4, padded, 1 + layer.input_size + hidden), np.float32)  # (gate, unit, row)
    rows[:, :hidden] = np.concatenate([layer.bias[:, None], layer.weight_ih, layer.weight_hh], axis=1).reshape(4, hidden, -1)
    rows[[0, 1, 3]] *= np.float32(0.5)
    tiles = [rows[:, start : start + units].transpose(2, 0, 1).ravel() for start in range(0, padded, units)]
    return np.concatenate(tiles)


def dense(layer: Dense, sizes: list[int], target: Target) -> Lowered:
    outputs, inputs = layer.weight.shape
    if outputs < FEWEST_COLUMNS:
        weights = np.concatenate([layer.weight.ravel(), layer.bias])
        return Lowered("dense_dot_f32", {"inputs": inputs, "outputs": outputs}, outputs, weights)
    units = min(outputs, 2 * target.lanes)
    rows = np.concatenate([layer.bias[:, None], layer.weight], axis=1)  # (outputs, 1 + inputs)
    weights = np.concatenate([rows[start : start + units].T.ravel() for start in range(0, outputs, units)])
    return Lowered("dense_columns_f32", {"inputs": inputs, "outputs": outputs, "units": units}, outputs, weights)


def activation(layer: Activation, sizes: list[int], target: Target) -> Lowered:
    return Lowered("activation_f32", {"function": layer.function, "size": sum(sizes)}, sum(sizes))


def softmax(layer: Softmax, sizes: list[int], target: Target) -> Lowered:
    return Lowered("softmax_f32", {"size": sum(sizes)}, sum(sizes))


def normalizer(layer: Normalizer, sizes: list[int], target: Target) -> Lowered:
    weights = np.concatenate([layer.mean, (1 / layer.scale.astype(np.float64)).astype(np.float32)])
    return Lowered("normalizer_f32", {"size": layer.mean.size}, layer.mean.size, weights)


def embedding(layer: Embedding, sizes: list[int], target: Target) -> Lowered:
    return Lowered("embedding_f32", {"size": layer.weight.shape[1]}, layer.weight.shape[1], layer.weight.ravel())


def add(layer: Add, sizes: list[int], target: Target) -> Lowered:
    return Lowered("add_f32", {"terms": len(sizes), "size": sizes[0]}, sizes[0])


def copy(size: int) -> Lowered:
    """A layer that passes `size` values on: what gathers several inputs, or trims a row."""
    return Lowered("activation_f32", {"function": "linear", "size": size}, size)
