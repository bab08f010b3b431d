"""Options of an LSTM cell -> what kernels are made for and the numbers behind their tiles, in the layout of `kernels.cell_options.Places`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.cell_options import CellOptions, Places
from ...layers.cells import Cell
from ..targets import Target
from . import LARGEST_CELL, Floats, Reach, largest, row_sums, tiling, up_to

#: Registers of sums that keep a CPU busy: two multiply-adds a cycle, four cycles each.
SUMS_IN_FLIGHT = 8


def cell_options(layer: Cell, target: Target) -> CellOptions:
    """What a kernel of this cell is made for."""
    projected = layer.weight_hr is not None
    outputs = up_to(4, layer.projection_size) if projected else 0
    panel = min(outputs, 4 * tiling(outputs, target)[1])
    return CellOptions(
        gates=layer.gate_activations,
        candidate=layer.cell_activation,
        output=layer.output_activation,
        coupled=layer.coupled or "",
        peephole=int(layer.peephole is not None),
        gate_limit=layer.gate_limit or 0.0,
        cell_limit=layer.cell_limit or 0.0,
        output_limit=layer.output_limit or 0.0,
        projection_limit=layer.projection_clip or 0.0,
        norm=layer.norm or "",
        epsilon=layer.norm_epsilon or 0.0,
        units=layer.hidden_size if projected or layer.norm else 0,
        projection=outputs,
        panel=panel,
        panel_tail=outputs % panel if panel else 0,
        panel_chains=int(0 < panel < SUMS_IN_FLIGHT * target.lanes),
    )


def halves(options: CellOptions) -> NDArray[np.float32]:
    """What rows of the gates i f g o come multiplied by: (4,)."""
    return np.array([0.5, 0.5, 1, 0.5] if options.sigmoidal else [1, 1, 1, 1], np.float32)


def kept_gates(layer: Cell) -> list[int]:
    """Gates that have rows."""
    return [gate for gate in range(4) if gate != layer.derived_gate]


def by_gate(layer: Cell, rows: NDArray[Any], padded: int) -> Floats:
    """(4*hidden_size, ...) -> (gates that have rows, padded, ...)."""
    hidden = layer.hidden_size
    gates = np.zeros((4, padded, *rows.shape[1:]), np.float32)
    gates[:, :hidden] = rows.reshape(4, hidden, *rows.shape[1:])
    return gates[kept_gates(layer)]


def numbers(layer: Cell, options: CellOptions, padded: int) -> Floats:
    """What stands behind the tiles."""
    half, hidden = halves(options), layer.hidden_size
    scale = half[kept_gates(layer)][:, None]

    def units(array: Any) -> Floats:
        wide = np.zeros((*array.shape[:-1], padded), np.float32)
        wide[..., :hidden] = array
        return wide

    parts = []
    if layer.norm is not None:
        parts.append(units(np.ones(hidden)))
    if layer.peephole is not None:
        # Inside a norm nothing is halved: what comes out of it is.
        parts.append(units(layer.peephole * (1 if layer.norm == "tflite" else half[[0, 1, 3]][:, None])))
    if layer.norm is not None:
        gains = (layer.norm_weight, layer.bias, *([layer.norm_weight_hh] if layer.norm == "torch" else []))
        parts += [by_gate(layer, gain, padded) * scale for gain in gains]
    if layer.norm in ("tf1", "torch"):
        parts += [units(layer.norm_weight_cell), units(layer.norm_bias_cell)]
    flat = np.concatenate([np.zeros(0, np.float32), *(part.ravel() for part in parts)])
    assert flat.size == Places(options, padded).projection
    return np.concatenate([flat, *projection_tiles(layer, options)])


def projection_tiles(layer: Cell, options: CellOptions) -> list[Floats]:
    """Tiles of outputs: bias and weights row by row."""
    if layer.weight_hr is None:
        return []
    rows = np.zeros((options.projection, 1 + layer.hidden_size), np.float32)
    rows[: layer.projection_size, 1:] = layer.weight_hr
    if layer.bias_hr is not None:
        rows[: layer.projection_size, 0] = layer.bias_hr
    return [rows[start : start + options.panel].T.ravel() for start in range(0, options.projection, options.panel)]
