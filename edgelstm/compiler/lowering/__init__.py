"""A layer -> the kernel that runs it, the constants of that kernel, and its weights as the kernel reads them.

Packing is described where it is read, in the kernels. Nothing here compiles.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...layers.lstm import LSTM
from ..targets import Target

if TYPE_CHECKING:
    from ...layers.lstm_int8 import LSTMInt8


Floats = NDArray[np.float32]


_EMPTY = np.zeros(0, np.float32)


#: An LSTM layer whose weights exceed this many floats (half of a usual first-level cache) takes a block's input products together.
#: Measured on Zen 4 and Zen 5: from (9,64) on, `process` gains a fifth or more; below, nothing.
HOIST_ABOVE = 4096


#: One whose weights exceed this many floats (a usual first-level cache) takes its tiles forwards and backwards in turn.
#: Measured on Zen 5: a step of (40,128) and (128,128) gains a fifth and a quarter.
TURN_ABOVE = 8192


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


def copy(size: int) -> Lowered:
    """A layer that passes `size` values on: what gathers several inputs, or trims a row."""
    return Lowered("activation_f32", {"function": "linear", "size": size}, size)
