"""The operators LSTM, GRU and RNN, with all their attributes, as layer records.

Definitions and gate orders: https://onnx.ai/onnx/operators/onnx__LSTM.html (i o f c), onnx__GRU.html (z r h), onnx__RNN.html.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ...layers import RECORDS, record_of
from ...layers.record import Layer
from ...layers.recurrent import Recurrent
from ..graph.cropping import until_end
from ..graph.expressions import Cell, Made, State
from ..graph.frames import inside, lies_inside, rows_of, started
from ..graph.tracing import Flow, Value
from ..graph.wires import Ids, Misfit, Wire
from .activations import words
from .calls import Array, Call
from .recurrent_rows import over_rows
from .written import Plain, written_out

#: By operator: gates in ONNX's order as rows of ours, and how many states.
_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}


#: What files are that contradict themselves so.
_PROJECTED = (
    "torch's dynamo exporter writes such for an LSTM with proj_size and leaves weights out, import its state_dict or its .pt2 instead"
)


def recurrent(call: Call) -> Sequence[Value]:
    """An LSTM, GRU or RNN node."""
    return recurrent_with(call, {})


def recurrent_with(call: Call, given: dict[str, Any], projections: Array | None = None) -> Sequence[Value]:
    """The same. given: fields of its records, beside those that its attributes give; projections: `Node` has it."""
    node = Node(call, projections)
    node.options = [{**options, **given} for options in node.options]
    if node.computed and isinstance(node.initial[0], Flow) and isinstance(first := call.value(0), np.ndarray) and first.ndim == 3:
        numbers = np.asarray(np.swapaxes(first, 0, 1) if node.batch_first else first, np.float64)
        y, *ends = written_out(call.tracer, node.plain(), numbers, node.begins(numbers.shape[1]))
        return _arranged(node, y[:, None], [end[None] for end in ends])
    x = call.flow(0).ids
    if x.ndim != 3:
        call.refuse(f"reads an array of shape {x.shape} where it needs three dimensions")
    x = until_end(call.tracer, np.swapaxes(x, 0, 1) if node.batch_first else x)  # (steps, sequences, inputs)
    node.check_lengths(x.shape[0])
    if node.hidden != node.size and (node.computed or rows_of(call.tracer, x) is not None):
        call.refuse("has a projection and begins as the graph computes, or runs along the rows of a frame, which is not imported")
    if node.computed and len(x) > 1:
        y = node.started(x)
        return _arranged(node, y, [np.stack([y[0 if back else -1, index] for index, back in enumerate(node.directions)]), node.nowhere(y)])
    if node.computed or (len(x) == 1 and call.tracer.steps > 1 and any(isinstance(value, Flow) for value in node.initial)):
        y, *ends = written_out(call.tracer, node.plain(), x, node.begins(x.shape[1]))
        return _arranged(node, y[:, None], [end[None] for end in ends])
    if (rows := rows_of(call.tracer, x)) is not None:
        found, *states = over_rows(call, node, rows, len(rows.step))
        return _arranged(node, np.stack(found, 1), [np.stack(one) for one in states])
    if lies_inside(call.tracer, x) and not any(isinstance(value, Flow) or (value is not None and value.any()) for value in node.initial):
        y = np.stack([inside(call.tracer, node.cell(index, reverse), x) for index, reverse in enumerate(node.directions)], 1)
        return _arranged(node, y, [np.stack([y[0 if back else -1, k] for k, back in enumerate(node.directions)]), node.nowhere(y)])
    return along_recording(node, x)


def along_recording(node: "Node", x: Ids) -> Sequence[Value]:
    """The node's outputs where it reads x (steps, sequences, inputs) along the recording."""
    reads, backward, steps = node.call.tracer.sequence(x)
    if reads.size != node.width:
        said = f"reads {reads.size} numbers a step and has input weights for {node.width}."
        raise Misfit.of(f"{node.call.tracer.place}: {said}", node.width, reads.size)
    made = [node.direction(index, reads, backward, steps) for index in range(len(node.directions))]
    y = np.stack([m.y for m in made], 1)  # (steps, directions, sequences, hidden)
    y = y[::-1] if backward else y
    return _arranged(node, y, [np.stack([m.end for m in made]), np.stack([m.cell_end for m in made])])


def _arranged(node: "Node", y: Ids, ends: list[Ids]) -> Sequence[Value]:
    """The node's outputs: y (steps, directions, sequences, hidden), ends (directions, sequences, hidden)."""
    if node.batch_first:
        y, ends = y.transpose(2, 0, 1, 3), [np.swapaxes(end, 0, 1) for end in ends]
    return [Flow(y), *map(Flow, ends)][: 3 if node.op == "LSTM" else 2]


@dataclass(eq=False)
class _Direction:
    """Identities that one direction gives: y (steps, sequences, hidden) in the recording's order, its end and that of its cell state."""

    y: Ids
    end: Ids
    cell_end: Ids


class Node:
    """Attributes and arrays of a node, checked.

    `projections`: of an LSTM that gives less than its cells hold, (directions, size, hidden).
    """

    def __init__(self, call: Call, projections: Array | None = None) -> None:
        self.call, self.op = call, call.node.op
        self.directions = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(
            direction := call.attribute("direction", "forward"), []
        )
        if not self.directions:
            call.refuse(f"direction {direction!r} is none that ONNX knows")
        self.batch_first = bool(call.attribute("layout", 0))
        self.count = len(_GATES[self.op])
        self.w, self.r = call.constant(1), call.constant(2)
        self.size = self.r.shape[-1]
        self.hidden = self.size if projections is None else projections.shape[-1]
        if call.attribute("hidden_size", self.hidden) != self.hidden:
            call.refuse(
                f"has hidden_size {call.node.attributes['hidden_size']} and recurrent weights of shape {self.r.shape}; {_PROJECTED}"
            )
        rows = self.count * self.hidden
        self._require(1, self.w, (len(self.directions), rows, self.w.shape[-1]))
        self._require(2, self.r, (len(self.directions), rows, self.size))
        self.b = self._optional(3, (len(self.directions), 2 * rows))
        self.initial = [self._initial(index) for index in ((5, 6) if self.op == "LSTM" else (5,))]
        each = {"LSTM": 3, "GRU": 2, "RNN": 1}[self.op]
        self.words = words(call, each * len(self.directions))
        self.clip = call.attribute("clip")
        self.options = self._options()
        if projections is not None:
            self._require(8, projections, (len(self.directions), self.size, self.hidden))
            self.options = [{**options, "weight_hr": one} for options, one in zip(self.options, projections, strict=True)]

    def _require(self, index: int, array: Array, shape: tuple[int, ...]) -> None:
        if array.shape != shape or 0 in shape:
            self.call.refuse(f"its input {index} must have shape {shape}; it has {array.shape}")

    def _optional(self, index: int, shape: tuple[int, ...]) -> Array | None:
        if not self.call.has(index):
            return None
        array = self.call.constant(index)
        self._require(index, array, shape)
        return array.astype(np.float64)

    def _initial(self, index: int) -> Value | None:
        """(directions, sequences, hidden), or None for zeros."""
        if not self.call.has(index):
            return None
        given = self.call.value(index)
        array: Any = given.ids if isinstance(given, Flow) else given
        array = np.swapaxes(array, 0, 1) if self.batch_first else array
        width = self.size if index == 5 else self.hidden
        if index == 6 and array.ndim == 3 and array.shape[2] > width:
            self.call.refuse(f"has hidden_size {width} and a cell state of {array.shape[2]} numbers; {_PROJECTED}")
        if array.ndim != 3 or array.shape[::2] != (len(self.directions), width):
            self.call.refuse(f"its initial state must have shape ({len(self.directions)}, batch, {width}); it has {array.shape}")
        return Flow(array) if isinstance(given, Flow) else array

    @property
    def width(self) -> int:
        """How many numbers it reads at a step."""
        return int(self.w.shape[-1])

    @property
    def computed(self) -> bool:
        """Whether a state begins as what the graph computes, not as a constant or a state of the stream."""
        flows = [value for value in self.initial if isinstance(value, Flow)]
        return any(self.call.tracer.begun(ids) is None for value in flows for ids in value.ids)

    def started(self, x: Ids) -> Ids:
        """What a node gives that begins as the graph computes: (steps, directions, sequences, hidden)."""
        tracer, found = self.call.tracer, list[Ids]()
        for index, reverse in enumerate(self.directions):
            given = [np.zeros((x.shape[1], self.hidden)) if one is None else one for one in self.initial]
            states = [one.ids[index] if isinstance(one, Flow) else tracer.ids(one if one.ndim == 2 else one[index]) for one in given]
            found.append(started(tracer, self.cell(index, reverse), x, states))
        return np.stack(found, 1)

    def cell(self, index: int, reverse: bool) -> Recurrent:
        """The record of one direction, as a cell."""
        record = self.record(index, reverse)
        assert isinstance(record, Recurrent)
        return record

    def nowhere(self, y: Ids) -> Ids:
        """Identities (directions, sequences, hidden) of cell states that no layer gives."""
        source = Cell(self.call.tracer.place)
        wire = self.call.tracer.space.allocate(source, self.call.tracer.steps, y.shape[1] * y.shape[2] * self.hidden)
        source.of = wire.index
        ids: Ids = self.call.tracer.space.ids(wire)[-1, 0].reshape(y.shape[1:])
        return ids

    def plain(self) -> Plain:
        """The cell of a node in one direction without options."""
        if len(self.directions) > 1 or self.directions[0] or self.options[0]:
            self.call.refuse("begins as the graph computes and runs in another direction, or has options; plain cells are imported so")
        bias = np.zeros((2, self.count * self.hidden)) if self.b is None else self.b[0].reshape(2, -1)
        return Plain({"LSTM": "iofg", "GRU": "zrn", "RNN": "n"}[self.op], self.w[0], self.r[0], bias)

    def begins(self, sequences: int) -> list[Value]:
        """What the states of a node in one direction begin as, (sequences, hidden) each."""
        zeros: Array = np.zeros((sequences, self.hidden))
        flows = [zeros if one is None else one for one in self.initial]
        return [Flow(one.ids[0]) if isinstance(one, Flow) else one if one is zeros else np.asarray(one[0], np.float64) for one in flows]

    def _options(self) -> list[dict[str, Any]]:
        """For each direction the fields of its record that differ from a plain layer's."""
        found: list[dict[str, Any]] = [{} for _ in self.directions]
        if self.clip:
            found = [{"gate_clip": float(np.float32(self.clip))} for _ in self.directions]
        each = len(self.words) // len(self.directions)
        names = {"LSTM": ("gate_activation", "cell_activation", "output_activation"), "GRU": ("gate_activation", "cell_activation")}
        plain = {"gate_activation": "sigmoid"}
        for index, options in enumerate(found):
            for name, word in zip(names.get(self.op, ("activation",)), self.words[index * each :], strict=False):
                if word != plain.get(name, "tanh"):
                    options[name] = word
        if self.op == "GRU" and not self.call.attribute("linear_before_reset", 0):
            found = [{**options, "reset_after": False} for options in found]
        if self.op == "LSTM":
            if self.call.attribute("input_forget", 0):
                found = [{**options, "coupled": "f=1-i"} for options in found]
            peepholes = self._optional(7, (len(self.directions), 3 * self.hidden))
            if peepholes is not None and peepholes.any():
                rows = peepholes.reshape(-1, 3, self.hidden)[:, [0, 2, 1]]  # i o f -> i f o
                found = [{**options, "peephole": rows[index]} for index, options in enumerate(found)]
        return found

    def operands(self, reads: Ids) -> list[Ids]:
        """What its record reads apart, of which the columns of weight_ih are the first."""
        return [reads]

    def check_lengths(self, steps: int) -> None:
        """Sequences of other lengths than the whole are refused."""
        if self.call.has(4) and (self.call.constant(4) != steps).any():
            self.call.refuse("has sequence_lens shorter than its input, which is not imported; cut the recording instead")

    def _gates(self, array: Array) -> Array:
        """Rows by gate in our order."""
        parts = array.reshape(self.count, self.hidden, *array.shape[1:])
        return parts[list(_GATES[self.op])].reshape(array.shape)

    def record(self, index: int, reverse: bool) -> Layer:
        bias = np.zeros((2, self.count * self.hidden)) if self.b is None else self.b[index].reshape(2, -1)
        bias = np.stack([self._gates(one) for one in bias])
        given: dict[str, Any] = {"weight_ih": self._gates(self.w[index]), "weight_hh": self._gates(self.r[index]), **self.options[index]}
        given |= {"bias_ih": bias[0], "bias_hh": bias[1]} if self.op == "GRU" else {"bias": bias.sum(0)}
        given |= {"reverse": True} if reverse else {}
        return made_record(self.call, self.op, given)

    def direction(self, index: int, reads: Ids, backward: bool, steps: int) -> _Direction:
        """The wires of one direction; `backward`: the node reads the recording from its end already."""
        tracer = self.call.tracer
        reverse = self.directions[index] != backward
        source = Made(tracer.place, self.record(index, reverse), self.operands(reads), "weight_ih")
        h = tracer.space.allocate(source, steps, self.size, reverse)
        c = tracer.space.allocate(Cell(tracer.place, h.index, [reads, tracer.space.last(h)]), steps, self.hidden, reverse)
        source.check = lambda: self._begun(source.record, index, h, c)
        y, cells = tracer.space.ids(h), tracer.space.ids(c)
        end = 0 if reverse else -1
        for given, ids in zip(self.initial, (y, cells), strict=False):
            if isinstance(given, Flow):
                tracer.ends.update(zip(given.ids[index].ravel().tolist(), ids[end].ravel().tolist(), strict=True))
        return _Direction(y, y[end], cells[end])

    def _begun(self, record: Layer, index: int, h: Wire, c: Wire) -> Layer:
        """The record with its initial states, which may be what the layer itself ended with before."""
        states: dict[str, Any] = {}
        for name, given, wire in zip(("h0", "c0"), self.initial, (h, c), strict=False):
            if given is None:
                continue
            values = self._begins(name, given.ids[index], wire) if isinstance(given, Flow) else self._constant(given[index])
            if values.any():
                states[name] = values
        return replace(record, **states)

    def _constant(self, rows: Array) -> Array:
        if self.call.tracer.chosen is not None:
            chosen: Array = rows[self.call.tracer.chosen]
            return chosen
        if (rows != rows[:1]).any():
            self.call.tracer.place = str(self.call.node)
            self.call.refuse("begins each sequence of the batch in another state; a stream has one")
        first: Array = rows[0]
        return first

    def _begins(self, name: str, ids: Ids, wire: Wire) -> Array:
        """Where the state of the stream begins that `ids` (sequences, hidden) are."""
        space = self.call.tracer.space
        self.call.tracer.place = str(self.call.node)
        source_wire = space.wire_of(ids)
        if source_wire is None or not isinstance(source_wire.source, State) or len(ids) != 1:
            self.call.refuse(
                f"its {name} is computed in the graph, or belongs to several sequences; a stream's state begins with constants"
            )
        numbers, state = space.places(ids[0]).number, source_wire.source
        if state.following is not None and not np.array_equal(state.following[numbers], space.last(wire)):
            self.call.refuse(f"its {name} comes from {state.place}, but the state that it ends with does not go back there")
        found: Array = state.initial[numbers]
        return found


def made_record(call: Call, name: str, given: dict[str, Any]) -> Layer:
    """A record whose fields this version has, or the refusal that names the one it lacks."""
    if name not in RECORDS:
        call.refuse(f"needs a layer {name}, which this version of edgelstm does not have")
    kind = record_of(RECORDS[name])
    lacking: Sequence[str] = sorted(set(given) - {f.name for f in fields(kind)})
    if lacking:
        call.refuse(f"needs a layer {name} with {', '.join(lacking)}, which this version of edgelstm does not have")
    return kind(**given)
