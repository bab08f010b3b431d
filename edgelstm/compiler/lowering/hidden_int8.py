"""GRU and Elman layers with int8 weights -> kernels and packed weights, in the layouts of `kernels.hidden_int8`, `hidden_int8_weight`."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...kernels.packing import GROUP, OFFSET
from ...layers.hidden_int8 import GRUInt8, HiddenInt8, RNNInt8
from ...layers.integers import LIMIT
from ..targets import Target
from . import HOIST_ABOVE, TURN_ABOVE, Floats, Lowered, Reach, Rule, tiling, up_to
from .hidden import WIDER, gru_biases, gru_cell, gru_reach, gru_tile, hidden_keeps, hidden_state, rnn_cell, rnn_reach
from .packing import EXACT_DIVISION, float_header, floats, grouped, int8_tiling, least_unit, room, words_of
from .tables import with_table, without_inputs


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
        chosen = by_gate[gates, tile]
        return np.asarray(chosen.reshape(chosen.shape[0] * chosen.shape[1], *values.shape[1:]))

    def halves(self, values: Floats, tile: slice) -> Floats:
        """The same of float32 numbers, as the cell wants them."""
        return np.asarray(self.of((values.reshape(self.gates, -1) * self.half).ravel().astype(np.float32), tile))


class _Shape(NamedTuple):
    """How a kind is cut into tiles, and what its cell adds: bias, and what of that of n a reset gate multiplies (padded,), or None."""

    padded: int
    units: int
    halved: bool
    bias: Floats
    behind: Floats | None


def _shape(layer: GRUInt8 | RNNInt8, target: Target) -> _Shape:
    if isinstance(layer, RNNInt8):
        padded = up_to(4, layer.hidden_size)
        return _Shape(padded, min(padded, WIDER * target.tile), False, layer.bias, None)
    if layer.scheme == "int8-weight":
        padded, units, _ = tiling(layer.hidden_size, target, gru_tile(target))
    else:
        padded, units, _ = int8_tiling(layer.hidden_size, target)
    bias, multiplied = gru_biases(layer)
    behind = np.pad(multiplied, (0, padded - layer.hidden_size)) if layer.reset_after else None
    return _Shape(padded, units, layer.gate_activation == "sigmoid", bias, behind)


def lower(layer: GRUInt8 | RNNInt8, sizes: list[int], target: Target) -> Lowered:
    """A layer of either scheme."""
    shape, gru = _shape(layer, target), isinstance(layer, GRUInt8)
    padded, units, after = shape.padded, shape.units, int(shape.behind is not None)
    rows = _Rows(layer, padded, units, shape.halved)
    size, cell, state = layer.weight_ih.size + layer.weight_hh.size, gru_cell if gru else rnn_cell, hidden_state(layer, padded)
    constants: dict[str, Any] = {"inputs": layer.input_size, "hidden": layer.hidden_size, "padded": padded, "units": units}
    constants |= {"tail": padded % units, "turning": int(padded >= 2 * units and size > 4 * TURN_ABOVE)}
    if layer.scheme == "int8-weight":
        constants |= {"cell": cell(layer, target.division), **({"after": after} if gru else {})}
        weights = _by_row(layer, rows, shape)
        return Lowered(
            f"{layer.kind}_weight",
            constants,
            padded,
            weights,
            state,
            workspace=4 * padded if gru and not after else 0,
            keeps=hidden_keeps(layer),
        )
    group = GROUP[target.dot]
    words = words_of(layer.input_size, group), words_of(padded, group)
    row = (rows.gates + 1) * padded + room(words[0]) + room(words[1])
    constants |= {"after": after, "gates": rows.gates, "input_words": words[0], "hidden_words": words[1], "row": row}
    constants |= {"form": target.dot, "width": target.lanes, "calibrated": int(layer.input_scale is not None)}
    constants |= {"hoisted": int(layer.input_size >= 16 and size > 4 * HOIST_ABOVE)}
    constants["cell"] = cell(layer, EXACT_DIVISION.get(target.division, target.division))
    weights = _by_word(layer, rows, shape, target.dot, words)
    return Lowered(f"{layer.kind}_dynamic", constants, padded, weights, state, scratch=row, keeps=hidden_keeps(layer))


def looked_up(layer: GRUInt8 | RNNInt8, table: Floats, target: Target) -> Lowered:
    """The same where x is a row of a table: what kernels make of its products."""
    low, shape = lower(without_inputs(layer), [0], target), _shape(layer, target)
    scale = layer.scale_ih.astype(np.float64)[:, None]
    if layer.scheme == "int8-weight":
        sums = layer.weight_ih.astype(np.float64) @ table.T.astype(np.float64) * scale  # (gates*hidden, vocabulary)
    else:
        largest = np.maximum(np.abs(table).max(axis=1), np.float32(1e-30))  # (vocabulary,)
        calibrated = layer.input_scale is not None
        steps = np.float32(1) / layer.input_scale[0] if calibrated else (np.float32(LIMIT) / largest)[:, None]
        integers = np.clip(np.rint(table * steps), -LIMIT, LIMIT).astype(np.int64)  # (vocabulary, input_size)
        each = (layer.scale_ih / steps)[:, None] if calibrated else layer.scale_ih[:, None] * (largest / np.float32(LIMIT))
        sums = (layer.weight_ih.astype(np.int64) @ integers.T) * each.astype(np.float64)
    gates = len(layer.gates)
    rows = _Rows(layer, shape.padded, shape.units, shape.halved)
    products: Floats = np.zeros((gates, shape.padded, len(table)), np.float32)  # (gate, unit, index)
    products[:, : layer.hidden_size] = (sums + shape.bias[:, None]).reshape(gates, layer.hidden_size, -1) * rows.half[..., None]
    return with_table(low, products)


def _by_row(layer: HiddenInt8, rows: _Rows, shape: _Shape) -> Floats:
    """Weights as `kernels.hidden_int8_weight` has them."""

    def of(tile: slice) -> Floats:
        scales = [rows.halves(values, tile) for values in (shape.bias, layer.scale_ih, layer.scale_hh)]
        behind = [] if shape.behind is None else [shape.behind[tile]]
        weights = [rows.of(layer.weight_ih, tile).T, *(rows.of(layer.weight_hh, tile, gates).T for gates in _together(layer))]
        return floats(*scales, *behind, *weights)

    return np.concatenate([of(tile) for tile in rows.tiles])


def _by_word(layer: HiddenInt8, rows: _Rows, shape: _Shape, form: str, words: tuple[int, int]) -> Floats:
    """Weights as `kernels.hidden_int8` has them. words: of x and of h."""
    steps = np.float32(0) if layer.input_scale is None else np.float32(1) / layer.input_scale[0]
    scale_ih = layer.scale_ih if layer.input_scale is None else layer.scale_ih / steps
    starts = [(weight.sum(axis=1, dtype=np.int64) * -OFFSET[form]).astype(np.int32) for weight in (layer.weight_ih, layer.weight_hh)]

    def of(tile: slice) -> Floats:
        scales = [rows.halves(values, tile) for values in (shape.bias, scale_ih, layer.scale_hh / layer.hidden_steps)]
        behind = [] if shape.behind is None else [shape.behind[tile]]
        begin = [rows.of(start, tile) for start in starts] if OFFSET[form] else []
        recurrent = [grouped(rows.of(layer.weight_hh, tile, gates), words[1], form) for gates in _together(layer)]
        return floats(*scales, *behind, *begin, grouped(rows.of(layer.weight_ih, tile), words[0], form), *recurrent)

    return np.concatenate([float_header(steps, layer.hidden_steps), *(of(tile) for tile in rows.tiles)])


def _together(layer: HiddenInt8) -> list[slice]:
    """Which gates' recurrent weights stand side by side."""
    return [slice(None)] if getattr(layer, "reset_after", True) else [slice(2), slice(2, 3)]


def reach(layer: GRUInt8 | RNNInt8) -> Reach:
    """In sums of integers, before they are multiplied by their scales."""
    scales = layer.scale_ih, layer.scale_hh
    known = gru_reach if isinstance(layer, GRUInt8) else rnn_reach
    return known(layer, scales, (least_unit(layer.scale_ih), least_unit(layer.scale_hh)))


RULES = {kind: Rule(lower, reach, looked_up) for kind in ("gru_int8", "rnn_int8")}
