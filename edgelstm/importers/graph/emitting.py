"""Expressions that an output needs, in order, as layer records."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import UnsupportedModelError
from ...layers import RECORDS, record_of
from ...layers.feedforward import Activation, Add, Dense, Normalizer
from ...layers.order import INPUT
from ...layers.record import Layer
from ...layers.window import Window
from .cell_states import cell_state, cell_wires
from .cells import Cells
from .cropping import without_windows
from .delays import Taps, taps
from .expressions import Affine, Apply, Cell, Combine, Constant, Expression, Floats, Input, Last, Made, Scale, State, spread
from .rounding import ROUNDING
from .wires import MOST_WEIGHTS, Ids, NoCell, Space, Wire, distinct

#: What is left to do with a loop of another cell: graphs of so many steps have no loop.
_WINDOW = "exported over windows of a fixed length, as .pt2 or ONNX, its steps are computed at once and answer with the last of them"

#: Most pieces of other layers' outputs that a layer reads as slices; of more the numbers are taken one by one.
_MOST_PIECES = 4


def layer(name: str, place: str, **fields: Any) -> Layer:
    """A record by its name; refused by that name where this version has none such.

    Raises
    ------
    UnsupportedModelError
    """
    if name not in RECORDS:
        raise UnsupportedModelError(f"{place}: needs a layer {name}, which this version of edgelstm does not have.")
    return record_of(RECORDS[name])(**fields)


@dataclass(eq=False)
class Emitter:
    """Makes the layers of a network from its wires."""

    space: Space
    layers: list[Layer] = field(default_factory=list)
    _names: dict[int, str] = field(default_factory=dict)
    _pieces: dict[tuple[int, int, int], str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _joins: dict[tuple[str, ...], str] = field(default_factory=dict)
    _gathers: dict[tuple[tuple[int, ...], bytes], str] = field(default_factory=dict)
    _windows: dict[tuple[int, int], Wire] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)

    def emit(self, refs: Ids, place: str) -> list[Layer]:
        """The layers whose last one gives `refs`, in order."""
        sources = self._needed(refs)
        for index in sorted(sources):
            self._make(index, sources)
        self._end(self._read(refs, place))
        self.layers[:] = without_windows(self.layers)
        self._begin()
        return self.layers

    def _end(self, names: tuple[str, ...]) -> None:
        """Put a layer last that gives what several give."""
        if not self.layers or names != (self.layers[-1].name,):
            self._add(self._joined(), names)

    def _make(self, index: int, sources: dict[int, Expression]) -> None:
        """Make the layer of a wire, behind those that it reads by way of states."""
        if index in self._names:
            return
        if index in self._open:
            raise NoCell(f"{sources[index].place}: {State.why_not}{self._within(sources)}; {_WINDOW}.")
        self._open.add(index)
        for before in self._before(sources[index]):
            self._make(before, sources)
        self._names[index] = self._layer(self.space.wires[index], sources[index])

    def _within(self, sources: dict[int, Expression]) -> str:
        """Which layers stand in a loop that is no cell, and what to do."""
        made = [sources[index] for index in sorted(self._open)]
        kinds = dict.fromkeys(type(one.record).__name__ for one in made if isinstance(one, Made))
        if not kinds:
            return ""
        way = ""
        if any("Norm" in kind for kind in kinds):
            way = "; cells that normalise are imported in the forms that edgelstm.LSTM and edgelstm.GRU document under norm"
        elif any(isinstance(one, Made) and isinstance(one.record, ROUNDING) for one in made):
            way = "; if it was made of a file of float32 weights, convert that one"
        return f" ({', '.join(kinds)} within the loop{way})"

    def _before(self, source: Expression) -> list[int]:
        """The wires that an expression reads, by way of states too, by index."""
        found: set[int] = set()
        for refs in source.operands():
            found.update(distinct(self.space.places(self._taps(refs, source.place).present).wire).tolist() if refs.size else ())
        return sorted(found)

    def _needed(self, refs: Ids) -> dict[int, Expression]:
        """By wire, the expressions to make: those of cells with the layers that they are."""
        found: dict[int, Expression] = {}
        waiting = [refs]
        while waiting:
            for index in np.unique(self.space.places(waiting.pop()).wire):
                if int(index) not in found:
                    found[int(index)] = source = self._source(int(index))
                    waiting += [self._taps(operand, source.place).present for operand in source.operands()]
        return found

    def _source(self, index: int) -> Expression:
        """What makes a wire: the layer that it is, where it is a cell."""
        wire = self.space.wires[index]
        return Cells(self.space).match(wire) or cell_state(self.space, wire) or wire.source

    def _taps(self, refs: Ids, place: str) -> Taps:
        """What stands behind `refs`."""
        return taps(self.space, refs, place)

    def _layer(self, wire: Wire, source: Expression) -> str:
        """The name of the layer that makes a wire, which is added if it is new."""
        place = source.place
        if isinstance(source, Input):
            return INPUT
        if isinstance(source, Made):
            record = source.check() if source.check else source.record
            if not source.weight:
                return self._add(record, tuple(n for reads in source.reads for n in self._read(reads, place)))
            names, weight = self._read_weighted(source.reads[0], getattr(record, source.weight), place)
            names += tuple(n for reads in source.reads[1:] for n in self._read(reads, place))
            return self._add(_with(record, source.weight, weight), names)
        if isinstance(source, Affine):
            return self._weighted(wire, source)
        if isinstance(source, Scale):
            return self._add(_scale(source), self._read(source.refs, place))
        if isinstance(source, Apply) and source.word == "erf":
            raise UnsupportedModelError(f"{place}: computes the error function, which is imported as a part of GELU alone.")
        if isinstance(source, Apply):
            return self._add(Activation(source.word), self._read(source.refs, place))
        if isinstance(source, Combine):
            return self._combine(source)
        if isinstance(source, Last):
            names = tuple(n for reads in source.reads for n in self._read(reads, place))
            ends = ["first" if first else "last" for first in source.firsts]
            return self._add(layer("Last", place, inputs=names, ends=ends), names)
        if isinstance(source, Cell) and source.reads:
            for made in cell_wires(self.space, source):
                self._names[made.index] = self._layer(made, made.source)
            return self._names[made.index]
        if isinstance(source, Constant):
            return self._add(Dense(np.zeros((wire.width, self._input_width())), source.values), (INPUT,))
        raise (NoCell if isinstance(source, State) else UnsupportedModelError)(f"{place}: {source.why_not}.")

    def _weighted(self, wire: Wire, source: Affine) -> str:
        """A Dense layer, or a convolution along time where earlier steps are read."""
        present, delays, kept = self._taps(source.refs, source.place)
        if not delays.any():
            names, weight = self._read_weighted(present, source.weight, source.place)
            return self._add(Dense(weight, source.bias), names)
        numbers, place_of = np.unique(present, return_inverse=True)
        rows = int(delays.max()) + 1
        if kept.any() and (kept != delays).any():
            raise UnsupportedModelError(f"{source.place}: reads earlier steps and a state that holds one, which is not imported.")
        if len(source.weight) * numbers.size * rows > MOST_WEIGHTS:
            raise UnsupportedModelError(f"{source.place}: reads {numbers.size} numbers of {rows} steps, more than is imported.")
        kernel = np.zeros((len(source.weight), numbers.size, rows))
        for column, (number, delay) in enumerate(zip(place_of.tolist(), delays.tolist(), strict=True)):
            kernel[:, number, rows - 1 - delay] += source.weight[:, column]
        spread_out = [self._read_weighted(numbers, kernel[:, :, tap], source.place) for tap in range(rows)]
        weight = np.stack([columns for _, columns in spread_out], axis=2)
        padding = "valid" if source.full and wire.steps > 1 and not kept.any() else "causal"
        return self._add(layer("Conv1D", source.place, weight=weight, bias=source.bias, padding=padding), spread_out[0][0])

    def _combine(self, source: Combine) -> str:
        names = []
        for refs in (source.left, source.right):
            read = self._read(refs, source.place)
            names.append(self._one(read))
        if source.operation == "add":
            return self._add(Add(inputs=tuple(names)), tuple(names))
        return self._add(layer("Mul", source.place, inputs=tuple(names)), tuple(names))

    def _one(self, names: tuple[str, ...]) -> str:
        """One layer that gives what several give."""
        if len(names) > 1 and names not in self._joins:
            self._joins[names] = self._add(self._joined(), names)
        return names[0] if len(names) == 1 else self._joins[names]

    def _joined(self) -> Layer:
        return record_of("concat")() if "Concat" in RECORDS else Activation("linear")

    def _add(self, record: Layer, inputs: tuple[str, ...]) -> str:
        count = self._counts.get(record.kind, 0)
        self._counts[record.kind] = count + 1
        name = f"{record.kind}{count}"
        self.layers.append(replace(record, name=name, inputs=inputs))
        return name

    def _recent(self, refs: Ids, place: str) -> Ids:
        """`refs` with those of wires that are read at earlier steps, too, in windows over these wires instead."""
        found, back, _ = self._taps(refs, place)
        at = self.space.places(found)
        for index in np.unique(at.wire[back > 0]):
            mine = at.wire == index
            rows = int(back[mine].max()) + 1
            window = self._window(self.space.wires[index], rows, place)
            width = self.space.wires[index].width
            found[mine] = self.space.last(window)[(rows - 1 - back[mine]) * width + at.number[mine]]
        return found

    def _window(self, wire: Wire, rows: int, place: str) -> Wire:
        """The last `rows` rows of a wire side by side, the oldest first."""
        key = (wire.index, rows)
        if key not in self._windows:
            made = self.space.allocate(Made(place, Window(rows), [self.space.last(wire)]), wire.steps, rows * wire.width)
            self._windows[key] = made
            self._names[made.index] = self._layer(made, made.source)
        return self._windows[key]

    def _runs(self, refs: Ids) -> list[tuple[Wire, int, int]]:
        """`refs` as pieces of wires: (wire, start, stop), one after the other."""
        at = self.space.places(refs)
        breaks = np.flatnonzero((np.diff(at.wire) != 0) | (np.diff(at.number) != 1)) + 1
        bounds = [0, *breaks.tolist(), refs.size]
        return [(self.space.wires[at.wire[a]], int(at.number[a]), int(at.number[b - 1]) + 1) for a, b in pairwise(bounds)]

    def _read(self, refs: Ids, place: str) -> tuple[str, ...]:
        """Names of layers that together give `refs`, in order."""
        refs = self._recent(refs, place)
        runs = self._runs(refs)
        if sum((start, stop) != (0, wire.width) for wire, start, stop in runs) > _MOST_PIECES:
            return (self._gathered(refs),)
        return tuple(self._piece(wire, start, stop, place) for wire, start, stop in runs)

    def _gathered(self, refs: Ids) -> str:
        """The name of a layer that takes `refs` one by one."""
        at = self.space.places(refs)
        read = list(dict.fromkeys(at.wire.tolist()))
        starts = dict(zip(read, np.cumsum([0, *self.space.widths(np.array(read))]).tolist(), strict=False))
        indices = np.array([starts[wire] for wire in at.wire.tolist()]) + at.number
        key = (tuple(read), indices.tobytes())
        if key not in self._gathers:
            self._gathers[key] = self._add(layer("Gather", "the graph", indices=indices), tuple(map(self._called, read)))
        return self._gathers[key]

    def _piece(self, wire: Wire, start: int, stop: int, place: str) -> str:
        if (start, stop) == (0, wire.width):
            return self._called(wire.index)
        key = (wire.index, start, stop)
        if key not in self._pieces:
            self._pieces[key] = self._add(layer("Slice", place, start=start, stop=stop), (self._called(wire.index),))
        return self._pieces[key]

    def _called(self, index: int) -> str:
        """The name of the layer that gives a wire."""
        return self._names[index]

    def _read_weighted(self, refs: Ids, weight: Floats, place: str) -> tuple[tuple[str, ...], Floats]:
        """Names of layers, and `weight` (rows, refs) with its columns in their order; numbers not read get zeros."""
        refs = self._recent(refs, place)
        runs = self._runs(refs)
        names, parts = [], []
        at = self.space.places(refs)
        for wire in dict.fromkeys(wire for wire, _, _ in runs):
            mine = at.wire == wire.index
            for low, high in _spans(wire, at.number[mine]):
                within = mine & (low <= at.number) & (at.number < high)
                names.append(self._piece(wire, low, high, place))
                parts.append(spread(weight[:, within], at.number[within] - low, high - low))
        return tuple(names), parts[0] if len(parts) == 1 else np.hstack(parts)

    def _input_width(self) -> int:
        return next(wire.width for wire in self.space.wires if isinstance(wire.source, Input))

    def _begin(self) -> None:
        """Put a layer first that tells the input's width, where no other does."""
        readers = [one for one in self.layers if INPUT in one.inputs]
        if any(one.inputs == (INPUT,) and one.input_width is not None for one in readers):
            return
        width = self._input_width()
        if any(one.takes_index for one in self.layers):
            if max((getattr(one, "stop", 0) for one in readers), default=0) < width:
                raise UnsupportedModelError("its last input is read by nothing, and the others are indices; export the model without it.")
            return
        name = "samples"
        first = Normalizer(np.zeros(width), np.ones(width), name=name, inputs=(INPUT,))
        rest = [replace(one, inputs=tuple(name if i == INPUT else i for i in one.inputs)) for one in self.layers]
        self.layers[:] = [first, *rest]


def _with(record: Layer, name: str, value: Any) -> Layer:
    fields: dict[str, Any] = {name: value}
    return replace(record, **fields)


def _spans(wire: Wire, numbers: Ids) -> list[tuple[int, int]]:
    """Parts of a wire that hold `numbers`: few, with others between, but where some of the model's inputs may be indices."""
    if isinstance(wire.source, Input) and wire.source.whole:
        ordered = np.unique(numbers)
        runs = np.split(ordered, np.flatnonzero(np.diff(ordered) != 1) + 1)
        return [(int(run[0]), int(run[-1]) + 1) for run in runs]
    low, high = int(numbers.min()), int(numbers.max()) + 1
    return [(0, wire.width) if 2 * (high - low) >= wire.width else (low, high)]


def _scale(source: Scale) -> Layer:
    if "BatchNorm" in RECORDS:
        return layer("BatchNorm", source.place, scale=source.scale, offset=source.offset)
    if not source.scale.all():
        raise UnsupportedModelError(f"{source.place}: multiplies numbers by zero.")
    return Normalizer(-source.offset / source.scale, 1 / source.scale)
