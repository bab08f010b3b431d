"""What a recurrent layer ends with, where a network reads it: h, which is an answer, and c of an LSTM."""

from dataclasses import replace
from functools import partial

import numpy as np

from ...layers.activations import parts
from ...layers.convolution import Conv1D
from ...layers.lstm import LSTM
from ...layers.recurrent import Recurrent
from .build import Build, State, Value

#: What opens a gate: 1 is all that is left of it in float64.
_OPEN = 50.0


def of(build: Build, x: Value, y: Value, cell: Recurrent, end: str) -> tuple[State | None, ...]:
    """The states that a cell of Keras' ends with at one end of its answers `y` to `x`; None of one that no record gives."""
    h: State | None = None if cell.mask == "zero" else lambda: (y, end)
    if not isinstance(cell, LSTM):
        return (h,)
    opens = cell.mask is None and isinstance(cell.gate_activation, str) and parts(cell.gate_activation)[0] in ("sigmoid", "hard_sigmoid")
    return (h, partial(_memory, build, x, y, cell, end) if opens else None)


def _memory(build: Build, x: Value, y: Value, cell: LSTM, end: str) -> tuple[Value, str]:
    """The c of an LSTM, by another that reads x and the h before, and has nothing else of its own: with an open output gate it gives c."""
    hidden, backwards = cell.hidden_size, cell.reverse
    before = np.tile([0.0, 1.0] if backwards else [1.0, 0.0], (hidden, 1, 1))
    padding = (0, 1) if backwards else "causal"
    shifted = build.add(Conv1D(before, groups=hidden, padding=padding, **build.at(f"{y.name}.before", y)))
    weight = np.concatenate([cell.weight_ih, cell.weight_hh], axis=1)
    weight[3 * hidden :] = 0
    bias = cell.bias.copy()
    bias[3 * hidden :] = _OPEN
    record = replace(
        cell,
        weight_ih=weight,
        weight_hh=np.zeros_like(cell.weight_hh),
        bias=bias,
        output_activation="linear",
        **build.at(f"{y.name}.c", x, shifted),
    )
    return replace(y, name=build.add(record), states=()), end
