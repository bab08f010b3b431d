"""Integer-only layers -> kernels and packed weights, in the layout of `kernels.lstm_int8_static` and `kernels.integers`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.packing import C_OFFSET, H_OFFSET, HEADER, TABLE_END
from ..layers_int8_static import DenseInt8Static, LSTMInt8Static, tanh_table
from .lowering import Lowered, up_to
from .targets import Target

Integers = NDArray[np.int32]

#: A clip that holds nothing back: beyond int16.
NO_CLIP = 32768


def _header(layer: LSTMInt8Static | DenseInt8Static, output_scale: NDArray[np.float32], output_zero: int) -> Integers:
    header = np.zeros(HEADER, np.int32)
    header[:2].view(np.float32)[:] = np.float32(1) / layer.input_scale[0], output_scale[0]
    header[2:4] = layer.input_zero_point, output_zero
    return header


def _row_scales(mantissa: Integers, shift: NDArray[np.int8], weight: NDArray[np.int8], zero_point: int, bias: Integers | int) -> Integers:
    """(rows, 3): mantissa, shift, and where the sum of a row begins."""
    rows = weight.shape[0]
    start = bias - zero_point * weight.astype(np.int64).sum(axis=1)
    columns = (np.repeat(mantissa, rows // mantissa.size), np.repeat(shift, rows // shift.size), start)
    return np.stack(columns, axis=1).astype(np.int32)


def _packed(*parts: NDArray[Any]) -> NDArray[np.float32]:
    data = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    return np.frombuffer(data + bytes(-len(data) % 4), np.float32)


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


def dense(layer: DenseInt8Static, sizes: list[int], target: Target) -> Lowered:
    """A fully connected layer."""
    outputs, inputs = layer.weight.shape
    header = _header(layer, layer.output_scale, layer.output_zero_point)
    scales = _row_scales(layer.mantissa, layer.shift, layer.weight, layer.input_zero_point, layer.bias)
    weights = _packed(header, scales, layer.weight)
    return Lowered("dense_int8_static", {"inputs": inputs, "outputs": outputs}, outputs, weights, workspace=up_to(4, -(-inputs // 4)))
