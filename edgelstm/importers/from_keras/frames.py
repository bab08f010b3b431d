"""Keras' recurrent layers on tensors that have rows and no time: inside of TimeDistributed, or behind what sums a sequence up."""

from collections.abc import Sequence
from dataclasses import replace

from ...layers.activations import spelled
from ...layers.feedforward import Add
from ...layers.frames import IntraRNN
from ...layers.joining import Mul
from ...layers.recurrent import Recurrent
from . import laying
from .build import Value
from .kinds import Call


def has_rows(call: Call) -> bool:
    """Whether a recurrent layer is given rows that are not timesteps."""
    return len(call.inputs) == 1 and call.inputs[0].time is False and len(call.inputs[0].features) == 2


def followed(call: Call, cells: Sequence[Recurrent], sequences: bool) -> Value:
    """Rows through a layer's cells, one after the other."""
    x = _rows(call)
    for number, cell in enumerate(cells):
        last = not sequences and number == len(cells) - 1
        x = _along(call, x, cell, f"{call.name}.{number}" if number else call.name, last)
    return _turned(call, x) if sequences and cells[0].reverse else x


def both(call: Call, cells: Sequence[Recurrent], merge: str | None, sequences: bool) -> Value | list[Value]:
    """Rows through a cell from either end."""
    x = _rows(call)
    turned = (cells[0], replace(cells[1], reverse=True))
    names = (f"{call.name}.forward", f"{call.name}.backward")
    found = [_along(call, x, cell, name, not sequences) for cell, name in zip(turned, names, strict=True)]
    if merge is None:
        return found
    if merge == "concat":
        return laying.beside(call.build, f"{call.name}.rows", found, -1)
    record = Mul if merge == "mul" else Add
    y = replace(found[0], name=call.build.add(record(**call.build.at(call.name, *found))))
    return call.build.apply(spelled("affine", 0.5, 0.0), f"{call.name}.mean", y) if merge == "ave" else y


def _rows(call: Call) -> Value:
    if call.x.mask is not None or None in call.x.features:
        raise call.refused(f"it reads rows without a mask, of one number and size, inside of a timestep; it is given {call.x.shape}")
    return call.x


def _along(call: Call, x: Value, cell: Recurrent, name: str, last: bool) -> Value:
    rows = x.features[0] or 0
    record = IntraRNN(cell, rows, last=last, **call.build.at(name, x))
    return Value(call.build.add(record), record.answer_shape, False)


def _turned(call: Call, x: Value) -> Value:
    """The rows in the opposite order."""
    return laying.gathered(call.build, f"{call.name}.rows", [x], laying.places(x)[::-1])
