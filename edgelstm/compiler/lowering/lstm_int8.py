"""LSTM layers with int8 weights -> kernels and packed weights, in the layout of `kernels.lstm_int8`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.packing import GROUP, OFFSET
from ...layers.lstm_int8 import LSTMInt8
from ..targets import Target
from . import HOIST_ABOVE, TURN_ABOVE, Lowered, Reach, Rule, lstm_reach, lstm_state
from .packing import EXACT_DIVISION, float_header, floats, grouped, int8_tiling, least_unit, room, words_of


def _by_gate(values: NDArray[Any], padded: int) -> NDArray[Any]:
    """(4*hidden, ...) -> (4, padded, ...), zeros for the padding units."""
    hidden = values.shape[0] // 4
    gates: NDArray[Any] = np.zeros((4, padded, *values.shape[1:]), values.dtype)
    gates[:, :hidden] = values.reshape(4, hidden, *values.shape[1:])
    return gates


def lower(layer: LSTMInt8, sizes: list[int], target: Target) -> Lowered:
    """A layer of either scheme."""
    padded, units, tail = int8_tiling(layer.hidden_size, target)
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
        weights = [floats(*(rows(part, t) for part in parts), rows(weight_ih, t).T, rows(weight_hh, t).T) for t in tiles]
        return Lowered("lstm_int8_weight", constants, padded, np.concatenate(weights), state)
    form, group = target.dot, GROUP[target.dot]
    input_words, hidden_words = words_of(layer.input_size, group), words_of(padded, group)
    calibrated = layer.input_scale is not None
    hoisted = layer.input_size >= 16 and size > 4 * HOIST_ABOVE
    row = 4 * padded + room(input_words) + room(hidden_words)
    constants |= {"input_words": input_words, "hidden_words": hidden_words, "form": form, "width": target.lanes}
    constants |= {"calibrated": int(calibrated), "hoisted": int(hoisted), "row": row}
    constants |= {"division": EXACT_DIVISION.get(target.division, target.division), "shift": layer.input_shift if calibrated else 0}
    if calibrated:
        header = float_header(np.float32(1) / layer.input_scale[0], layer.hidden_steps)
    else:
        header = float_header(0, layer.hidden_steps, layer.hidden_steps * np.float32(2.0**layer.input_shift))
    start, *starts = (_by_gate(start, padded) for start in _starts(layer, form))
    constant_rows = (start, _by_gate(layer.product_scale, padded) * half, *starts)  # (4, padded) each
    weights = [
        floats(
            *(rows(part, t) for part in constant_rows),
            grouped(rows(weight_ih, t), input_words, form),
            grouped(rows(weight_hh, t), hidden_words, form),
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


def reach(layer: LSTMInt8) -> Reach:
    scales = layer.weight_scale_ih, layer.scale_hh
    if layer.scheme == "int8-weight":
        return lstm_reach(layer, scales, (least_unit(layer.scale_ih), least_unit(layer.scale_hh)))
    units = (least_unit(layer.product_scale),) * 2
    # Without a scale of x, an integer of its products is multiplied by this.
    factor = float(layer.hidden_steps) * 2.0**layer.input_shift if layer.input_scale is None else 0.0
    return lstm_reach(layer, scales, units, factor)


RULES = {"lstm_int8": Rule(lower, reach)}
