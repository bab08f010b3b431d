"""How int8 weights and their scales are packed: what LSTM and Dense layers share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.packing import GROUP, HEADER
from ...layers.dense_int8_static import DenseInt8Static
from ...layers.lstm_int8_static import LSTMInt8Static
from . import Floats, up_to

#: Most units of a layer whose loops are unrolled: by LLVM's models of Cortex-A72 and A76.
SHORT = 24


#: Quotients by estimate differ in their last bits, and a quantised h then in an integer: where it is, all CPUs divide alike.
EXACT_DIVISION = {"frecpe": "fdiv"}


def _words(count: int, group: int) -> int:
    return -(-count // group)


def _room(words: int) -> int:
    """Floats for activations of so many words, which are read four at a time."""
    return up_to(4, words) + 4


def _grouped(weights: NDArray[np.int8], words: int, form: str) -> NDArray[Any]:
    """(lanes, values) -> (words, lanes, group): what one word of activations meets stands together."""
    (lanes, count), group = weights.shape, GROUP[form]
    padded = np.zeros((lanes, words * group), np.int8)
    padded[:, :count] = weights
    if form == "smlal":
        quads = padded.reshape(lanes // 4, 4, words, 2, 2)  # (quad, lane, word, pair, value)
        return quads.transpose(2, 0, 3, 1, 4).reshape(words, lanes, group)
    return padded.reshape(lanes, words, group).transpose(1, 0, 2)


def _floats(*parts: NDArray[Any]) -> Floats:
    """Arrays of any type one behind the other, as the float32 memory that holds them."""
    data = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    return np.frombuffer(data + bytes(-len(data) % 4), np.float32)


def _header(*values: Any) -> Floats:
    header = np.zeros(HEADER, np.float32)
    header[: len(values)] = values
    return header


Integers = NDArray[np.int32]


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
