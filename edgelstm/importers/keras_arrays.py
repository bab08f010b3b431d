"""Arrays as Keras lays them out, as records. Other formats (RTNeural) share this layout.

Keras keeps weights as (inputs, outputs) and gates in the order i f c o (LSTM) and z r h (GRU); records keep (outputs, inputs),
i f g o and r z n. The candidate is called c, g, h or n; i f c o is the order of the records.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers import KINDS, record_of
from ..layers.feedforward import Dense
from ..layers.lstm import LSTM
from ..layers.record import Layer
from ..errors import UnsupportedModelError

Floats = NDArray[Any]


def dense(kernel: Floats, bias: Floats | None, **options: Any) -> Dense:
    """kernel: (inputs, outputs); bias: (outputs,) or None."""
    return Dense(kernel.T, bias, **options)


def lstm(kernel: Floats, recurrent: Floats, bias: Floats | None, **options: Any) -> LSTM:
    """kernel: (inputs, 4*units); recurrent: (units, 4*units); bias: (4*units,) or None."""
    return LSTM(kernel.T, recurrent.T, bias, **options)


def gru(kernel: Floats, recurrent: Floats, bias: Floats | None, **options: Any) -> Layer:
    """kernel: (inputs, 3*units); recurrent: (units, 3*units); bias: (3*units,), (2, 3*units) where the reset comes after, or None."""
    pair = (None, None) if bias is None else (bias, None) if bias.ndim == 1 else (bias[0], bias[1])
    biases = {name: None if part is None else _reset_first(part) for name, part in zip(("bias_ih", "bias_hh"), pair, strict=True)}
    return record("gru")(_reset_first(kernel.T), _reset_first(recurrent.T), **biases, **options)


def _reset_first(rows: Floats) -> Floats:
    """Gates z r h as r z n, along the first axis."""
    update, reset, candidate = np.split(rows, 3)
    return np.concatenate([reset, update, candidate])


def record(kind: str) -> Any:
    """The record of a kind."""
    if kind not in KINDS:
        raise UnsupportedModelError(f"holds a layer of kind {kind}, which this version of edgelstm does not have.")
    return record_of(kind)
