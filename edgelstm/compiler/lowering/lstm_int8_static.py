"""Integer-only LSTM layers -> kernel and packed weights, as `kernels.lstm_int8_static` and `kernels.lstm_int8_static_cells` read them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.packing import (
    C_OFFSET,
    CELL_BITS,
    CELL_CLIP,
    GATED_ZERO,
    H_OFFSET,
    HEADER,
    MANTISSA_OUT,
    PROJECTION_CLIP,
    SHIFT_OUT,
    TABLE_END,
)
from ...layers.integers import tanh_table
from ...layers.lstm_int8_static import LSTMInt8Static
from ..targets import Target
from . import Lowered, Rule, up_to
from .packing import floats, integers_header, integers_reach, row_scales

#: Clips that hold nothing back: beyond int16 and int8.
NO_CLIP, NO_PROJECTION_CLIP = 32768, 128


def lower(layer: LSTMInt8Static, sizes: list[int], target: Target) -> Lowered:
    """The state is h and c as non-negative int32."""
    hidden, given = layer.hidden_size, layer.projection_size
    header = integers_header(layer)
    clip = NO_CLIP if layer.cell_clip is None else layer.cell_clip
    header[[MANTISSA_OUT, SHIFT_OUT, CELL_BITS, CELL_CLIP]] = layer.mantissa_out[0], layer.shift_out[0], layer.cell_bits, clip
    table = np.zeros(2 * (TABLE_END - HEADER), np.uint16)
    table[: tanh_table().size] = tanh_table()
    scales = [
        row_scales(
            layer.mantissa_ih, layer.shift_ih, layer.weight_ih, layer.input_zero_point, 0 if layer.norm_weight is not None else layer.bias
        ),
        row_scales(layer.mantissa_hh, layer.shift_hh, layer.weight_hh, layer.hidden_zero_point, 0),
    ]
    parts: list[NDArray[Any]] = [np.concatenate(scales, axis=1), layer.weight_ih, layer.weight_hh]
    state = np.empty(given + hidden, np.int32)
    state[:given] = (layer.hidden_zero_point if layer.h0 is None else layer.h0.astype(np.int32)) + H_OFFSET
    state[given:] = (0 if layer.c0 is None else layer.c0.astype(np.int32)) + C_OFFSET
    constants: dict[str, Any] = {"inputs": layer.input_size, "hidden": hidden}
    workspace = -(-layer.input_size // 4) + -(-given // 4)
    if layer.plain:
        weights = floats(header, table, *parts)
        return Lowered("lstm_int8_static", constants, hidden, weights, state.view(np.float32), workspace=up_to(4, workspace))
    constants |= {"given": given, "coupled": layer.coupled or "", "peephole": int(layer.peephole is not None)}
    constants |= {"norm": int(layer.norm_weight is not None), "projected": int(layer.weight_hr is not None)}
    if layer.weight_hr is not None:
        held = NO_PROJECTION_CLIP if layer.projection_clip is None else layer.projection_clip
        header[[GATED_ZERO, PROJECTION_CLIP]] = layer.gated_zero_point, held
        parts.append(layer.weight_hr)
    weights = floats(header, table, parts[0], *options(layer), *parts[1:])
    workspace += 4 * hidden + -(-hidden // 4)
    return Lowered("lstm_int8_static_cell", constants, given, weights, state.view(np.float32), workspace=up_to(4, workspace))


def options(layer: LSTMInt8Static) -> list[NDArray[np.int32]]:
    """What stands behind the scales of the rows."""
    found: list[Any] = []
    if layer.peephole is not None:
        found += [layer.peephole, layer.mantissa_peephole, layer.shift_peephole]
    if layer.norm_weight is not None:
        found += [layer.norm_weight, layer.bias, layer.mantissa_norm, layer.shift_norm, layer.norm_guard]
    if layer.weight_hr is not None:
        found.append(row_scales(layer.mantissa_hr, layer.shift_hr, layer.weight_hr, layer.gated_zero_point, layer.bias_hr).T)
    return [np.asarray(array, np.int32).ravel() for array in found]


RULES = {"lstm_int8_static": Rule(lower, integers_reach)}
