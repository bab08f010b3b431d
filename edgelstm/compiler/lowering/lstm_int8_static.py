"""Integer-only LSTM layers -> kernel and packed weights, in the layout of `kernels.lstm_int8_static`."""

import numpy as np

from ...kernels.packing import C_OFFSET, H_OFFSET, HEADER, TABLE_END
from ...layers.integers import tanh_table
from ...layers.lstm_int8_static import LSTMInt8Static
from ..targets import Target
from . import Lowered, up_to
from .packing_int8 import _header, _packed, _row_scales

#: A clip that holds nothing back: beyond int16.
NO_CLIP = 32768


def lstm(layer: LSTMInt8Static, sizes: list[int], target: Target) -> Lowered:
    """The state is h and c as non-negative int32."""
    hidden = layer.hidden_size
    header = _header(layer, layer.hidden_scale, layer.hidden_zero_point)
    clip = NO_CLIP if layer.cell_clip is None else layer.cell_clip
    header[4:8] = layer.mantissa_out[0], layer.shift_out[0], layer.cell_bits, clip
    table = np.zeros(2 * (TABLE_END - HEADER), np.uint16)
    table[: tanh_table().size] = tanh_table()
    scales = [
        _row_scales(layer.mantissa_ih, layer.shift_ih, layer.weight_ih, layer.input_zero_point, layer.bias),
        _row_scales(layer.mantissa_hh, layer.shift_hh, layer.weight_hh, layer.hidden_zero_point, 0),
    ]
    weights = _packed(header, table, np.concatenate(scales, axis=1), layer.weight_ih, layer.weight_hh)
    state = np.empty(2 * hidden, np.int32)
    state[:hidden] = (layer.hidden_zero_point if layer.h0 is None else layer.h0.astype(np.int32)) + H_OFFSET
    state[hidden:] = (0 if layer.c0 is None else layer.c0.astype(np.int32)) + C_OFFSET
    constants = {"inputs": layer.input_size, "hidden": hidden}
    workspace = -(-layer.input_size // 4) + -(-hidden // 4)
    return Lowered("lstm_int8_static", constants, hidden, weights, state.view(np.float32), workspace=up_to(4, workspace))
