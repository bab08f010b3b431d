"""Arrays as Keras lays them out, as records. Other formats (RTNeural) share this layout.

Keras keeps weights as (inputs, outputs) and gates in the order i f c o (LSTM) and z r h (GRU); records keep (outputs, inputs),
i f g o and r z n. The candidate is called c, g, h or n; i f c o is the order of the records.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers.feedforward import Dense
from ..layers.gru import GRU
from ..layers.lstm import LSTM

Floats = NDArray[Any]


def dense(kernel: Floats, bias: Floats | None, **options: Any) -> Dense:
    """kernel: (inputs, outputs); bias: (outputs,) or None."""
    return Dense(kernel.T, bias, **options)


def lstm(kernel: Floats, recurrent: Floats, bias: Floats | None, **options: Any) -> LSTM:
    """kernel: (inputs, 4*units); recurrent: (units, 4*units); bias: (4*units,) or None."""
    return LSTM(kernel.T, recurrent.T, bias, **options)


def gru(kernel: Floats, recurrent: Floats, bias: Floats | None, *, reset_after: bool, **options: Any) -> GRU:
    """kernel: (inputs, 3*units); recurrent: (units, 3*units); bias: None, or (3*units,), or (2, 3*units) with `reset_after`."""
    pair = (None, None) if bias is None else (bias[0], bias[1]) if reset_after else (bias, None)
    bias_ih, bias_hh = (None if part is None else _reset_first(part) for part in pair)
    return GRU(_reset_first(kernel.T), _reset_first(recurrent.T), bias_ih, bias_hh, reset_after=reset_after, **options)


def from_cudnn(kernel: Floats, recurrent: Floats, bias: Floats | None, gates: int) -> tuple[Floats, Floats, Floats | None]:
    """Weights as cuDNN's layers store them, in the layout of the others: input blocks scrambled, state blocks transposed, two biases."""
    kernel = np.hstack([block.reshape(block.shape[::-1]).T for block in np.hsplit(kernel, gates)])
    recurrent = np.hstack([block.T for block in np.hsplit(recurrent, gates)])
    if bias is not None:
        pair = bias.reshape(2, -1)
        bias = pair.astype(np.float64).sum(axis=0) if gates == 4 else pair
    return kernel, recurrent, bias


def _reset_first(rows: Floats) -> Floats:
    """Gates z r h as r z n, along the first axis."""
    update, reset, candidate = np.split(rows, 3)
    return np.concatenate([reset, update, candidate])
