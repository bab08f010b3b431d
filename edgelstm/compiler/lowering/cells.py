"""Options of an LSTM cell -> what kernels are made for, and the numbers behind tiles, in the layout of `kernels.cell_options.Places`."""

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.cell_options import CellOptions, Places
from ...layers.activations import bound
from ...layers.cells import LARGEST, Cell
from ..targets import Target
from . import Floats, Reach, chains, checked_start, largest, row_sums, tiles_of, up_to
from .packing import floats


def cell_options(layer: Cell, target: Target) -> CellOptions:
    """What a kernel of this cell is made for."""
    projected = layer.weight_hr is not None
    outputs = up_to(4, layer.projection_size) if projected else 0
    panel = min(outputs, 4 * target.tile)
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
        cell_norm=layer.normalised_cell,
        epsilon=layer.norm_epsilon or 0.0,
        units=layer.hidden_size if projected or layer.norm else 0,
        projection=outputs,
        panel=panel,
        panel_tail=outputs % panel if panel else 0,
        panel_chains=chains(panel, target),
        panel_bytes=int(projected and layer.weight_hr.dtype == np.int8),
        rounded=int(layer.fake_quantize_hidden),
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


def tiles(layer: Any, options: CellOptions, constants: dict[str, Any]) -> Floats:
    """Tiles of a layer. With a norm the bias is not in them, and nothing is halved: what comes out of the norm is."""
    bias = layer.bias if layer.norm is None else np.zeros_like(layer.bias)
    rows = by_gate(layer, np.concatenate([bias[:, None], layer.weight_ih, layer.weight_hh], axis=1), constants["padded"])
    if layer.norm is None:
        rows = rows * halves(options)[kept_gates(layer)][:, None, None]
    return tiles_of(layer, rows, constants["units"], constants.get("halves", 0))


def numbers(layer: Any, options: CellOptions, padded: int) -> Floats:
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
    if layer.normalised_cell:
        parts += [units(layer.norm_weight_cell), units(layer.norm_bias_cell)]
    flat = np.concatenate([np.zeros(0, np.float32), *(part.ravel() for part in parts)])
    assert flat.size == Places(options, padded).projection
    return np.concatenate([flat, *projection_tiles(layer, options)])


def projection_tiles(layer: Cell, options: CellOptions) -> list[Floats]:
    """Tiles of outputs: bias and weights row by row."""
    if layer.weight_hr is None:
        return []
    if options.panel_bytes:
        return projection_bytes(layer, options)
    rows = np.zeros((options.projection, 1 + layer.hidden_size), np.float32)
    rows[: layer.projection_size, 1:] = layer.weight_hr
    if layer.bias_hr is not None:
        rows[: layer.projection_size, 0] = layer.bias_hr
    return [rows[start : start + options.panel].T.ravel() for start in range(0, options.projection, options.panel)]


def projection_bytes(layer: Any, options: CellOptions) -> list[Floats]:
    """Tiles of outputs: bias, scale, and bytes row by row."""
    constant, weights = np.zeros((2, options.projection), np.float32), np.zeros((options.projection, layer.hidden_size), np.int8)
    constant[1, : layer.projection_size], weights[: layer.projection_size] = layer.scale_hr, layer.weight_hr
    if layer.bias_hr is not None:
        constant[0, : layer.projection_size] = layer.bias_hr
    parts = [slice(start, start + options.panel) for start in range(0, options.projection, options.panel)]
    return [floats(constant[:, part], weights[part].T) for part in parts]


def cell_reach(layer: Any, scales: tuple[Any, Any] = (1.0, 1.0), units: tuple[Any, Any] = (1.0, 1.0), factor: float = 0.0) -> Reach:
    """The reach of a layer whose cell has options. scales, units, factor: as `lstm_reach` takes them."""
    h0 = 0.0 if layer.h0 is None else largest(layer.h0)
    cell = _largest_cell(layer)
    gates = [bound(word, layer.gate_limit or inf) for word in layer.gate_activations]
    seen_of_cell = _largest_normalised(layer) if layer.normalised_cell == "output" else cell
    candidate, answer = bound(layer.cell_activation, layer.gate_limit or inf), bound(layer.output_activation, seen_of_cell)
    step = max(gates[1] * cell + gates[0] * candidate, gates[2] * answer)
    h = min(gates[2] * answer, layer.output_limit or inf)
    if layer.weight_hr is not None:
        bias = 0.0 if layer.bias_hr is None else largest(layer.bias_hr)
        scale = np.maximum(layer.scale_hr, 1) if layer.weight_hr.dtype == np.int8 else 1.0  # sums are of integers before they are scaled
        r = largest(row_sums(layer.weight_hr, scale)) * h + bias
        step, h = max(step, r), min(r, layer.projection_clip or inf)
    seen = 0.0 if layer.peephole is None else largest(layer.peephole) * cell
    recurrent = row_sums(layer.weight_hh, scales[1]) * max(h, h0) * (1.01 if layer.fake_quantize_hidden else 1)
    weights = max(largest(row_sums(layer.weight_ih, scales[0]) / units[0]), factor)
    if layer.norm is None:
        return Reach(weights, max(largest((recurrent + np.abs(layer.bias)) / units[1]) + seen, step), max(h, h0))
    gain = max(largest(a) for a in (layer.norm_weight, layer.norm_weight_hh, layer.norm_weight_cell) if a is not None)
    rows, summed = (4 if layer.norm in ("torch", "joint") else 1) * layer.hidden_size, largest(recurrent) + seen

    def grows(given: list[float]) -> float:
        """A norm squares deviations, which no sum exceeds twice, and sums them; then it multiplies by its weights and adds its bias."""
        inside = 2 * max(weights * max(given) + summed, step)
        normalised = 2 * rows**0.5 * gain + largest(layer.bias) + seen
        return float(max(rows * inside**2, normalised, step))

    return Reach(weights, most=max(h, h0), grows=grows)


def _largest_normalised(layer: Any) -> float:
    """What no normalised cell exceeds."""
    return float(layer.hidden_size**0.5 * largest(layer.norm_weight_cell) + largest(layer.norm_bias_cell))


def _largest_cell(layer: Any) -> float:
    """What no cell exceeds: an old one, a new one within its limit, or one that grows until float32 no longer adds to it."""
    most = _largest_normalised(layer) if layer.normalised_cell == "state" else LARGEST
    return max(float(min(most, layer.cell_limit or most)), checked_start(layer))
