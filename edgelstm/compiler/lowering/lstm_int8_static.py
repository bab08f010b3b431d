"""Integer-only LSTM layers -> kernel and packed weights, in the layout of `kernels.lstm_int8_static`."""

import numpy as np

from ...kernels.packing import C_OFFSET, CELL_BITS, CELL_CLIP, H_OFFSET, HEADER, MANTISSA_OUT, SHIFT_OUT, TABLE_END
from ...layers.integers import tanh_table
from ...layers.lstm_int8_static import LSTMInt8Static
from ..targets import Target
from . import Lowered, Rule, up_to
from .packing import floats, integers_header, integers_reach, row_scales

#: A clip that holds nothing back: beyond int16.
NO_CLIP = 32768


def lower(layer: LSTMInt8Static, sizes: list[int], target: Target) -> Lowered:
    """The state is h and c as non-negative int32."""
    hidden = layer.hidden_size
    header = integers_header(layer)
    clip = NO_CLIP if layer.cell_clip is None else layer.cell_clip
    header[[MANTISSA_OUT, SHIFT_OUT, CELL_BITS, CELL_CLIP]] = layer.mantissa_out[0], layer.shift_out[0], layer.cell_bits, clip
    table = np.zeros(2 * (TABLE_END - HEADER), np.uint16)
    table[: tanh_table().size] = tanh_table()
    scales = [
        row_scales(layer.mantissa_ih, layer.shift_ih, layer.weight_ih, layer.input_zero_point, layer.bias),
        row_scales(layer.mantissa_hh, layer.shift_hh, layer.weight_hh, layer.hidden_zero_point, 0),
    ]
    weights = floats(header, table, np.concatenate(scales, axis=1), layer.weight_ih, layer.weight_hh)
    state = np.empty(2 * hidden, np.int32)
    state[:hidden] = (layer.hidden_zero_point if layer.h0 is None else layer.h0.astype(np.int32)) + H_OFFSET
    state[hidden:] = (0 if layer.c0 is None else layer.c0.astype(np.int32)) + C_OFFSET
    constants = {"inputs": layer.input_size, "hidden": hidden}
    workspace = -(-layer.input_size // 4) + -(-hidden // 4)
    return Lowered("lstm_int8_static", constants, hidden, weights, state.view(np.float32), workspace=up_to(4, workspace))


RULES = {"lstm_int8_static": Rule(lower, integers_reach)}
