"""A recurrent layer record over the steps of the recording: what operators that hold a whole layer become."""

from dataclasses import replace
from typing import Any

import numpy as np

from ...layers.record import Layer
from ..graph.expressions import Cell, Made
from ..graph.tracing import Flow, Value
from ..graph.wires import Ids
from .calls import Array, Call


def over_steps(call: Call, record: Layer, x: Ids, states: dict[str, Value]) -> tuple[Ids, Ids]:
    """Identities (steps, sequences, numbers) of the output and, of an LSTM, of the cell state, in the order of `x`.

    record: an LSTM, GRU or RNN, which runs from the recording's end where `x` (steps, sequences, inputs) lies so; states: what ``h0`` and
    ``c0`` are.
    """
    given: Any = record
    reads, backward, steps = call.tracer.sequence(x)
    if reads.size != given.weight_ih.shape[1]:
        call.refuse(f"reads {reads.size} numbers a step and has weights for {given.weight_ih.shape[1]}")
    begins = {name: _begins(call, name, value) for name, value in states.items()}
    fields: dict[str, Any] = {name: value for name, value in begins.items() if value.any()} | ({"reverse": True} if backward else {})
    source = Made(call.tracer.place, replace(record, **fields), [reads], "weight_ih")
    space = call.tracer.space
    recurrent: Array = given.weight_hh
    h = space.allocate(source, steps, recurrent.shape[1], backward)
    c = space.allocate(Cell(call.tracer.place, h.index, [reads, space.last(h)]), steps, recurrent.shape[0] // 4 or 1, backward)
    for name, wire in (("h0", h), ("c0", c)):
        if isinstance(value := states.get(name), Flow):
            call.tracer.ends.update(zip(value.ids.ravel().tolist(), space.ids(wire)[0 if backward else -1].ravel().tolist(), strict=True))
    y, cells = space.ids(h), space.ids(c)
    return (y[::-1], cells[::-1]) if backward else (y, cells)


def _begins(call: Call, name: str, value: Value) -> Array:
    """(numbers,) that a state begins as."""
    found = call.tracer.begun(value.ids) if isinstance(value, Flow) else value
    if found is None or (found.ndim == 2 and (found != found[:1]).any()):
        call.refuse(f"its {name} is computed in the graph, or differs between sequences; a stream's state begins with constants")
    return np.asarray(found[0] if found.ndim == 2 else found)
