"""Loops that are no cell: a state that goes round one becomes a `Previous`, and all within it the layers that it is."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...errors import UnsupportedModelError
from ...layers.order import INPUT
from ...layers.record import Layer
from ...layers.recording import Reverse
from ...layers.recurrent import Recurrent
from .components import loops
from .delays import Taps, taps
from .emitting import Emitter, layer
from .expressions import Apply, Expression, Floats, Made, State
from .ranges import divided
from .wires import Ids, Space, Wire, distinct


@dataclass(eq=False)
class Back(Expression):
    """What some numbers were one step before; initial (width,). `clock`: the wire that is due with it, by index; -1 for the input."""

    initial: Floats
    following: Ids
    clock: int = -1

    def operands(self) -> list[Ids]:
        return [self.following]


@dataclass(eq=False)
class Looping(Emitter):
    """Makes the layers of a network with a `Previous` for each state that goes round a loop of no cell.

    `known`: whether loops that are cells become these.
    """

    known: bool = True
    _back: dict[int, Back] = field(default_factory=dict)
    _behind: dict[str, Back] = field(default_factory=dict)
    _behind_backward: dict[str, bool] = field(default_factory=dict)
    #: Wires of loops that run from the recording's end; whether what is read is read in their order, and by layer the one that turns it.
    _backward: set[int] = field(default_factory=set)
    _turns: bool = False
    _turned: dict[str, str] = field(default_factory=dict)
    _other: tuple[dict[tuple[int, int, int], str], dict[tuple[tuple[int, ...], bytes], str]] = field(default_factory=lambda: ({}, {}))

    def emit(self, refs: Ids, place: str) -> list[Layer]:
        self._back = self._fed_back(refs)
        if not self._back:
            raise UnsupportedModelError(f"{place} needs no state that goes round a loop.")
        return super().emit(refs, place)

    def notes(self) -> list[str]:
        """A note on each loop."""
        reads = {one.name: [name for name in (*one.inputs, getattr(one, "of", "")) if name] for one in self.layers}
        numbers = {one.name: number for number, one in enumerate(self.layers)}
        rings = loops({numbers[name]: [numbers[n] for n in read if n in numbers] for name, read in reads.items()})
        return [f"A loop of no known cell: {len(ring)} layers in a cycle, the first {self.layers[min(ring)].name!r}." for ring in rings]

    def _fed_back(self, refs: Ids) -> dict[int, Back]:
        """By wire, the states that go round a loop, or begin as other numbers than zeros, or come from the recording's end.

        Raises
        ------
        UnsupportedModelError
            If such a state stays what it is, or is one of a call of several steps.
        """
        reads, found = self._reads(refs), dict[int, Back]()
        rings = loops(reads)
        backward = {one for ring in rings if any(self._is_backward(one) for one in ring) for one in ring}
        if backward - self._backward:
            self._backward |= backward  # cells in there are spelled out, which may lead to more that is
            return self._fed_back(refs)
        for index in reads:
            wire, state = self.space.wires[index], self.space.wires[index].source
            ring = next((one for one in rings if index in one), set[int]())
            if not isinstance(state, State) or state.following is None or not (ring or state.initial.any() or state.reverse):
                continue
            if not wire.steps:
                raise UnsupportedModelError(f"{state.place}: is the state of a call, which holds several steps.")
            if np.array_equal(state.following, self.space.last(wire)):
                raise UnsupportedModelError(f"{state.place}: never changes, and is read where edgelstm needs numbers of the recording.")
            if state.reverse is not (index in self._backward) and ring:
                raise UnsupportedModelError(f"{state.place}: {State.why_not}; it runs in both directions.")
            self._backward |= {index} if state.reverse else set()
            around = {one for member in ring or {index} for one in reads[member]} - ring
            found[index] = Back(state.place, state.initial, state.following, _clock(self.space, wire, around))
        return found

    def _is_backward(self, index: int) -> bool:
        source = self.space.wires[index].source
        return isinstance(source, State) and source.reverse

    def _reads(self, refs: Ids) -> dict[int, list[int]]:
        """By wire that `refs` need, the wires that it reads, at this step or before."""
        found: dict[int, list[int]] = {}
        waiting = distinct(self.space.places(refs).wire).tolist()
        while waiting:
            index = waiting.pop()
            if index not in found:
                source = self._source(index)
                after = [source.following] if isinstance(source, State) and source.following is not None else []
                read = [ids for ids in (*source.operands(), *after) if ids.size]
                found[index] = [one for ids in read for one in distinct(self.space.places(ids).wire).tolist()]
                waiting += found[index]
        return found

    def _source(self, index: int) -> Expression:
        if index in self._back:
            return self._back[index]
        plain = self.space.wires[index].source
        return super()._source(index) if self.known and index not in self._backward else plain

    def _taps(self, refs: Ids, place: str) -> Taps:
        found = taps(self.space, refs, place, self._back)
        if self._turns and found.delays.any():
            raise UnsupportedModelError(f"{place}: reads several steps in a loop that runs from the recording's end.")
        return found

    def _make(self, index: int, sources: dict[int, Expression]) -> None:
        before = self._turns
        self._turn(False)
        for one in self._before(sources[index]) if index not in self._names else ():
            self._make(one, sources)
        self._turn(index in self._backward)
        super()._make(index, sources)
        self._turn(before)

    def _turn(self, backward: bool) -> None:
        """Let what is read next be in the order of the recording, or from its end on."""
        if backward is not self._turns:
            self._turns = backward
            self._other, own = (self._pieces, self._gathers), self._other
            self._pieces, self._gathers = own

    def _called(self, index: int) -> str:
        name = super()._called(index)
        if self._turns is (index in self._backward):
            return name
        if name not in self._turned:
            self._turned[name] = self._add(Reverse(), (name,))
        return self._turned[name]

    def _before(self, source: Expression) -> list[int]:
        return [] if isinstance(source, Back) else super()._before(source)

    def _layer(self, wire: Wire, source: Expression) -> str:
        if isinstance(source, Apply):
            return super()._layer(wire, replace(source, word=divided(self.space, source)))
        if self._turns and isinstance(source, Made) and (isinstance(source.record, Recurrent) or getattr(source.record, "history", None)):
            raise UnsupportedModelError(f"{source.place}: keeps steps within a loop that runs from the recording's end.")
        if not isinstance(source, Back):
            return super()._layer(wire, source)
        initial = source.initial if source.initial.any() else None
        clock = self._called(source.clock) if source.clock in self._names else INPUT
        name = self._add(layer("Previous", source.place, size=wire.width, initial=initial, of="later"), (clock,))
        self._behind[name], self._behind_backward[name] = source, self._turns
        return name

    def _end(self, names: tuple[str, ...]) -> None:
        of = dict[str, str]()
        for name, source in self._behind.items():
            self._turn(self._behind_backward[name])
            of[name] = self._one(self._read(source.following, source.place))
        self._turn(False)
        for name, found in of.items():
            of[name] = self._add(self._joined(), (INPUT,)) if found == INPUT else found
        for place, one in enumerate(self.layers):
            if one.name in of:
                fields: dict[str, Any] = {"of": of[one.name]}
                self.layers[place] = replace(one, **fields)
        behind = [one for one in self.layers if names == (one.name,)]
        if behind and not any(names[0] in one.inputs for one in self.layers):
            self.layers.remove(behind[0])
            self.layers += behind
        super()._end(names)


def emitted(space: Space, refs: Ids, place: str) -> tuple[list[Layer], list[str]]:
    """The layers whose last one gives `refs`, and notes: with the cells that edgelstm knows, if these go together with the rest."""
    try:
        emitter = Looping(space)
        return emitter.emit(refs, place), emitter.notes()
    except UnsupportedModelError:
        emitter = Looping(space, known=False)
        return emitter.emit(refs, place), emitter.notes()


def _clock(space: Space, wire: Wire, around: set[int]) -> int:
    """The last wire before a state that its loop reads and that is due at the same steps; -1 where there is none."""
    return max((one for one in around if one < wire.index and space.wires[one].steps == wire.steps), default=-1)
