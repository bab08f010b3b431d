"""Twin of the LSTM, its weights in float32 or in half precision."""

import numpy as np

from ..layers.lstm import LSTM
from .cells import advance, normalised, start
from .functions import State, Twin, Vector, rounded_over_range


def step(layer: LSTM, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: h (projection_size,) and c (hidden_size,)."""
    h, c = state
    h = rounded_over_range(h) if layer.fake_quantize_hidden else h
    from_x, from_h = layer.weight_ih.astype(np.float64) @ np.concatenate(xs), layer.weight_hh.astype(np.float64) @ h
    if layer.norm == "torch":
        assert layer.norm_epsilon is not None
        from_x = normalised(from_x, layer.norm_epsilon) * layer.norm_weight
        from_h = normalised(from_h, layer.norm_epsilon) * layer.norm_weight_hh
    sums = from_x + from_h
    if layer.norm == "joint":
        assert layer.norm_epsilon is not None
        sums = normalised(sums, layer.norm_epsilon) * layer.norm_weight
    h, c = advance(layer, sums, layer.bias, c)
    return h, (h, c)


TWINS = {kind: Twin(step, start) for kind in ("lstm", "lstm_half")}
