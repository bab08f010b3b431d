"""LSTM layers with int8 weights -> kernels and packed weights, in the layout of `kernels.lstm_int8`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.packing import GROUP, OFFSET
from ...layers.integers import LIMIT
from ...layers.lstm_int8 import LSTMInt8
from ..targets import Target
from . import HOIST_ABOVE, TURN_ABOVE, Floats, Lowered, Reach, Rule, lstm_keeps, lstm_reach, lstm_state
from .packing import EXACT_DIVISION, float_header, floats, grouped, int8_tiling, least_unit, room, words_of
from .tables import with_table, without_inputs


def _by_gate(values: NDArray[Any], padded: int, kept: list[int]) -> NDArray[Any]:
    """(4*hidden, ...) -> (gates that have rows, padded, ...), zeros for the padding units."""
    hidden = values.shape[0] // 4
    gates: NDArray[Any] = np.zeros((4, padded, *values.shape[1:]), values.dtype)
    gates[:, :hidden] = values.reshape(4, hidden, *values.shape[1:])
    return gates[kept]


def lower(layer: LSTMInt8, sizes: list[int], target: Target) -> Lowered:
    """A layer of either scheme."""
    padded, units, tail = int8_tiling(layer.hidden_size, target)
    constants: dict[str, Any] = {"inputs": layer.input_size, "hidden": layer.projection_size, "padded": padded, "units": units}
    size = layer.weight_ih.size + layer.weight_hh.size
    constants |= {"tail": tail, "turning": int(padded >= 2 * units and size > 4 * TURN_ABOVE), "division": target.division}
    given, work, numbers = padded, 0, np.zeros(0, np.float32)
    if layer.variant:
        from . import cells

        options = constants["options"] = cells.cell_options(layer, target)
        given, work, numbers = options.projection or padded, options.work(padded), cells.numbers(layer, options, padded)
    state, keeps = lstm_state(layer, padded, given), lstm_keeps(layer, given)
    if layer.scheme == "int8-weight":
        weights = np.concatenate([*_tiles_of_weights(layer, padded, units), numbers])
        return Lowered("lstm_int8_weight", constants, given, weights, state, workspace=work, keeps=keeps)
    form, group = target.dot, GROUP[target.dot]
    input_words, hidden_words = words_of(layer.input_size, group), words_of(given, group)
    calibrated = layer.input_scale is not None
    hoisted = layer.input_size >= 16 and size > 4 * HOIST_ABOVE
    row = len(_kept(layer)) * padded + room(input_words) + room(hidden_words) + work
    constants |= {"input_words": input_words, "hidden_words": hidden_words, "form": form, "width": target.lanes}
    constants |= {"calibrated": int(calibrated), "hoisted": int(hoisted), "row": row}
    constants |= {"division": EXACT_DIVISION.get(target.division, target.division), "shift": layer.input_shift if calibrated else 0}
    if calibrated:
        header = float_header(np.float32(1) / layer.input_scale[0], layer.hidden_steps)
    else:
        header = float_header(0, layer.hidden_steps, layer.hidden_steps * np.float32(2.0**layer.input_shift))
    tiles = _tiles_of_words(layer, padded, units, form, (input_words, hidden_words))
    return Lowered("lstm_int8_dynamic", constants, given, np.concatenate([header, *tiles, numbers]), state, scratch=row, keeps=keeps)


def looked_up(layer: LSTMInt8, table: Floats, target: Target) -> Lowered:
    """The same where x is a row of a table: what kernels make of its products, to the bit where x is quantised."""
    low = lower(without_inputs(layer), [0], target)
    if layer.scheme == "int8-weight":
        sums = layer.weight_ih.astype(np.float64) @ table.T.astype(np.float64)  # (4*hidden, vocabulary)
        half = np.repeat(_HALF, layer.hidden_size)[:, None]
        rows = np.asarray((sums * layer.scale_ih[:, None] + layer.bias[:, None]) * half, np.float32)
        return with_table(low, _by_gate(rows, low.constants["padded"], _kept(layer)))
    largest = np.maximum(np.abs(table).max(axis=1), np.float32(1e-30))  # (vocabulary,)
    steps = np.float32(1) / layer.input_scale[0] if layer.input_scale is not None else (np.float32(LIMIT) / largest)[:, None]
    integers = np.clip(np.rint(table * steps), -LIMIT, LIMIT).astype(np.int64)  # (vocabulary, input_size)
    sums = layer.weight_ih.astype(np.int64) @ integers.T
    if layer.input_scale is None:
        factor = largest / np.float32(LIMIT) * (layer.hidden_steps * np.float32(2.0**layer.input_shift))
        return with_table(low, _by_gate(sums.astype(np.float32) * factor, low.constants["padded"], _kept(layer)))
    begun = sums if OFFSET[target.dot] else sums + layer.bias_steps[:, None]
    shifted = (begun * 2**layer.input_shift).astype(np.int32).view(np.float32)
    return with_table(low, _by_gate(shifted, low.constants["padded"], _kept(layer)))


def _kept(layer: LSTMInt8) -> list[int]:
    """Gates that have rows."""
    return [gate for gate in range(4) if gate != layer.derived_gate]


def _by_tile(arrays: list[NDArray[Any]], padded: int, units: int) -> list[list[NDArray[Any]]]:
    """Rows (gates, padded, ...) of several arrays, tile by tile."""
    tiles = [slice(start, min(start + units, padded)) for start in range(0, padded, units)]
    return [[np.concatenate(list(array[:, tile])) for array in arrays] for tile in tiles]


#: What rows of i, f, g and o come multiplied by: i, f and o come halved.
_HALF = np.array([0.5, 0.5, 1, 0.5], np.float32)


def _tiles_of_weights(layer: LSTMInt8, padded: int, units: int) -> list[Floats]:
    """Bias, scales and weights of each tile, for activations in float32."""
    kept = _kept(layer)
    constant = [_by_gate(part, padded, kept) * _HALF[kept][:, None] for part in (layer.bias, layer.scale_ih, layer.scale_hh)]
    weights = [_by_gate(weight, padded, kept) for weight in (layer.weight_ih, layer.weight_hh)]
    return [floats(*rows, ih.T, hh.T) for *rows, ih, hh in _by_tile([*constant, *weights], padded, units)]


def _tiles_of_words(layer: LSTMInt8, padded: int, units: int, form: str, words: tuple[int, int]) -> list[Floats]:
    """Starts, scales and weights of each tile, for activations in integers. words: of x and of h."""
    kept = _kept(layer)
    start, *starts = (_by_gate(start, padded, kept) for start in _starts(layer, form))
    scale = _by_gate(layer.product_scale, padded, kept) * _HALF[kept][:, None]
    weights = [_by_gate(weight, padded, kept) for weight in (layer.weight_ih, layer.weight_hh)]
    return [
        floats(*rows, grouped(ih, words[0], form), grouped(hh, words[1], form))
        for *rows, ih, hh in _by_tile([start, scale, *starts, *weights], padded, units)
    ]


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
        units, factor = (least_unit(layer.scale_ih), least_unit(layer.scale_hh)), 0.0
    else:
        units = (least_unit(layer.product_scale),) * 2
        # Without a scale of x, an integer of its products is multiplied by this.
        factor = float(layer.hidden_steps) * 2.0**layer.input_shift if layer.input_scale is None else 0.0
    if not layer.variant:
        return lstm_reach(layer, scales, units, factor)
    from .cells import cell_reach

    return cell_reach(layer, scales, units, factor)


RULES = {"lstm_int8": Rule(lower, reach, looked_up)}
