"""Loops that are no cell: a state that goes round one becomes a `Previous`, and all within it the layers that it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...errors import UnsupportedModelError
from ...layers.activations import LEAST_DIVISOR, spelled
from ...layers.order import INPUT
from ...layers.record import Layer
from .delays import Taps, taps
from .emitting import Emitter, layer
from .expressions import Apply, Expression, Floats, State
from .ranges import Ranges
from .wires import Ids, Space, Wire, distinct

#: Divisors are taken to be a little smaller than their bound, which rounding may pass; a larger bound than this is left out.
_CLOSE, _MOST_DIVISOR = 0.99, 1e6


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

    def __post_init__(self) -> None:
        self._ranges = Ranges(self.space)

    def emit(self, refs: Ids, place: str) -> list[Layer]:
        self._back = self._fed_back(refs)
        if not self._back:
            raise UnsupportedModelError(f"{place} needs no state that goes round a loop.")
        return super().emit(refs, place)

    def notes(self) -> list[str]:
        """A note on each loop."""
        reads = {one.name: [name for name in (*one.inputs, getattr(one, "of", "")) if name] for one in self.layers}
        numbers = {one.name: number for number, one in enumerate(self.layers)}
        loops = _loops({numbers[name]: [numbers[n] for n in read if n in numbers] for name, read in reads.items()})
        return [f"A loop of no known cell: {len(loop)} layers in a cycle, the first {self.layers[min(loop)].name!r}." for loop in loops]

    def _fed_back(self, refs: Ids) -> dict[int, Back]:
        """By wire, the states that go round a loop, or begin as other numbers than zeros.

        Raises
        ------
        UnsupportedModelError
            If such a state stays what it is, or comes from the recording's end.
        """
        reads, found = self._reads(refs), dict[int, Back]()
        loops = _loops(reads)
        for index in reads:
            wire, state = self.space.wires[index], self.space.wires[index].source
            loop = next((one for one in loops if index in one), set[int]())
            if not isinstance(state, State) or state.following is None or not (loop or state.initial.any() or state.reverse):
                continue
            if not wire.steps:
                raise UnsupportedModelError(f"{state.place}: is the state of a call, which holds several steps.")
            if np.array_equal(state.following, self.space.last(wire)):
                raise UnsupportedModelError(f"{state.place}: never changes, and is read where edgelstm needs numbers of the recording.")
            if state.reverse:
                raise UnsupportedModelError(f"{state.place}: {State.why_not}; it runs from the recording's end.")
            around = {one for member in loop or {index} for one in reads[member]} - loop
            found[index] = Back(state.place, state.initial, state.following, _clock(self.space, wire, around))
        return found

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
        return super()._source(index) if self.known else self.space.wires[index].source

    def _taps(self, refs: Ids, place: str) -> Taps:
        return taps(self.space, refs, place, self._back)

    def _before(self, source: Expression) -> list[int]:
        return [] if isinstance(source, Back) else super()._before(source)

    def _layer(self, wire: Wire, source: Expression) -> str:
        if isinstance(source, Apply) and source.word.startswith("reciprocal"):
            return super()._layer(wire, replace(source, word=self._divided(source)))
        if not isinstance(source, Back):
            return super()._layer(wire, source)
        initial = source.initial if source.initial.any() else None
        clock = self._names.get(source.clock, INPUT)
        name = self._add(layer("Previous", source.place, size=wire.width, initial=initial, of="later"), (clock,))
        self._behind[name] = source
        return name

    def _divided(self, source: Apply) -> str:
        """A reciprocal that tells how small its divisors can be, so that what goes round a loop has a bound."""
        least = float(self._ranges.of(source.refs).least.min()) * _CLOSE
        return spelled("reciprocal", least) if LEAST_DIVISOR < least < _MOST_DIVISOR else source.word

    def _end(self, names: tuple[str, ...]) -> None:
        of = {name: self._one(self._read(source.following, source.place)) for name, source in self._behind.items()}
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


def _loops(reads: Mapping[int, Sequence[int]]) -> list[set[int]]:
    """What reads itself, by way of others: sets of all that read each other (Tarjan's strongly connected components)."""
    order, lowest = dict[int, int](), dict[int, int]()
    path, found = dict[int, None](), list[set[int]]()
    for root in reads:
        walk = [] if root in order else [(root, iter(reads[root]))]
        while walk:
            node, rest = walk[-1]
            if node not in order:
                order[node] = lowest[node] = len(order)
                path[node] = None
            after = next((one for one in rest if one not in order or one in path), None)
            if after is not None and after in order:
                lowest[node] = min(lowest[node], order[after])
            elif after is not None:
                walk.append((after, iter(reads[after])))
            else:
                walk.pop()
                if walk:
                    lowest[walk[-1][0]] = min(lowest[walk[-1][0]], lowest[node])
                found += _closed(node, path, reads) if lowest[node] == order[node] else []
    return found


def _closed(node: int, path: dict[int, None], reads: Mapping[int, Sequence[int]]) -> list[set[int]]:
    """The loop that begins with a node, whose members are taken off the path; none where it is alone."""
    loop = set[int]()
    while node not in loop:
        loop.add(path.popitem()[0])
    return [loop] if len(loop) > 1 or node in reads[node] else []
