"""Recurrent modules of PyTorch as layer records: their stacked layers and directions, each checked tensor by tensor.

Gates are i f g o (LSTM) and r z n (GRU), there and here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ShapeError, UnsupportedModelError
from ...layers.recurrent import Recurrent
from .kinds import RECURRENT, hidden_size
from .modules import Module
from .records import numbers


@dataclass(frozen=True)
class Level:
    """One of the stacked layers of a module: its name, and the records of its directions, forward first."""

    name: str
    directions: tuple[Recurrent, ...]


def levels(module: Module, activation: str = "tanh") -> list[Level]:
    """The stacked layers of a recurrent module, first to last.

    Parameters
    ----------
    module : Module
    activation : str
        Of an ``nn.RNN``, whose tensors do not tell it.

    Raises
    ------
    UnsupportedModelError
        If a layer, a direction or a tensor of one is missing.
    ShapeError
        If the tensors do not fit together.
    """
    found = _numbered(module)
    initial = _initial(module, len(found))
    result = []
    for index, (number, suffixes) in enumerate(found.items()):
        label = f"{module.name}_l{number}" if len(found) > 1 else module.name
        records = []
        for side, suffix in enumerate(suffixes):
            states = {name: rows[index * len(suffixes) + side] for name, rows in initial.items()}
            record = _record(module, suffix, f"{label}_reverse" if side else label, states, activation)
            records.append(replace(record, reverse=True) if side else record)
        result.append(Level(label, tuple(records)))
    return result


def _numbered(module: Module) -> dict[str, list[str]]:
    """The suffixes of each layer's tensors by its number: ``{"0": ["_l0", "_l0_reverse"]}``; the number of a cell is empty."""
    found: dict[str, set[str]] = {}
    for name in module.tensors:
        match = RECURRENT.fullmatch(name)
        assert match is not None
        number = match[3] or ""
        found.setdefault(number, set()).add((f"_l{number}" if number else "") + (match[4] or ""))
    order = sorted(found, key=lambda number: int(number or 0))
    if [int(number or 0) for number in order] != list(range(len(order))):
        raise UnsupportedModelError(
            f"module {module.name!r} has the layers {', '.join(order)}, not 0 to {len(order) - 1}; save all of them."
        )
    for number, suffixes in found.items():
        if len(suffixes) != module.directions or all(suffix.endswith("_reverse") for suffix in suffixes):
            raise UnsupportedModelError(f"layer {number or 0} of module {module.name!r} lacks a direction; save the whole state_dict.")
    return {number: sorted(found[number], key=len) for number in order}


def _initial(module: Module, layers: int) -> dict[str, NDArray[Any]]:
    """h0 and c0 of every layer and direction, (layers * directions, width)."""
    found = {}
    rows = layers * module.directions
    first = min((name for name in module.tensors if name.startswith("weight_hh")), key=len, default="weight_hh")
    widths = {"h0": module.widths[1] // module.directions, "c0": hidden_size(module.tensors, first.removeprefix("weight_hh"))}
    for name, tensor in module.initial.items():
        width = widths[name]
        good = [(rows, 1, width), (rows, width), *([(width,)] if rows == 1 else [])]
        if tuple(tensor.shape) not in good:
            raise ShapeError(
                f"the initial state {name} of {module.name!r} must have shape {good[0]}, for one sequence; got {tuple(tensor.shape)}. "
                "Save one sequence's state, or leave it out."
            )
        found[name] = np.asarray(tensor).reshape(rows, width)
    return found


def _record(module: Module, suffix: str, label: str, initial: Mapping[str, Any], activation: str) -> Recurrent:
    ih, hh = (numbers(module, name, 2) for name in _names(module, suffix, label, ("weight_ih", "weight_hh")))
    biases = [numbers(module, name, 1) for name in _names(module, suffix, label, ("bias_ih", "bias_hh"), optional=True)]
    h0 = initial.get("h0")
    if module.kind == "gru":
        from ...layers.gru import GRU

        bias_ih, bias_hh = biases or (None, None)
        return GRU(ih, hh, bias_ih, bias_hh, h0, name=label)
    bias = _summed(biases, label)
    if module.kind == "rnn":
        from ...layers.rnn import RNN

        return RNN(ih, hh, bias, h0, activation=activation, name=label)
    from ...layers.lstm import LSTM

    projection = numbers(module, f"weight_hr{suffix}", 2) if f"weight_hr{suffix}" in module.tensors else None
    return LSTM(ih, hh, bias, h0, initial.get("c0"), weight_hr=projection, name=label)


def _names(module: Module, suffix: str, label: str, stems: tuple[str, ...], *, optional: bool = False) -> list[str]:
    """The tensors' names within the module: all of `stems`, or none if they are `optional`."""
    names = [f"{stem}{suffix}" for stem in stems]
    missing = [stem for stem, name in zip(stems, names, strict=True) if name not in module.tensors]
    if optional and len(missing) == len(stems):
        return []
    if missing:
        raise UnsupportedModelError(f"layer {label!r} lacks its {', '.join(missing)}; save the whole state_dict.")
    return names


def _summed(biases: list[NDArray[Any]], label: str) -> NDArray[np.float32] | None:
    """Both biases added in float64 and rounded once."""
    if not biases:
        return None
    if biases[0].shape != biases[1].shape:
        raise ShapeError(f"layer {label!r}: bias_ih has shape {biases[0].shape} and bias_hh {biases[1].shape}; they must be equal.")
    with np.errstate(over="ignore"):
        total: NDArray[np.float32] = (biases[0].astype(np.float64) + biases[1].astype(np.float64)).astype(np.float32)
    return total
