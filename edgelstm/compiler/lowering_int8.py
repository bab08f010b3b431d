"""Int8 layers -> kernels and packed weights: the sibling of `lowering`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.packing import GROUP, HEADER, OFFSET
from ..layers_int8 import DenseInt8, LSTMInt8
from .lowering import HOIST_ABOVE, TURN_ABOVE, Floats, Lowered, lstm_state, tiling, up_to
from .targets import Target

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


def _by_gate(values: NDArray[Any], padded: int) -> NDArray[Any]:
    """(4*hidden, ...) -> (4, padded, ...), zeros for the padding units."""
    hidden = values.shape[0] // 4
    gates: NDArray[Any] = np.zeros((4, padded, *values.shape[1:]), values.dtype)
    gates[:, :hidden] = values.reshape(4, hidden, *values.shape[1:])
    return gates


def _header(*values: Any) -> Floats:
    header = np.zeros(HEADER, np.float32)
    header[: len(values)] = values
    return header


def _tiling(hidden: int, target: Target) -> tuple[int, int, int]:
    """As `lowering.tiling`. On NEON loops of few words are unrolled, and then need more registers beside their sums: narrower tiles."""
    if target.dot not in ("sdot", "smlal"):
        return tiling(hidden, target)
    return tiling(hidden, target._replace(registers=target.registers // 2 if hidden <= SHORT else target.registers))


def lstm(layer: LSTMInt8, sizes: list[int], target: Target) -> Lowered:
    """A layer of either scheme."""
    padded, units, tail = _tiling(layer.hidden_size, target)
    constants: dict[str, Any] = {"inputs": layer.input_size, "hidden": layer.hidden_size, "padded": padded, "units": units, "tail": tail}
    size = layer.weight_ih.size + layer.weight_hh.size
    constants |= {"turning": int(padded >= 2 * units and size > 4 * TURN_ABOVE), "division": target.division}
    state = lstm_state(layer, padded)
    half = np.array([0.5, 0.5, 1, 0.5], np.float32)[:, None]  # i, f and o come halved
    weight_ih, weight_hh = _by_gate(layer.weight_ih, padded), _by_gate(layer.weight_hh, padded)  # (4, padded, columns)
    tiles = [slice(start, min(start + units, padded)) for start in range(0, padded, units)]

    def rows(values: NDArray[Any], tile: slice) -> NDArray[Any]:
        return np.asarray(values[:, tile].reshape(-1, *values.shape[2:]))

    if layer.scheme == "int8-weight":
        parts = [_by_gate(part, padded) * half for part in (layer.bias, layer.scale_ih, layer.scale_hh)]  # (4, padded) each
        weights = [_floats(*(rows(part, t) for part in parts), rows(weight_ih, t).T, rows(weight_hh, t).T) for t in tiles]
        return Lowered("lstm_int8_weight", constants, padded, np.concatenate(weights), state)
    form, group = target.dot, GROUP[target.dot]
    input_words, hidden_words = _words(layer.input_size, group), _words(padded, group)
    calibrated = layer.input_scale is not None
    hoisted = layer.input_size >= 16 and size > 4 * HOIST_ABOVE
    row = 4 * padded + _room(input_words) + _room(hidden_words)
    constants |= {"input_words": input_words, "hidden_words": hidden_words, "form": form, "width": target.lanes}
    constants |= {"calibrated": int(calibrated), "hoisted": int(hoisted), "row": row}
    constants |= {"division": EXACT_DIVISION.get(target.division, target.division), "shift": layer.input_shift if calibrated else 0}
    if calibrated:
        header = _header(np.float32(1) / layer.input_scale[0], layer.hidden_steps)
    else:
        header = _header(0, layer.hidden_steps, layer.hidden_steps * np.float32(2.0**layer.input_shift))
    start, *starts = (_by_gate(start, padded) for start in _starts(layer, form))
    constant_rows = (start, _by_gate(layer.product_scale, padded) * half, *starts)  # (4, padded) each
    weights = [
        _floats(
            *(rows(part, t) for part in constant_rows),
            _grouped(rows(weight_ih, t), input_words, form),
            _grouped(rows(weight_hh, t), hidden_words, form),
        )
        for t in tiles
    ]
    return Lowered("lstm_int8_dynamic", constants, padded, np.concatenate([header, *weights]), state, scratch=row)


def _starts(layer: LSTMInt8, form: str) -> list[NDArray[Any]]:
    """What integer sums begin at, (4*hidden,) int32 each: those of all products; those of inputs, if they have an offset of their own."""
    from_x, from_h = (weight.sum(axis=1, dtype=np.int64) * -OFFSET[form] for weight in (layer.weight_ih, layer.weight_hh))
    if layer.input_scale is None:
        starts = [layer.bias_steps + from_h, *([from_x] if OFFSET[form] else [])]
    elif OFFSET[form]:
        starts = [(layer.bias_steps + from_x) * 2**layer.input_shift + from_h]
    else:
        starts = [layer.bias_steps]
    return [start.astype(np.int32) for start in starts]


def dense(layer: DenseInt8, sizes: list[int], target: Target) -> Lowered:
    """A layer of either scheme; outputs padded to whole tiles."""
    outputs, inputs = layer.weight.shape
    units = min(up_to(4, outputs), 2 * target.lanes)
    padded = up_to(units, outputs)
    bias, scale = np.zeros(padded, np.float32), np.zeros(padded, np.float32)
    bias[:outputs], scale[:outputs] = layer.bias, layer.scale
    weight = np.zeros((padded, inputs), np.int8)
    weight[:outputs] = layer.weight
    tiles = [slice(start, start + units) for start in range(0, padded, units)]
    constants: dict[str, Any] = {"inputs": inputs, "outputs": outputs, "units": units}
    if layer.scheme == "int8-weight":
        parts = [_floats(bias[t], scale[t], weight[t].T) for t in tiles]
        return Lowered("dense_int8_weight", constants, outputs, np.concatenate(parts), workspace=units)
    form, group = target.dot, GROUP[target.dot]
    words = _words(inputs, group)
    calibrated = layer.input_scale is not None
    constants |= {"words": words, "form": form, "width": target.lanes, "calibrated": int(calibrated)}
    from_x = scale * layer.input_scale[0] if calibrated else scale
    header = _header(np.float32(1) / layer.input_scale[0] if calibrated else 0)
    starts = (weight.sum(axis=1, dtype=np.int32) * np.int32(-OFFSET[form]),) if OFFSET[form] else ()
    parts = [_floats(*(row[t] for row in (bias, from_x, *starts)), _grouped(weight[t], words, form)) for t in tiles]
    return Lowered("dense_int8_dynamic", constants, outputs, np.concatenate([header, *parts]), workspace=_room(words) + units)
