"""Convolutional LSTM layers -> kernel and packed weights, in the layout of `kernels.conv_lstm_f32`."""

from math import isfinite, prod
from typing import Any

import numpy as np

from ...errors import CompileError
from ...layers.activations import bound
from ...layers.conv_lstm import ConvLSTM, ConvLSTMInt8
from ...layers.maps import rows_and_columns
from ..targets import Target
from . import LARGEST_CELL, Floats, Lowered, Reach, Rule, largest
from .maps import is_padded, window, windows_together
from .packing import floats

#: What the kernel holds cells of functions without bound within, and the functions of those that it need not hold.
HELD, PLAIN = 2.0**60, ("sigmoid", "tanh", "tanh")


def lower_int8(layer: ConvLSTMInt8, sizes: list[int], target: Target) -> Lowered:
    """Weights in bytes, converted as they are loaded."""
    made = lower(layer, sizes, target)
    return made._replace(constants=made.constants | {"in_bytes": 1}, weights=pack_int8(layer, made.constants["units"]))


def lower(layer: ConvLSTM, sizes: list[int], target: Target) -> Lowered:
    axes, recurrent, channels = layer.windows, layer.recurrent_windows, layer.channels
    rows, columns = (axis.places for axis in rows_and_columns(axes))
    units = min(channels, max(1, target.lanes // 2 if target.registers // 2 >= target.lanes > 8 else target.lanes))
    together = windows_together(4 * units, columns, target)
    copied = is_padded(axes, layer.shape[-1])
    given, state = window(axes, layer.shape[-1]), window(recurrent, channels)
    constants = {
        "rows": rows,
        "columns": columns,
        "channels": channels,
        "units": units,
        "together": together,
        "given": given,
        "recurrent": state,
        "copied": int(copied),
        "peephole": "" if layer.peephole is None else "channels" if layer.peephole.ndim == 2 else "maps",
        "words": words(layer),
        "division": target.division,
    }
    workspace = (given[0] * given[-1] * given[2] if copied else 0) + 4 * units * together
    width = prod(layer.answer_shape)
    return Lowered("conv_lstm_f32", constants, width, pack(layer, units), start(layer, state), workspace=workspace)


def words(layer: ConvLSTM) -> tuple[str, str, str]:
    return layer.gate_activation, layer.cell_activation, layer.output_activation


def pack(layer: ConvLSTM, units: int) -> Floats:
    """Tiles of `units` channels: for the bias and for each value that a window meets the gates i f g o side by side; then peepholes."""
    channels = layer.channels
    parts = (layer.bias, layer.kernel, layer.recurrent_kernel)
    rows = np.concatenate([part.reshape(-1, 4, channels) for part in parts]) * halves(layer)[:, None]  # (row, gate, channel)
    tiles = [rows[:, :, at : at + units].ravel() for at in range(0, channels, units)]
    return np.concatenate([*tiles, *peepholes(layer)])


def pack_int8(layer: ConvLSTMInt8, units: int) -> Floats:
    """The same with bias and scales of x and of h before the bytes of a tile."""
    channels = layer.channels
    constant = np.stack([layer.bias, layer.scale, layer.recurrent_scale]).reshape(3, 4, channels) * halves(layer)[:, None]
    rows = np.concatenate([part.reshape(-1, 4, channels) for part in (layer.kernel, layer.recurrent_kernel)])  # (row, gate, channel)
    tiles = [floats(constant[:, :, at : at + units], rows[:, :, at : at + units]) for at in range(0, channels, units)]
    return np.concatenate([*tiles, *peepholes(layer)])


def halves(layer: ConvLSTM) -> Floats:
    """What sums of i f g o come multiplied by: of the plain cell, halved but for g."""
    return np.array([0.5, 0.5, 1, 0.5] if words(layer) == PLAIN else [1] * 4, np.float32)


def peepholes(layer: ConvLSTM) -> list[Floats]:
    """p_i p_f p_o, one behind the other, if there are any."""
    return [] if layer.peephole is None else [(layer.peephole.reshape(3, -1) * halves(layer)[[0, 1, 3], None]).ravel()]


def start(layer: ConvLSTM, state: tuple[int, ...]) -> Floats:
    """The padded map of h, and c."""
    rows, columns, channels, *_, before, padded = state
    h = np.zeros((rows, padded, channels), np.float32)
    c = np.zeros((rows, columns, channels), np.float32)
    if layer.h0 is not None:
        h[:, before : before + columns] = layer.h0.reshape(c.shape)
    if layer.c0 is not None:
        c[:] = layer.c0.reshape(c.shape)
    return np.concatenate([h.ravel(), c.ravel()])


def reach(layer: ConvLSTM) -> Reach:
    return _reach(layer, (1.0, 1.0))


def reach_int8(layer: ConvLSTMInt8) -> Reach:
    """Sums are of integers before they are scaled: the larger of both counts."""
    return _reach(layer, (np.maximum(layer.scale, 1), np.maximum(layer.recurrent_scale, 1)))


def _reach(layer: ConvLSTM, scales: tuple[Any, Any]) -> Reach:
    """scales: what sums of both kernels come multiplied by at most, for each output."""
    if not isfinite(bound(layer.gate_activation)):
        raise CompileError(f"{layer.label}: gate_activation {layer.gate_activation} has no bound, and its cells would overflow.")
    starts = [largest(s) for s in (layer.h0, layer.c0) if s is not None]
    if max(starts, default=0.0) > LARGEST_CELL:
        raise CompileError(
            f"{layer.label}: its state begins at {max(starts):.1e}; states beyond {LARGEST_CELL:.0e} overflow. Check its source."
        )
    kernels = (np.abs(kernel, dtype=np.float64).reshape(-1, kernel.shape[-1]) for kernel in (layer.kernel, layer.recurrent_kernel))
    sums = [kernel.sum(axis=0) * scale for kernel, scale in zip(kernels, scales, strict=True)]
    answers = min(HELD, bound(layer.gate_activation) * bound(layer.output_activation))
    cells = LARGEST_CELL if words(layer) == PLAIN else HELD
    peephole = 0.0 if layer.peephole is None else largest(layer.peephole) * cells
    recurrent = largest(sums[1]) * max(answers, *starts, 0.0) + largest(layer.bias) + peephole
    return Reach(largest(sums[0]), recurrent, max(answers, *starts, 0.0))


RULES = {"conv_lstm": Rule(lower, reach), "conv_lstm_int8": Rule(lower_int8, reach_int8)}
