"""Recurrent layers over the rows of a map -> their cells' kernels and weights, in the layout of `kernels.frames_f32`."""

from typing import Any

import numpy as np

from ...layers.frames import InterRNN, IntraRNN, RowsRNN
from ..targets import Target
from . import MOST_ROWS, Floats, Lowered, Reach, Rule, largest, lowered, row_sums, rule, up_to

#: Floats in a cache line.
_LINE = 16


def _cell(layer: RowsRNN, target: Target) -> tuple[Lowered, dict[str, Any]]:
    """The cell alone, and the constants of a kernel around it."""
    low = lowered(layer.cell, [layer.cell.input_width], target)
    constants = {"kernel": low.kernel, "constants": tuple(low.constants.items()), "rows": layer.rows}
    return low, {**constants, "channels": layer.cell.input_width, "hidden": layer.hidden_size}


def _whole_lines(array: Floats) -> Floats:
    return np.pad(array, (0, -array.size % _LINE))


def intra(layer: IntraRNN, sizes: list[int], target: Target) -> Lowered:
    low, constants = _cell(layer, target)
    state, weights = _whole_lines(low.state), _whole_lines(low.weights)
    block, turn = min(MOST_ROWS, layer.rows), -1 if layer.cell.reverse else 1
    constants |= {
        "strides": (("x_stride", turn * layer.cell.input_width), ("y_stride", turn * low.width)),
        "width": low.width,
        "block": block,
        "state": state.size,
        "initial": weights.size,
        "backwards": int(layer.cell.reverse),
        "last": int(layer.last),
    }
    if layer.starts:
        kept = {name: (offset, size) for name, offset, size in low.keeps}
        constants |= {"h": kept["h"], "c": kept.get("c", (0, 0))}
    workspace = state.size + up_to(_LINE, layer.rows * low.width) + max(low.scratch * block, low.workspace)
    outputs = layer.hidden_size * (1 if layer.last else layer.rows)
    return Lowered("intra_rnn", constants, outputs, np.concatenate([weights, state]), workspace=workspace)


def inter(layer: InterRNN, sizes: list[int], target: Target) -> Lowered:
    low, constants = _cell(layer, target)
    state = _whole_lines(low.state)
    width = (layer.rows - 1) * layer.hidden_size + low.width
    constants |= {"state": state.size}
    return Lowered("inter_rnn", constants, width, low.weights, np.tile(state, layer.rows), low.scratch, low.workspace)


def reach(layer: RowsRNN) -> Reach:
    """That of its cell."""
    return rule(layer.cell).reach(layer.cell)


def intra_reach(layer: IntraRNN) -> Reach:
    """The same; a state that is read adds its products, and what c keeps of it beside at most one a row."""
    own = reach(layer)
    if not layer.starts:
        return own
    gain = 2 + largest(row_sums(layer.cell.weight_hh))
    return Reach(
        1.0, most=own.most if layer.cell.kind == "lstm" else float("inf"), grows=lambda g: own.inside(g) + gain * max(g) + layer.rows
    )


RULES = {"intra_rnn": Rule(intra, intra_reach), "inter_rnn": Rule(inter, reach)}
