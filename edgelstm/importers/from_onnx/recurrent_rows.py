"""Recurrent nodes whose sequences are no recordings: rows of a frame, or one row each from frame to frame."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...layers.frames import RowsRNN
from ...layers.record import Layer
from ...layers.recurrent import Recurrent
from ..graph.expressions import Cell, State
from ..graph.frames import Rows, recurrent_rows
from ..graph.tracing import Flow
from ..graph.wires import Ids, Wire
from .calls import Array, Call

if TYPE_CHECKING:
    from .recurrent import Node


def over_rows(call: Call, node: "Node", rows: Rows, steps: int) -> tuple[list[Ids], list[Ids], list[Ids]]:
    """Of every direction: (steps, sequences, hidden) that it gives, and what its states end as, (sequences, hidden)."""
    if rows.refs.shape[1] != node.w.shape[-1]:
        call.refuse(f"reads {rows.refs.shape[1]} numbers a row and has input weights for {node.w.shape[-1]}")
    tracer, found, ends, cells = call.tracer, list[Ids](), list[Ids](), list[Ids]()
    for index, reverse in enumerate(node.directions):
        cell = node.record(index, reverse)
        assert isinstance(cell, Recurrent)
        made, wire, y = recurrent_rows(tracer, rows, cell, steps)
        memory = tracer.space.allocate(Cell(tracer.place, wire.index), steps, len(rows.refs) * node.hidden)
        shape = (len(rows.refs), node.hidden)
        last = tracer.space.ids(memory)[rows.step if rows.inside else -1, 0].reshape(*((-1,) if rows.inside else ()), *shape)
        found.append(y)
        ends.append(y[0 if reverse else -1])
        cells.append(last[:, 0 if reverse else -1] if rows.inside else last)
        _lead_back(call, node, index, rows, (ends[-1], cells[-1]))
        made.check = _begun(call, node, index, rows, made.record, (wire, memory))
    return found, ends, cells


def _lead_back(call: Call, node: "Node", index: int, rows: Rows, ends: Sequence[Ids]) -> None:
    """Note what becomes of the states that a node begins with."""
    for given, ids in zip(node.initial, ends, strict=False):
        if isinstance(given, Flow):
            if rows.inside:
                call.refuse("begins the rows of a frame with a state that is computed, which is not imported; constants are")
            call.tracer.ends.update(zip(given.ids[index].ravel().tolist(), ids.ravel().tolist(), strict=True))


def _begun(call: Call, node: "Node", index: int, rows: Rows, record: Layer, wires: tuple[Wire, Wire]) -> Any:
    """What gives the record with its initial states, once the graph is known."""

    def begun() -> Layer:
        assert isinstance(record, RowsRNN)
        states: dict[str, Any] = {}
        for name, given, wire in zip(("h0", "c0"), node.initial, wires, strict=False):
            if given is not None and (values := _values(call, name, given, index, wire)).any():
                states[name] = values
        return replace(record, cell=replace(record.cell, **states))

    return begun


def _values(call: Call, name: str, given: Flow | Array, index: int, wire: Wire) -> Array:
    """Where the state of every row begins: (hidden,), the same for all."""
    call.tracer.place = str(call.node)
    if not isinstance(given, Flow):
        rows: Array = np.asarray(given[index])
    else:
        space, ids = call.tracer.space, given.ids[index]
        source = space.wire_of(ids)
        if source is None or not isinstance(source.source, State):
            call.refuse(f"its {name} is computed in the graph; the state of a row begins with constants")
        numbers, state = space.places(ids).number, source.source
        if state.following is not None and not np.array_equal(state.following[numbers.ravel()], space.last(wire)):
            call.refuse(f"its {name} comes from {state.place}, but the state that it ends with does not go back there")
        rows = state.initial[numbers]
    if (rows != rows[:1]).any():
        call.refuse("begins each row of a frame, or each sequence of the batch, in another state; one for all is imported")
    first: Array = rows[0]
    return first
