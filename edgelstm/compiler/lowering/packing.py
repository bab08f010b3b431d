"""How int8 weights and their scales are packed: what the int8 kinds share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.packing import GROUP, HEADER, INPUT_STEPS, INPUT_ZERO, OFFSET, OUTPUT_SCALE, OUTPUT_ZERO
from ..targets import Target
from . import Floats, Reach, largest, tiling, up_to

Integers = NDArray[np.int32]

#: Most units of a layer whose loops are unrolled: by LLVM's models of Cortex-A72 and A76.
SHORT = 24


#: Quotients by estimate differ in their last bits, and a quantised h then in an integer: where it is, all CPUs divide alike.
EXACT_DIVISION = {"frecpe": "fdiv"}


def int8_tiling(hidden: int, target: Target) -> tuple[int, int, int]:
    """As `lowering.tiling`. On NEON loops of few words are unrolled, and then need more registers beside their sums: narrower tiles."""
    if target.dot not in ("sdot", "smlal"):
        return tiling(hidden, target)
    return tiling(hidden, target._replace(registers=target.registers // 2 if hidden <= SHORT else target.registers))


def words_of(count: int, group: int) -> int:
    return -(-count // group)


def room(words: int) -> int:
    """Floats for activations of so many words, which are read four at a time."""
    return up_to(4, words) + 4


def grouped(weights: NDArray[np.int8], words: int, form: str) -> NDArray[Any]:
    """(lanes, values) -> (words, lanes, group): what one word of activations meets stands together."""
    (lanes, count), group = weights.shape, GROUP[form]
    padded = np.zeros((lanes, words * group), np.int8)
    padded[:, :count] = weights
    if form == "smlal":
        quads = padded.reshape(lanes // 4, 4, words, 2, 2)  # (quad, lane, word, pair, value)
        return quads.transpose(2, 0, 3, 1, 4).reshape(words, lanes, group)
    return padded.reshape(lanes, words, group).transpose(1, 0, 2)


def floats(*parts: NDArray[Any]) -> Floats:
    """Arrays of any type one behind the other, as the float32 memory that holds them."""
    data = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    return np.frombuffer(data + bytes(-len(data) % 4), np.float32)


def float_header(*values: Any) -> Floats:
    header = np.zeros(HEADER, np.float32)
    header[: len(values)] = values
    return header


def steps_header(layer: Any) -> Floats:
    """What stands before the tiles of a layer that quantises its inputs: their steps a unit where these are calibrated, else 0."""
    return float_header(np.float32(0) if layer.input_scale is None else np.float32(1) / layer.input_scale[0])


def product_scale(layer: Any) -> Floats:
    """What the sums of each row are multiplied by: also by the inputs' step, where it is calibrated."""
    return np.asarray(layer.scale if layer.input_scale is None else layer.scale * layer.input_scale[0])


def dynamic_tiles(weight: NDArray[np.int8], scale: Floats, bias: Floats, units: int, form: str) -> Floats:
    """Rows (outputs, inputs) as `kernels.dense_int8.answers_dynamic` reads them."""
    words, parts = words_of(weight.shape[1], GROUP[form]), []
    for rows, scales, biases in _tiles(weight, scale, bias, units=units):
        starts = (rows.sum(axis=1, dtype=np.int32) * np.int32(-OFFSET[form]),) if OFFSET[form] else ()
        parts.append(floats(biases, scales, *starts, grouped(rows, words, form)))
    return np.concatenate(parts)


def weight_tiles(weight: NDArray[np.int8], scale: Floats, bias: Floats, units: int) -> Floats:
    """Rows (outputs, inputs) as `kernels.dense_int8.answers_weight` reads them."""
    return np.concatenate([floats(biases, scales, rows.T) for rows, scales, biases in _tiles(weight, scale, bias, units=units)])


def _tiles(*of_rows: NDArray[Any], units: int) -> list[tuple[Any, ...]]:
    """Rows, and what belongs to each of them, cut into tiles of `units`; the last one filled up with zeros."""
    missing = -len(of_rows[0]) % units
    padded = [np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) for array in of_rows]
    return list(zip(*(array.reshape(-1, units, *array.shape[1:]) for array in padded), strict=True))


def integers_header(layer: Any) -> Integers:
    """What stands before the weights of a layer of integers alone: (HEADER,) int32, `INPUT_STEPS` and `OUTPUT_SCALE` as float32."""
    scale, zero_point = layer.output_grid
    header = np.zeros(HEADER, np.int32)
    header[[INPUT_STEPS, OUTPUT_SCALE]] = np.array([np.float32(1) / layer.input_scale[0], scale[0]], np.float32).view(np.int32)
    header[[INPUT_ZERO, OUTPUT_ZERO]] = layer.input_zero_point, zero_point
    return header


def row_scales(mantissa: Integers, shift: NDArray[np.int8], weight: NDArray[np.int8], zero_point: int, bias: Integers | int) -> Integers:
    """(rows, 3): mantissa, shift, and where the sum of a row begins."""
    rows = weight.shape[0]
    start = bias - zero_point * weight.astype(np.int64).sum(axis=1)
    columns = (np.repeat(mantissa, rows // mantissa.size), np.repeat(shift, rows // shift.size), start)
    return np.stack(columns, axis=1).astype(np.int32)


def least_unit(scale: Any) -> Any:
    """What sums are counted in before they are multiplied by the scales of their rows, where that is less than 1."""
    return np.minimum(scale.astype(np.float64), 1.0)


def integers_reach(layer: Any) -> Reach:
    """The reach of a layer whose inputs and outputs are int8 with a scale."""
    scale, _ = layer.output_grid
    return Reach(largest(1 / layer.input_scale), 128.0, 256 * largest(scale))
