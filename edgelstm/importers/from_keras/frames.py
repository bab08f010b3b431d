"""Keras' recurrent layers on tensors that have rows and no time: inside of TimeDistributed, or behind what sums a sequence up."""

from collections.abc import Callable, Sequence
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


def begun(call: Call, cell: Callable[[int], Recurrent]) -> Value:
    """A sequence of fixed length, or rows, through a cell that begins with what another recurrence ends with."""
    x, *states = call.inputs
    steps = x.shape[0]
    wrong = x.time is None or steps is None or len(x.shape) != 2 or any(s.time is not False for s in states)
    if wrong or x.turned or x.weights or x.scores or any(x.zeros):
        raise call.refused(
            f"it begins with a state, and reads {x.shape}; edgelstm imports it of fixed timesteps: "
            "build the model with an input of a fixed number of timesteps"
        )
    backwards, sequences = call.options.take("go_backwards", bool, False), call.options.take("return_sequences", bool, False)
    made = cell(x.features[-1] or 0)
    rows, *states = call.build.ends([_rows_of(call, x), *states])
    record = IntraRNN(made, steps or 0, last=not sequences, starts=True, **call.at(_with_counts(call, rows, call.name), *states))
    if backwards or [s.width for s in states] != list(record.state_sizes):
        raise call.refused(f"it begins with {len(states)} states of {[s.width for s in states]} numbers, or reads backwards")
    return Value(call.build.add(record), record.answer_shape, False, counted=rows.counted if sequences else "")


def _rows_of(call: Call, x: Value) -> Value:
    """All timesteps as rows, and which of them count."""
    if not x.time:
        return x
    rows = laying.laid(call.build, replace(x, mask=None))
    if x.mask is None:
        return rows
    return replace(rows, counted=laying.laid(call.build, Value(call.build.mask(x.mask), (x.steps, 1), True)).name)


def _rows(call: Call) -> Value:
    if call.x.mask is not None or None in call.x.features:
        raise call.refused(f"it reads rows without a mask, of one number and size, inside of a timestep; it is given {call.x.shape}")
    return call.x


def _along(call: Call, x: Value, cell: Recurrent, name: str, last: bool) -> Value:
    rows = x.features[0] or 0
    record = IntraRNN(cell, rows, last=last, **call.build.at(name, _with_counts(call, x, name)))
    return Value(call.build.add(record), record.answer_shape, False, static=x.static, counted="" if last else x.counted)


def _with_counts(call: Call, x: Value, name: str) -> Value:
    """Rows that each end in whether they count, where some may be padding."""
    if not x.counted:
        return x
    counts = Value(x.counted, (*x.features[:1], 1), False)
    return laying.beside(call.build, f"{name}.masked", [x, counts], -1)


def _turned(call: Call, x: Value) -> Value:
    """The rows in the opposite order."""
    return laying.gathered(call.build, f"{call.name}.rows", [x], laying.places(x)[::-1])
