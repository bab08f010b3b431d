"""One reading of an ONNX file's inputs, tried: its graph followed, its states led back, its answers found."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ...errors import UnsupportedModelError, printable
from ...layers.record import Layer
from ..graph.convolving import time_axis, turned
from ..graph.cropping import MOST_CROPPED, cropped, until_end
from ..graph.emitting import Emitter
from ..graph.expressions import Input, Memory
from ..graph.feedback import emitted
from ..graph.laying import laid
from ..graph.tracing import Flow, Tracer, Value
from ..graph.wires import MOST, Budget, Ids, NoCell, Space, Wire
from .arranging import arranged, open_as_one
from .certain import Certainty
from .closing import Closing, Pairs, shows_a_state, shows_shares
from .deciding import remembers
from .file import File, Tensor
from .living import matters
from .operators import OPERATORS
from .sequences import Parts
from .signature import Reading, choice, names_a_batch
from .walking import Walk

#: Rows of a memory of open length while a graph is followed, and as many as tell which outputs have one number for each.
_ROWS, _OTHER_ROWS = 5, 7

#: The note on a file that gives one row for a recording, where its model gives one at each step.
ONCE = "The file answers once a recording: its answer is that of the last step."

#: The note on a file whose steps are computed side by side.
AT_ONCE = "The steps of a recording, along axis {} of {!r}, are computed at once: its one answer comes with the last of them."


@dataclass(eq=False)
class Attempt:
    """One reading of a file's signature, followed through its graph.

    `constants`: inputs that are given; `chosen`: the sequence of a batch whose initial state is taken; `budget`: of all readings;
    `met`: how many nodes were followed; `sequences`: how many a batch holds whose size is open; `around`: as `Tracer` has it;
    `rows`: those of a memory of open length; `laid`: whether all steps of a recording lie side by side, as one frame, from
    the beginning on (``"first"``), or from the first node on that cannot be followed as they are (``"late"``);
    `emitted`: whether layers were made of it; `suspect`: an input that is read as samples and looks like a state then; `beyond`: as
    `Tracer` has it; `wanted`: likewise; `feeds_back`: whether a loop of no cell becomes layers in a cycle; `unknown`: whether such a loop
    was met; `untold`: that the file does not tell which of its inputs are states.
    """

    file: File
    reading: Reading
    constants: Mapping[str, Value] = field(default_factory=dict)
    chosen: int | None = None
    budget: Budget = field(default_factory=Budget)
    met: int = 0
    sequences: int = 1
    around: bool = False
    rows: int = _ROWS
    laid: str = ""
    emitted: bool = False
    suspect: str = ""
    beyond: bool = False
    wanted: int = 0
    feeds_back: bool = False
    unknown: bool = False
    untold: str = ""

    def layers(self, steps: int) -> tuple[list[Layer], list[str]]:
        """The layers for recordings of `steps` steps, and notes."""
        tracer, outputs, states, notes = self.followed(steps)
        if self.laid and (self._batch() > 1 or (tracer.once and self._is_open())):
            raise UnsupportedModelError("computes with several recordings at once, whose steps are not laid side by side.")
        if not self.laid and self._is_doubtful() and self._is_open():
            met, self.met = self.met, 0  # why it is no batch says nothing about the file
            replace(self, sequences=2).followed(steps)
            self.met = met
        if tracer.once and self._is_open():
            replace(self, sequences=2).followed(steps)
        notes += [
            f"The input {tensor.name!r} is one for a recording: what stands at its last step is taken."
            for tensor, axes in self.reading.samples
            if axes.time is None and self.reading.along[1].time is not None
        ]
        notes += [
            f"The input {tensor.name!r} is a memory, whose rows Stream.attend gives; all of them count." for tensor in self.reading.memories
        ]
        outputs, left = self._of_steps(outputs, steps)
        notes += left
        closing = Closing(self.reading, tracer, outputs, states)
        self.met += 1
        problem: UnsupportedModelError | None = None
        for pairs in closing.pairings():
            try:
                found, more = self._emitted(closing, pairs)
            except UnsupportedModelError as refused:
                problem, self.unknown = problem or refused, self.unknown or isinstance(refused, NoCell)
            else:
                if problem is not None and Certainty(closing, pairs, self.file.graph.inputs).contradicts():
                    self.unknown = True
                    continue
                seen = closing.suspect(any(remembers(layer) for layer in found))
                if seen is None and self.reading.steps() == 1 and self.reading.states:
                    seen = Certainty(closing, pairs, self.file.graph.inputs).forgotten()
                if seen is not None:
                    self.suspect, self.unknown = seen[1], True
                    raise UnsupportedModelError(
                        f"the output {seen[0]!r} looks like what the input {seen[1]!r} becomes at the next call, "
                        "and the way from the one to the other is no LSTM, GRU or RNN as edgelstm knows them."
                    )
                return found, notes + more
        raise problem or UnsupportedModelError("leads its states back in no way.")

    def _of_steps(self, outputs: dict[Tensor, Value], steps: int) -> tuple[dict[Tensor, Value], list[str]]:
        """The outputs without those that grow with a memory, as the shares of its rows do, and notes."""
        if not any(isinstance((tensor.shape or ())[1], str) for tensor in self.reading.memories):
            return outputs, []
        others = replace(self, rows=_OTHER_ROWS, budget=Budget()).followed(steps)[1]
        kept = {tensor: value for tensor, value in outputs.items() if value.shape == others[tensor].shape}
        return kept, [f"The output {t.name!r} has numbers for each row of the memory and is left out." for t in outputs if t not in kept]

    def _emitted(self, closing: Closing, pairs: Pairs) -> tuple[list[Layer], list[str]]:
        """The layers with states led back as `pairs` says, and notes."""
        rest, tracer = closing.lead_back(pairs, asked=not self.feeds_back), closing.tracer
        if not any(isinstance(value, Flow) and not shows_a_state(tracer.space, value.ids) for value in rest.values()):
            rest |= closing.answers_of_states(pairs)
        refs, more = self._answers(tracer, rest)
        if self.feeds_back:
            self._check_certain(Certainty(closing, pairs, self.file.graph.inputs))
            layers, loops = emitted(tracer.space, refs, "the graph's output")
            return layers, closing.notes + more + loops
        return Emitter(tracer.space).emit(refs, "the graph's output"), closing.notes + more

    def _check_certain(self, certainty: Certainty) -> None:
        try:
            certainty.check()
        except UnsupportedModelError as refused:
            self.untold = self.untold or str(refused)
            raise

    def followed(self, steps: int) -> tuple[Tracer, dict[Tensor, Value], dict[Tensor, Wire], list[str]]:
        """The graph followed for recordings of `steps` steps: its outputs, the wires of its states, and notes."""
        space = Space(self._batch(), self.budget, fixed=self.reading.steps() not in (None, 1))
        tracer = Tracer(
            space, 1 if self.laid == "first" else steps, chosen=self.chosen, open=self.reading.steps() is None, around=self.around
        )
        tracer.feeds_back = self.feeds_back
        walk = Walk(self.file, tracer, {**OPERATORS, **self.file.operators}, lays=self.laid == "late")
        states = self._states(tracer)
        names = self._samples(space, steps) | dict(self.constants)
        if self.sequences == 1:
            names |= {tensor.name: Flow(space.ids(wire).reshape(open_as_one(tensor))) for tensor, wire in states.items()}
        else:
            names |= {tensor.name: np.zeros([n if isinstance(n, int) else self.sequences for n in tensor.shape or ()]) for tensor in states}
        names |= {tensor.name: np.full(space.batch, steps, np.int64) for tensor in self.reading.lengths}
        names |= {tensor.name: self._remembered(tracer, tensor) for tensor in self.reading.memories}
        names |= {tensor.name: np.full(self._shape_of_memory(tensor), self.reading.counts) for tensor in self.reading.masks}
        names |= {tensor.name: np.array(self._chosen(tensor, walk.notes)) for tensor in self.reading.choices}
        try:
            values = [walk.side_by_side(value) for value in walk.run(self.file.graph, names)]
        finally:
            self.met, self.beyond, self.wanted = max(self.met, walk.met), self.beyond or tracer.beyond, self.wanted or tracer.wanted
            self.unknown |= tracer.keeps_maps
        if any(isinstance(value, Parts) for value in values):
            raise UnsupportedModelError("gives a sequence of arrays, which is not imported.")
        return tracer, dict(zip(self.file.graph.outputs, values, strict=True)), states, walk.notes

    def _chosen(self, tensor: Tensor, notes: list[str]) -> int:
        """What a whole number that is an input is taken as."""
        value, why = choice(self.file.graph, tensor.name), "which the graph asks for first"
        if value is None:
            if matters(self.file.graph, tensor.name):
                raise UnsupportedModelError(
                    f"has the input {printable(tensor.name, 60)!r}, a number that the file does not tell; "
                    f'say it: sizes="{printable(tensor.name, 60)}=NUMBER".'
                )
            value, why = 0, "since no output depends on it"
        notes.append(f"The input {tensor.name!r} is taken as {value}, {why}.")
        return value

    def _batch(self) -> int:
        sizes = {
            size for tensor, axes in self.reading.samples
            if axes.batch is not None and isinstance(size := (tensor.shape or ())[axes.batch], int)
        }  # fmt: skip
        if len(sizes | {1 for _, axes in self.reading.samples if axes.batch is None}) > 1:
            raise UnsupportedModelError("has inputs of several batch sizes.")
        return sizes.pop() if sizes else self.sequences

    def _is_open(self) -> bool:
        """Whether the file leaves open how many sequences there are."""
        batches = [None if axes.batch is None else (tensor.shape or ())[axes.batch] for tensor, axes in self.reading.samples]
        states = [tensor.shape or () for tensor, _ in self.reading.states]
        return all(isinstance(n, str) for n in batches) and all(any(isinstance(n, str) for n in shape) for shape in states)

    def _is_doubtful(self) -> bool:
        """Whether what is taken as the batch may be the steps of a recording, which then must not be computed with together."""
        if any(becomes for _, becomes in self.reading.states):
            return False
        once = self.reading.steps() == 1
        for tensor, axes in self.reading.samples:
            name = (tensor.shape or ())[axes.batch] if axes.batch is not None else 1
            surely = bool(axes.batch) or axes.time is not None
            if isinstance(name, str) and (axes.batch or once) and not names_a_batch(name, surely=surely):
                return True
        return False

    def _samples(self, space: Space, steps: int) -> dict[str, Value]:
        """Identities of all samples: the numbers of one step, over all inputs, in the file's order."""
        widths = self.reading.widths()
        if sum(widths) > MOST:
            raise UnsupportedModelError(f"takes {sum(widths)} numbers a step; at most {MOST} are imported.")
        if 0 in (steps, *widths):
            raise UnsupportedModelError("has an input with an axis of length 0; export the model with examples that hold samples.")
        kinds = np.repeat([tensor.dtype == "int" for tensor, _ in self.reading.samples], widths)
        wire = space.allocate(Input("the graph's input", frozenset(np.flatnonzero(kinds).tolist())), steps, sum(widths))
        ids = laid(space, wire, wire.source.place) if self.laid == "first" else space.ids(wire)  # (steps, batch, width)
        found: dict[str, Value] = {}
        for (tensor, axes), part in zip(self.reading.samples, np.split(ids, np.cumsum(widths)[:-1], axis=2), strict=True):
            found[tensor.name] = Flow(arranged(part, tensor, axes, steps), tensor.dtype in ("int", "bool"))
        return found

    def _remembered(self, tracer: Tracer, tensor: Tensor) -> Flow:
        """The rows of a memory."""
        shape = self._shape_of_memory(tensor)
        if math.prod(shape) > MOST:
            raise UnsupportedModelError(f"has a memory of {math.prod(shape)} numbers; at most {MOST} are imported.")
        place = f"the graph's input {printable(tensor.name, 60)!r}"
        rows = shape[1] if isinstance((tensor.shape or ())[1], int) else 0
        wire = tracer.space.allocate(Memory(place, shape[2], rows), tracer.steps, math.prod(shape))
        tracer.memories = True
        return Flow(tracer.space.last(wire).reshape(shape))

    def _shape_of_memory(self, tensor: Tensor) -> tuple[int, ...]:
        """The shape of a memory or its mask, with so many rows where their number is open."""
        first, *rest = tensor.shape or ()
        return (first if isinstance(first, int) else 1, *(n if isinstance(n, int) else self.rows for n in rest))

    def _states(self, tracer: Tracer) -> dict[Tensor, Wire]:
        found = {}
        if self.reading.states and tracer.space.batch > self.sequences:
            raise UnsupportedModelError(f"has states for {tracer.space.batch} sequences at once; export it for one.")
        for tensor, _ in self.reading.states:
            size = math.prod(open_as_one(tensor))
            if size > MOST:
                raise UnsupportedModelError(f"has a state of {size} numbers; at most {MOST} are imported.")
            initial = np.zeros(size) if tensor.initial is None else np.asarray(tensor.initial, np.float64).ravel()
            wire = tracer.state(initial, 1 if tracer.steps == 1 else 0)
            wire.source.place = f"the graph's input {printable(tensor.name, 60)!r}"
            found[tensor] = wire
        return found

    def _answers(self, tracer: Tracer, outputs: dict[Tensor, Value]) -> tuple[Ids, list[str]]:
        """The numbers of one answer, of all outputs in the file's order, without those that only show a state."""
        notes = []
        kept: list[tuple[Tensor, Ids]] = []
        spans = {}
        for tensor, value in outputs.items():
            if not isinstance(value, Flow):
                notes.append(f"The output {tensor.name!r} is constant and left out.")
                continue
            at = tracer.space.places(value.ids)
            spans[tensor] = np.unique(at.step).size
            if shows_a_state(tracer.space, value.ids):
                notes.append(f"The output {tensor.name!r} is a state of a layer and left out.")
                continue
            kept.append((tensor, value.ids))
        shares = [tensor for tensor, ids in kept if shows_shares(tracer.space, ids)]
        if len(shares) < len(kept):
            kept = [(tensor, ids) for tensor, ids in kept if tensor not in shares]
            notes += [f"The output {tensor.name!r} is how much each step of a recording counts, and left out." for tensor in shares]
        most = max((spans[tensor] for tensor, _ in kept), default=0)
        answers = [(tensor, ids) for tensor, ids in kept if spans[tensor] in (1, most)]
        notes += [
            f"The output {tensor.name!r} holds other steps than others and is left out." for tensor, _ in kept if 1 < spans[tensor] < most
        ]
        if not answers:
            raise UnsupportedModelError("has no output that depends on its samples, beside states.")
        parts = []
        for tensor, given in answers:
            tracer.place = f"the output {printable(tensor.name, 60)!r}"
            ids = until_end(tracer, _flowing(tracer, given))
            refs = _in_order(tracer, ids)
            if spans[tensor] < most:
                notes.append(
                    f"The output {tensor.name!r} is there once; the model answers it at each step, and its last answer is the file's."
                )
            elif (fewer := _without_first(tracer, ids, refs, most)) is None:
                notes.append(f"The output {tensor.name!r} holds the last {most} steps of a recording; the model answers each.")
            else:
                refs = fewer
            parts.append(turned(tracer, refs, most) if _descends(tracer, ids) else refs)
        if len(parts) > 1:
            notes.append(f"The answers are those of {', '.join(tensor.name for tensor, _ in answers)}, one after the other.")
        if most == 1 and self.reading.steps() != 1:
            notes.append(AT_ONCE.format(self.reading.along[1].time, self.reading.along[0].name) if self.laid else ONCE)
        return np.concatenate(parts), notes


def _flowing(tracer: Tracer, ids: Ids) -> Ids:
    """An output of which some numbers are the same constant at every step, with these as what every step computes."""
    constant = tracer.space.places(ids).step < 0
    axis = time_axis(tracer, ids) if constant.any() and not constant.all() else None
    if axis is None:
        return ids
    rows = np.moveaxis(ids, axis, 0)
    found = rows.reshape(len(rows), -1).copy()
    values = tracer.values(found)  # (steps, numbers), NaN of what flows
    fixed = (values == values[:1]).all(axis=0)
    if fixed.any() and not fixed.all():
        like = Flow(np.repeat(found[:, ~fixed][:, :1], int(fixed.sum()), 1))
        found[:, fixed] = tracer.scale(like, 0, values[:, fixed]).ids
    return np.moveaxis(found.reshape(rows.shape), 0, axis)


def _in_order(tracer: Tracer, ids: Ids) -> Ids:
    """The numbers of the last step, in the order in which an output has them at every step."""
    group = tracer.grouped([ids.reshape(-1, 1)])
    orders = np.argsort(group.where, axis=2)  # (steps, sequences, numbers)
    if (orders != orders[-1, 0]).any():
        tracer.refuse("holds the numbers of each step in another order")
    found: Ids = group.refs[0][group.alike[orders[-1, 0]], 0]
    return found


def _without_first(tracer: Tracer, ids: Ids, refs: Ids, rows: int) -> Ids | None:
    """The numbers of the last step of an output of so many rows, whose first one is not the recording's where it leaves rows out.

    None where it leaves out more than it has, or than is left out: of those the model answers all.
    """
    at = tracer.space.places(ids)
    timed = at.step >= 0
    steps, first = int(tracer.space.steps(at.wire[timed]).max()), int(at.step[timed].min())
    if rows > 1 and (2 * first > steps or first > MOST_CROPPED):
        return None
    return cropped(tracer, refs, steps, first) if rows > 1 else refs


def _descends(tracer: Tracer, ids: Ids) -> bool:
    """Whether rows lie in the order of the steps from the recording's end."""
    step = tracer.space.places(ids).step.ravel()
    return bool(step[0] > step[-1])
