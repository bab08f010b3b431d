"""GRU and Elman layers with int8 weights -> kernels and packed weights, in the layouts of `kernels.hidden_int8` and `hidden_int8_weight`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.packing import GROUP, OFFSET
from ...layers.activations import within_one
from ...layers.hidden_int8 import GRUInt8, HiddenInt8, RNNInt8
from ..targets import Target
from . import (
    HOIST_ABOVE,
    LARGEST_GATE,
    LARGEST_STATE,
    TURN_ABOVE,
    Floats,
    Lowered,
    Reach,
    Rule,
    gru_biases,
    gru_cell,
    hidden_state,
    largest,
    rnn_cell,
    row_sums,
    tiling,
    up_to,
)
from .packing import EXACT_DIVISION, float_header, floats, grouped, int8_tiling, least_unit, room, words_of

#: Tiles of an Elman layer are so many times as wide as those of an LSTM, which has as many gates.
WIDER = 4


class _Rows:
    """What belongs to the rows of a layer, gate by gate and tile by tile.

    Parameters
    ----------
    layer : HiddenInt8
    padded, units : int
    halved : bool
        Whether r and z find their arguments halved.
    """

    def __init__(self, layer: HiddenInt8, padded: int, units: int, halved: bool) -> None:
        self.gates, self.hidden, self.padded = len(layer.gates), layer.hidden_size, padded
        self.tiles = [slice(start, min(start + units, padded)) for start in range(0, padded, units)]
        self.half = np.array([0.5, 0.5, 1] if halved else [1] * self.gates, np.float32)[:, None]

    def of(self, values: NDArray[Any], tile: slice, gates: slice = slice(None)) -> NDArray[Any]:
        """(gates*hidden, ...) -> those of a tile, (gates*units, ...), zeros for the padding units."""
        by_gate: NDArray[Any] = np.zeros((self.gates, self.padded, *values.shape[1:]), values.dtype)
        by_gate[:, : self.hidden] = values.reshape(self.gates, self.hidden, *values.shape[1:])
        return np.asarray(by_gate[gates, tile].reshape(-1, *values.shape[1:]))

    def halves(self, values: Floats, tile: slice) -> Floats:
        """The same of float32 numbers, as the cell wants them."""
        return np.asarray(self.of((values.reshape(self.gates, -1) * self.half).ravel().astype(np.float32), tile))


def lower(layer: GRUInt8 | RNNInt8, sizes: list[int], target: Target) -> Lowered:
    """A layer of either scheme."""
    if isinstance(layer, GRUInt8):
        padded, units, tail = int8_tiling(layer.hidden_size, target)
        after, halved, cell = int(layer.reset_after), layer.gate_activation == "sigmoid", gru_cell
        bias, multiplied = gru_biases(layer)
    else:
        padded = up_to(4, layer.hidden_size)
        units = min(padded, WIDER * target.tile)
        tail, after, halved, cell = padded % units, 0, False, rnn_cell
        bias, multiplied = layer.bias, None
    size = layer.weight_ih.size + layer.weight_hh.size
    constants: dict[str, Any] = {"inputs": layer.input_size, "hidden": layer.hidden_size, "padded": padded, "units": units, "tail": tail}
    constants["turning"] = int(padded >= 2 * units and size > 4 * TURN_ABOVE)
    rows = _Rows(layer, padded, units, halved)
    behind = None if not after else np.pad(multiplied, (0, padded - layer.hidden_size))
    state = hidden_state(layer, padded)
    if isinstance(layer, GRUInt8):
        constants["after"] = after
    if layer.scheme == "int8-weight":
        constants["cell"] = cell(layer, target.division)
        weights = _by_row(layer, rows, bias, behind)
        workspace = 0 if after or not isinstance(layer, GRUInt8) else 4 * padded
        return Lowered(f"{layer.kind}_weight", constants, padded, weights, state, workspace=workspace)
    group = GROUP[target.dot]
    input_words, hidden_words = words_of(layer.input_size, group), words_of(padded, group)
    row = (rows.gates + 1) * padded + room(input_words) + room(hidden_words)
    constants |= {"after": after, "gates": rows.gates, "input_words": input_words, "hidden_words": hidden_words, "row": row}
    constants |= {"form": target.dot, "width": target.lanes, "calibrated": int(layer.input_scale is not None)}
    constants |= {"hoisted": int(layer.input_size >= 16 and size > 4 * HOIST_ABOVE)}
    constants["cell"] = cell(layer, EXACT_DIVISION.get(target.division, target.division))
    weights = _by_word(layer, rows, bias, behind, target.dot, (input_words, hidden_words))
    return Lowered(f"{layer.kind}_dynamic", constants, padded, weights, state, scratch=row)


def _by_row(layer: HiddenInt8, rows: _Rows, bias: Floats, behind: Floats | None) -> Floats:
    """Weights as `kernels.hidden_int8_weight` has them."""
    parts = []
    for tile in rows.tiles:
        parts += [rows.halves(values, tile) for values in (bias, layer.scale_ih, layer.scale_hh)]
        parts += [] if behind is None else [behind[tile]]
        parts += [rows.of(layer.weight_ih, tile).T]
        parts += [rows.of(layer.weight_hh, tile, gates).T for gates in _together(layer)]
    return floats(*parts)


def _by_word(
    layer: HiddenInt8, rows: _Rows, bias: Floats, behind: Floats | None, form: str, words: tuple[int, int]
) -> Floats:
    """Weights as `kernels.hidden_int8` has them. words: of x and of h."""
    steps = np.float32(0) if layer.input_scale is None else np.float32(1) / layer.input_scale[0]
    scale_ih = layer.scale_ih if layer.input_scale is None else layer.scale_ih / steps
    starts = [(weight.sum(axis=1, dtype=np.int64) * -OFFSET[form]).astype(np.int32) for weight in (layer.weight_ih, layer.weight_hh)]
    parts: list[NDArray[Any]] = [float_header(steps, layer.hidden_steps)]
    for tile in rows.tiles:
        parts += [rows.halves(values, tile) for values in (bias, scale_ih, layer.scale_hh / layer.hidden_steps)]
        parts += [] if behind is None else [behind[tile]]
        parts += [rows.of(start, tile) for start in starts] if OFFSET[form] else []
        parts += [grouped(rows.of(layer.weight_ih, tile), words[0], form)]
        parts += [grouped(rows.of(layer.weight_hh, tile, gates), words[1], form) for gates in _together(layer)]
    return floats(*parts)


def _together(layer: HiddenInt8) -> list[slice]:
    """Which gates' recurrent weights stand side by side."""
    return [slice(None)] if getattr(layer, "reset_after", True) else [slice(2), slice(2, 3)]


def reach(layer: GRUInt8 | RNNInt8) -> Reach:
    """As of the float layer, in sums of integers before they are multiplied by their scales."""
    if isinstance(layer, GRUInt8):
        bounded = layer.mixes and within_one(layer.cell_activation)
        factor = 1.0 if within_one(layer.gate_activation) else LARGEST_GATE
        biases = np.abs(layer.bias_ih) + factor * np.abs(layer.bias_hh)
    else:
        bounded, factor, biases = within_one(layer.activation), 1.0, np.abs(layer.bias)
    state = max(1.0 if bounded else LARGEST_STATE, 0.0 if layer.h0 is None else largest(layer.h0))
    recurrent = factor * row_sums(layer.weight_hh, layer.scale_hh) / least_unit(layer.scale_hh) * state + biases
    gain = largest(row_sums(layer.weight_ih, layer.scale_ih) / least_unit(layer.scale_ih))
    return Reach(gain, max(largest(recurrent), 2 * factor * state), state)


RULES = {"gru_int8": Rule(lower, reach), "rnn_int8": Rule(lower, reach)}
