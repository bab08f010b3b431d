"""Operators on identities: each call is one operator of a graph, and makes the expression that computes its result.

An operator must do the same at every step and for every sequence of the batch: see `grouping`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedModelError
from ...layers.record import Layer
from ...layers.recording import Repeat
from ...reference.functions import activation
from . import pairs
from .cropping import cropped, until_end
from .ends import at_ends, held
from .expressions import Affine, Apply, Combine, Constant, Expression, Floats, Made, Scale, State, spread
from .grouping import Group, grouped, values
from .late import beside, known_in, late
from .maps import Mapped
from .scores import adjusted
from .wires import MOST, MOST_WEIGHTS, Ids, Misfit, Space, Wire

#: Most rows of one array that may have a layer each.
_MOST_ROWS = 64


class Levels(NamedTuple):
    """How an array stands for numbers: ``number = scale * (level - zero)``."""

    scale: float
    zero: float


@dataclass(frozen=True, eq=False)
class Flow:
    """An array of numbers that depend on the recording.

    `integer`: whether they are indices; `levels`: where the graph holds levels, how these stand for the numbers.
    """

    ids: Ids
    integer: bool = False
    levels: Levels | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.ids.shape


#: An array of a graph: constant, or what flows through it.
Value: TypeAlias = Flow | NDArray[Any]


@dataclass(eq=False)
class Tracer:
    """Makes the expressions of a network whose recordings have `steps` steps."""

    space: Space
    steps: int
    place: str = "the graph"
    #: The sequence of a batch whose initial states are taken where they differ.
    chosen: int | None = None
    #: Whether `steps` stands for any length.
    open: bool = False
    #: Whether a window that reaches beyond both ends of a recording has zeros around it, though a stream could answer from it too.
    around: bool = False
    #: Whether a window met rows behind the recording's end, and none before its beginning: answers that no stream has.
    beyond: bool = False
    #: Of how many steps a recording must be for an array to take the shape that the graph gives it; 0 where that is not known.
    wanted: int = 0
    #: Whether a loop ran once in place, over an axis of length 1.
    once: bool = False
    #: Whether states may go round loops of no cell: maps are made of them, and recurrent layers that take one step are spelled out.
    feeds_back: bool = False
    #: Whether a layer of maps was met that reads a state.
    keeps_maps: bool = False
    #: By identity of a state's number, what a recurrent layer that begins with it ends with.
    ends: dict[int, int] = field(default_factory=dict)
    #: Whether some input is a memory of rows.
    memories: bool = False
    #: Whether sums of steps by pairs were met.
    in_pairs: bool = False
    #: By identity of how many numbers of a sample differ from what padding has, that of whether any does.
    differing: dict[int, int] = field(default_factory=dict)
    #: What `ends` has made: by the wires that are read at their ends, and by wire, end and rows.
    lasts: dict[tuple[int, ...], Wire] = field(default_factory=dict)
    repeats: dict[tuple[int, int, int], Wire] = field(default_factory=dict)
    #: By wire of numbers that are rounded over their range, those of their levels and of the levels' scale.
    levels: dict[int, list[Wire]] = field(default_factory=dict)
    _constants: dict[bytes, Wire] = field(default_factory=dict)
    _made: dict[int, Wire] = field(default_factory=dict)

    def refuse(self, why: str) -> NoReturn:
        """Raise the error that says why the present operator cannot be imported."""
        raise UnsupportedModelError(f"{self.place}: {why}.")

    def ids(self, value: Value) -> Ids:
        """Identities of an array's numbers; constants get some."""
        if isinstance(value, Flow):
            return value.ids
        if value.dtype.kind not in "fiub":
            self.refuse(f"joins an array of {value.dtype} with numbers of the recording")
        values = np.asarray(value, np.float64).ravel()
        wire = self._constants.get(values.tobytes())
        if wire is None:
            wire = self.space.allocate(Constant(self.place, values), 0, values.size)
            self._constants[values.tobytes()] = wire
        return self.space.ids(wire).reshape(value.shape)

    def grouped(self, operands: Sequence[Ids], constants: Sequence[Floats] = (), *, some: bool = False) -> Group:
        """Sort items by step and sequence and require one pattern. operands: (items, M) each; constants: (items, …) each.

        some: whether they may leave out the recording's last steps, which are computed then and not read.
        """
        joined = np.concatenate(operands, axis=1)
        at = self.space.places(joined)
        for replaced in (at_ends, held):
            if (found := replaced(self, joined, at)) is not joined:
                joined, at = found, self.space.places(found)
        return grouped(self.space, self.refuse, joined, at, constants, [o.shape[1] for o in operands], some=some)

    def values(self, ids: Ids) -> Floats:
        """Numbers that identities of constants stand for; NaN for others."""
        return values(self.space, ids)

    def output(self, group: Group, source: Expression, item: int | None = None, width: int = 1, out: Ids | None = None) -> Ids:
        """(places, width) identities of a new wire that `source` makes: `width` numbers for each item of `group`, or for one alone."""
        where, alike = group.where, group.alike
        if item is not None:
            where, alike = where[:, :, alike == item], np.zeros(int((alike == item).sum()), np.int64)
        wire = self.wire(source, group.steps, (int(alike.max()) + 1) * width)
        numbers = wire.start + group.rows[:, :, None, None] * wire.width + np.arange(wire.width).reshape(-1, width)[alike]
        out = np.empty((group.where.size, width), np.int64) if out is None else out
        out[where] = numbers
        return out

    def _spread(self, group: Group, refs: Ids) -> Ids:
        """The identities, at their own step and sequence, of what items of a group are: refs (items,) at the last step."""
        at = self.space.places(refs)
        width = np.where(self.space.steps(at.wire) > 0, self.space.widths(at.wire), 0)
        found = np.empty(group.where.size, np.int64)
        last = (group.steps - 1) * self.space.batch + group.rows[-1, 0] % self.space.batch
        found[group.where] = refs[group.alike] + (group.rows - last)[:, :, None] * width[group.alike]
        return found

    def wire(self, source: Expression, steps: int, width: int) -> Wire:
        """The wire of an expression: the same for what computes the same."""
        key = source.key()
        digest = None if key is None else hash((*key, steps, width))
        found = None if digest is None else self._made.get(digest)
        if found is not None and found.source.key() == key and (found.steps, found.width) == (steps, width):
            return found
        wire = self.space.allocate(source, steps, width)
        if digest is not None:
            self._made[digest] = wire
        return wire

    def apply(self, word: str, flow: Flow) -> Flow:
        """A function of every number."""
        if word == "tanh" and (sums := pairs.bounded(self, flow.ids)) is not None:
            return Flow(sums)
        if (known := known_in(self, flow.ids)) is not None:
            rest, constants = self.apply(word, Flow(flow.ids[~known])), np.asarray(self.values(flow.ids[known]), np.float64)
            return Flow(beside(self, known, activation(word)(constants), rest.ids))
        group = self.grouped([flow.ids.reshape(-1, 1)], some=True)
        return Flow(self.output(group, Apply(self.place, word, group.refs[0][:, 0])).reshape(flow.shape))

    def scale(self, flow: Flow, scale: Any, offset: Any) -> Flow:
        """``scale * flow + offset`` with constants that broadcast against it. It becomes part of a sum that it follows."""
        ids, scales, offsets = np.broadcast_arrays(flow.ids, np.asarray(scale, np.float64), np.asarray(offset, np.float64))
        if ids.size > MOST:
            self.refuse(f"makes {ids.size} numbers; at most {MOST} are imported")
        if (scales == 1).all() and not offsets.any():
            return Flow(ids, flow.integer)
        if (found := adjusted(self, ids, scales, offsets)) is not None or (found := pairs.scaled(self, ids, scales, offsets)) is not None:
            return Flow(found)
        if (known := known_in(self, ids)) is not None:
            rest = self.scale(Flow(ids[~known]), scales[~known], offsets[~known])
            return Flow(beside(self, known, self.values(ids[known]) * scales[known] + offsets[known], rest.ids))
        group = self.grouped([ids.reshape(-1, 1)], [scales.ravel(), offsets.ravel()], some=True)
        (refs,), (a, b) = group.refs, group.constants
        refs = refs[:, 0]
        before = self._source(refs)
        source: Expression = Scale(self.place, a, b, refs)
        if isinstance(before, Affine):
            rows = self.space.places(refs).number
            weight = before.weight[rows] if (a == 1).all() else before.weight[rows] * a[:, None]
            source = Affine(self.place, weight, before.bias[rows] * a + b, before.refs, group.once)
        elif isinstance(before, Scale):
            rows = self.space.places(refs).number
            source = Scale(self.place, before.scale[rows] * a, before.offset[rows] * a + b, before.refs[rows])
            if (source.scale == 1).all() and not source.offset.any():
                return Flow(self._spread(group, source.refs).reshape(ids.shape), flow.integer)
        elif isinstance(before, Mapped):
            source = before.scaled(self.space.places(refs).number, a, b, self.place) or source
        return Flow(self.output(group, source).reshape(ids.shape), flow.integer)

    def combine(self, operation: str, left: Flow, right: Flow) -> Flow:
        """Sum or product of two flows that broadcast. Two weighted sums become one."""
        if operation == "add" and (by_pairs := pairs.added(self, left.ids, right.ids)) is not None:
            return Flow(by_pairs)
        a, b = np.broadcast_arrays(left.ids, right.ids)
        if a.size > MOST:
            self.refuse(f"makes {a.size} numbers; at most {MOST} are imported")
        try:
            group = self.grouped([a.reshape(-1, 1), b.reshape(-1, 1)], some=True)
        except UnsupportedModelError:
            found = [late(self, ids) for ids in (a, b)]
            if all(ids is None for ids in found):
                raise
            return self.combine(operation, *(Flow(old if ids is None else ids) for old, ids in zip((a, b), found, strict=True)))
        refs = [r[:, 0] for r in group.refs]
        sums = [self._source(r) for r in refs]
        if any(isinstance(one, Affine) for one in sums):
            sums = [one.affine() if isinstance(one, Mapped) else one for one in sums]
        source: Expression = Combine(self.place, operation, *refs)
        apart = self._apart(sums, refs)
        if operation == "add" and isinstance(sums[0], Affine) and isinstance(sums[1], Affine) and apart:
            rows = [self.space.places(r).number for r in refs]
            weights = [s.weight[k] for s, k in zip(sums, rows, strict=True) if isinstance(s, Affine)]
            biases = [s.bias[k] for s, k in zip(sums, rows, strict=True) if isinstance(s, Affine)]
            source = Affine(self.place, np.hstack(weights), biases[0] + biases[1], np.concatenate([sums[0].refs, sums[1].refs]), group.once)
        return Flow(self.output(group, source).reshape(a.shape))

    def _apart(self, sums: list[Expression | None], refs: list[Ids]) -> bool:
        """Whether neither of two expressions reads what the other gives."""
        wires = [set(self.space.places(r).wire.tolist()) for r in refs]
        reads = [set(self.space.places(s.refs).wire.tolist()) if isinstance(s, Affine) else set() for s in sums]
        return not (wires[0] & reads[1] or wires[1] & reads[0])

    def _source(self, refs: Ids) -> Expression | None:
        """The expression that makes all of these at the present step; None where there are several, or earlier steps."""
        at = self.space.places(refs)
        wire = self.space.wires[at.wire[0]]
        same = (at.wire == at.wire[0]).all() and (not wire.steps or (at.step == wire.steps - 1).all())
        return wire.source if same else None

    def affine(self, flow: Flow, weight: Floats, bias: Floats | None = None) -> Flow:
        """``flow @ weight + bias`` along the last axis: weight (inputs, outputs), bias (outputs,)."""
        inputs, outputs = weight.shape
        if flow.shape[-1:] != (inputs,):
            why = f"multiplies an array of shape {flow.shape} by a matrix of shape {weight.shape}"
            raise Misfit.of(f"{self.place}: {why}.", inputs, flow.shape[-1] if flow.shape else 0)
        if (bias is None or not np.any(bias)) and (scores := pairs.weighed(self, flow.ids, weight)) is not None:
            return Flow(scores)
        try:
            group = self.grouped([flow.ids.reshape(-1, inputs)], some=True)
        except UnsupportedModelError:
            if (found := late(self, flow.ids)) is None:
                raise
            return self.affine(Flow(found), weight, bias)
        refs = group.refs[0]
        rows = len(refs)
        full = np.zeros(outputs) if bias is None else np.asarray(bias, np.float64)
        columns, place = np.unique(refs, return_inverse=True)
        if rows == 1 and columns.size == inputs:
            matrix, columns = weight.T, refs[0]
        else:
            if rows * outputs * columns.size > MOST_WEIGHTS:
                self.refuse(f"multiplies {rows} rows a step by one matrix, which would take a matrix of {rows * outputs} x {columns.size}")
            self.space.budget.take(self.place, numbers=rows * outputs * columns.size)
            blocks = np.zeros((rows, outputs, columns.size))
            for row, columns_of in enumerate(place.reshape(rows, inputs)):
                blocks[row] = spread(weight.T, columns_of, columns.size)
            matrix = blocks.reshape(rows * outputs, columns.size)
        source = self._without_constants(Affine(self.place, matrix, np.tile(full, rows), columns, group.once))
        return Flow(self.output(group, source, width=outputs).reshape(*flow.shape[:-1], outputs))

    def _without_constants(self, source: Affine) -> Affine:
        """The same sum with constant terms in its bias."""
        values = self.values(source.refs)
        known = np.isfinite(values)
        if not known.any():
            return source
        weight = source.weight.astype(np.float64)
        return Affine(source.place, weight[:, ~known], source.bias + weight[:, known] @ values[known], source.refs[~known], source.full)

    def rows(self, flow: Flow, make: Callable[[], Layer], width: int) -> Flow:
        """A layer for each row along the last axis, which gives `width` numbers."""
        flow = flow if (found := late(self, flow.ids)) is None else Flow(found)
        group = self.grouped([flow.ids.reshape(-1, flow.shape[-1])])
        refs = group.refs[0]
        if len(refs) > _MOST_ROWS:
            self.refuse(f"works on {len(refs)} rows a step; at most {_MOST_ROWS} are imported")
        out = np.empty((group.where.size, width), np.int64)
        for row, reads in enumerate(refs):
            self.output(group, Made(self.place, make(), [reads]), row, width, out)
        return Flow(out.reshape(*flow.shape[:-1], width))

    def repeated(self, ids: Ids) -> Ids | None:
        """ids (rows, sequences, numbers), of which each row is the last of the recording, as those of a `Repeat`; None for others."""
        rows, sequences, numbers = ids.shape
        if rows < 2 or sequences != self.space.batch or (ids != ids[:1]).any() or (self.space.places(ids[0]).step < 0).all():
            return None
        group = self.grouped([ids[0]])
        if group.steps < 2 or len(group.rows) > 1 or len(group.refs[0]) > 1:
            return None
        reads = group.refs[0][0]
        made = Made(self.place, Repeat(None if rows == group.steps else rows), [reads])
        return self.space.ids(self.space.allocate(made, rows, numbers))

    def sequence(self, ids: Ids) -> tuple[Ids, bool, int]:
        """What a layer reads from ids (steps, sequences, inputs): (inputs,), whether the steps run backward, and how many there are."""
        found = late(self, ids) if (repeated := self.repeated(ids)) is None else repeated
        ids = until_end(self, ids) if found is None else found
        steps, sequences, inputs = ids.shape
        group = self.grouped([ids.reshape(-1, inputs)])
        expected = np.arange(steps * sequences).reshape(steps, sequences)
        if steps != len(group.rows) or len(group.refs[0]) != 1:
            self.refuse("runs along another axis than the recording's steps, which is not imported")
        where = group.where[:, :, 0]
        if (where != expected).any() and (where != expected[::-1]).any():
            self.refuse("mixes the steps and sequences that it reads")
        return cropped(self, group.refs[0][0], group.steps, group.steps - steps), bool((where != expected).any()), steps

    def begun(self, ids: Ids) -> Floats | None:
        """Where the state of the stream begins that `ids` are; None where they are none."""
        wire = None if self.feeds_back and self.steps == 1 else self.space.wire_of(ids)
        return wire.source.initial[self.space.places(ids).number] if wire is not None and isinstance(wire.source, State) else None

    def state(self, initial: Floats, steps: int) -> Wire:
        """A state that begins as `initial` (numbers,). `steps`: how many there are, if operators compute with it at every step, else 0."""
        return self.space.allocate(State(self.place, initial), steps, initial.size)
