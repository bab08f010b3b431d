"""WHILE and IF: a loop over the steps of a recording becomes ONNX's Loop, whose body is one step; others stand in place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...errors import ModelFileError
from ..from_onnx.file import Graph as Body
from ..from_onnx.file import Tensor as Name
from ..from_onnx.writer import Ref, Writer
from .file import Graph, Operator, Tensor
from .hybrid import LEVELS
from .levels import LevelScope, in_levels
from .moving import DOMAIN
from .scope import DEEPEST, Handler, Scope
from .variables import called


def needed(graph: Graph, outputs: Sequence[Tensor]) -> Graph:
    """The graph with those operators alone that `outputs` need."""
    wanted, kept = set(outputs), []
    for operator in reversed(graph.operators):
        if wanted & set(operator.outputs) or not operator.outputs:
            kept.append(operator)
            wanted |= {tensor for tensor in operator.inputs if tensor is not None}
    return Graph(graph.inputs, tuple(outputs), tuple(reversed(kept)))


@dataclass(eq=False)
class _Loop:
    """A WHILE operator taken apart: which variables stay as they are, count iterations, or gather what these give."""

    scope: Scope
    operator: Operator
    condition: Graph
    body: Graph
    makers: dict[Tensor, Operator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.operator.inputs)
        sides = (self.operator.outputs, self.body.inputs, self.body.outputs, self.condition.inputs)
        if any(len(side) != count for side in sides) or len(self.condition.outputs) != 1:
            raise ModelFileError(f"{self.scope.writer.place}: its graphs take other variables than it has; the file is damaged.")
        self.makers = {tensor: operator for operator in self.body.operators for tensor in operator.outputs}
        self.kept = [a is b for a, b in zip(self.body.inputs, self.body.outputs, strict=True)]
        self.counters = [index for index in range(count) if self._is_counter(index)]
        self.trips = self._trips(self.condition.outputs[0])
        self.gathered = {index: row for index in range(count) if (row := self._gathers(index)) is not None}

    def _is_counter(self, index: int) -> bool:
        """Whether a variable is one more in each iteration."""
        tensor, maker = self.body.inputs[index], self.makers.get(self.body.outputs[index])
        if tensor.type not in ("int32", "int64") or self.kept[index] or any(n != 1 for n in tensor.shape):
            return False
        begin = self.scope.known(self.operator.operand(index))
        if maker is None or maker.kind != "ADD" or tensor not in maker.inputs or begin is None:
            self.scope.refuse(f"its whole number {tensor} is no count of iterations")
        other = maker.operand(1 if maker.operand(0) is tensor else 0)
        if other.data is None or other.data.size != 1 or other.data.item() != 1:
            self.scope.refuse(f"its count {tensor} grows by something else than 1")
        return True

    def _trips(self, tensor: Tensor) -> int | None:
        """How often the loop runs; None where the file leaves it open."""
        maker = next((o for o in self.condition.operators if tensor in o.outputs), None)
        if maker is not None and maker.kind == "LOGICAL_AND":
            found = [n for index in (0, 1) if (n := self._trips(maker.operand(index))) is not None]
            return min(found, default=None)
        place = {one: index for index, one in enumerate(self.condition.inputs)}
        if maker is None or maker.kind != "LESS" or place.get(maker.operand(0)) not in self.counters:
            self.scope.refuse("its condition is none that compares a count of iterations with their number, which alone is imported")
        begin, limit = self.scope.known(self.operator.operand(place[maker.operand(0)])), maker.operand(1)
        most = limit.data
        if most is None and limit in place and self.kept[place[limit]]:
            outer = self.operator.operand(place[limit])
            most = self.scope.known(outer)
            if most is None and self._from_shape(outer):
                return None
        if most is None or most.size != 1 or begin is None or begin.size != 1:
            self.scope.refuse(f"the number of its iterations, {limit}, is computed in the graph")
        return int(most.item()) - int(begin.item())

    def _from_shape(self, tensor: Tensor) -> bool:
        """Whether a number is read from the shape of an array."""
        for _ in range(8):
            maker = self.scope.maker(tensor)
            if maker is None or maker.kind == "SHAPE":
                return maker is not None
            tensor = maker.operand(0)
        return False

    def _gathers(self, index: int) -> Tensor | None:
        """The row that each iteration puts into an array at its own number; None where a variable is none such."""
        before, maker = self.body.inputs[index], self.makers.get(self.body.outputs[index])
        if maker is None or not before.shape:
            return None
        row = None
        if maker.kind == "DYNAMIC_UPDATE_SLICE" and maker.operand(0) is before and self._counts(maker.operand(2), 0):
            row = maker.operand(1)
        elif maker.kind == "CONCATENATION" and len(maker.inputs) == 3 and maker.options.number(0, "i") == 0:
            first, last = (self.makers.get(maker.operand(place)) for place in (0, 2))
            if first is None or last is None or {first.kind, last.kind} != {"SLICE"}:
                return None
            if any(one.operand(0) is not before for one in (first, last)):
                return None
            if not self._counts(first.operand(2), 0) or not self._counts(last.operand(1), 1):
                self.scope.refuse(f"it puts rows into {before} at other places than the iteration's own")
            row = maker.operand(1)
        if row is None:
            return None
        if row.shape[:1] != (1,) or (self.trips is not None and before.shape[0] != self.trips):
            self.scope.refuse(f"it puts rows of shape {row.shape} into {before} in {self.trips} iterations")
        return row

    def _counts(self, tensor: Tensor, offset: int) -> bool:
        """Whether the first number of a vector is the count of iterations, plus `offset`."""
        ends = self.body.outputs if offset else self.body.inputs
        for _ in range(8):
            if any(tensor is ends[index] for index in self.counters):
                return True
            maker = self.makers.get(tensor)
            if maker is None or maker.kind not in ("RESHAPE", "CONCATENATION", "PACK", "EXPAND_DIMS"):
                return False
            tensor = maker.operand(0)
        return False

    def check_rows(self) -> None:
        """Every array that is read row by row must have as many rows as there are iterations."""
        place = {one: index for index, one in enumerate(self.body.inputs)}
        for operator in self.body.operators:
            if operator.kind == "GATHER" and operator.operand(0) in place and self._counts(operator.operand(1), 0):
                data = self.operator.operand(place[operator.operand(0)])
                axis = operator.options.number(0, "i")
                if self.trips is not None and data.shape[axis : axis + 1] != (self.trips,) and axis not in data.dynamic:
                    self.scope.refuse(f"it runs {self.trips} times over {data}; edgelstm imports loops over all steps of a recording")


def _inner(s: Scope, index: int, graph: Graph, writer: Writer) -> Scope:
    if index == 0 or index in s.inside or len(s.inside) >= DEEPEST:
        raise ModelFileError(f"{s.writer.place}: calls a graph that calls itself, or graphs nested deeper than {DEEPEST}.")
    whole = next((tensor for tensor in graph.inputs if tensor.type in LEVELS and tensor.scale.size), None)
    if whole is not None and not s.shared.near:
        s.refuse(f"it takes {whole.type}, {whole}, into a loop or branch, where whole numbers are not imported")
    quotients = s.quotients if writer is s.writer else {}
    return type(s)(graph, s.shared, writer, (*s.inside, index), quotients=quotients)


def _in_place(s: Scope, index: int, graph: Graph, given: Sequence[Ref], handlers: Mapping[str, Handler]) -> list[Ref]:
    """The outputs of a graph that runs once."""
    place, inner = s.writer.place, _inner(s, index, graph, s.writer)
    inner.values.update(zip(graph.inputs, given, strict=True))
    inner.follow(handlers)
    found = [inner.written(inner.given(tensor)) for tensor in graph.outputs]
    s.writer.place = place
    return found


def _while(s: Scope, operator: Operator, handlers: Mapping[str, Handler]) -> Sequence[Ref]:
    condition, index = operator.options.number(0, "i"), operator.options.number(1, "i")
    loop = _Loop(s, operator, called(s, condition), called(s, index))
    given = [s.ref(operator, place) for place in range(len(operator.inputs))]
    ends = [loop.gathered.get(place, tensor) for place, tensor in enumerate(loop.body.outputs)]
    body = needed(loop.body, ends)
    if loop.trips == 1:
        return _in_place(s, index, body, given, handlers)
    if loop.trips is not None and loop.trips < 1:
        s.refuse(f"it runs {loop.trips} times")
    loop.check_rows()
    return _written(s, loop, index, body, given, handlers)


def _written(s: Scope, loop: _Loop, index: int, body: Graph, given: list[Ref], handlers: Mapping[str, Handler]) -> list[Ref]:
    """A Loop node, and what the variables of the WHILE operator are behind it."""
    writer = Writer(numbers=s.writer.numbers)
    inner = _inner(s, index, body, writer)
    bound = [kept and ref.name in s.writer.constants for kept, ref in zip(loop.kept, given, strict=True)]
    carried = [place for place in range(len(given)) if place not in loop.gathered and not bound[place]]
    for place, (tensor, ref) in enumerate(zip(body.inputs, given, strict=True)):
        if bound[place]:
            inner.values[tensor] = writer.constant(s.writer.constants[ref.name])
        elif place in carried:
            inner.values[tensor] = Ref(f"carried:{place}", len(tensor.shape))
    inner.follow(handlers)
    order = [*carried, *loop.gathered]
    ends = [inner.written(inner.given(body.outputs[place])).name for place in order]
    inputs = [Name(name, None, "") for name in ("iteration", "running", *(f"carried:{place}" for place in carried))]
    graph = Body(tuple(inputs), tuple(Name(name, None, "") for name in ("running", *ends)), tuple(writer.nodes), dict(writer.constants))
    ranks = [given[place].rank + (place in loop.gathered) for place in order]
    trips = None if loop.trips is None else s.writer.constant(np.array(loop.trips))
    refs = s.writer.several("Loop", [trips, None, *(given[place] for place in carried)], len(order), ranks, body=graph)
    found = dict(zip(order, refs, strict=True))
    for place in loop.gathered:
        found[place] = s.writer.one("Squeeze", found[place], s.writer.ints([1]), rank=given[place].rank)
    return [found.get(place, ref) for place, ref in enumerate(given)]


def _if(s: Scope, operator: Operator, handlers: Mapping[str, Handler]) -> Sequence[Ref]:
    """One graph where the condition is constant; else both, of which the condition chooses."""
    chosen = s.known(operator.operand(0))
    given = [s.ref(operator, place) for place in range(1, len(operator.inputs))]
    found = []
    for place in (0, 1) if chosen is None else (0,) if chosen.all() else (1,):
        index = operator.options.number(place, "i")
        graph = called(s, index)
        if len(given) != len(graph.inputs):
            raise ModelFileError(f"{s.writer.place}: its graph takes {len(graph.inputs)} arrays; the file is damaged.")
        found.append(_in_place(s, index, graph, given, handlers))
    if len(found) == 1:
        return found[0]
    if len(found[0]) != len(found[1]):
        raise ModelFileError(f"{s.writer.place}: its graphs give {len(found[0])} and {len(found[1])} arrays; the file is damaged.")
    condition = s.ref(operator, 0)
    return [s.writer.native("IF", DOMAIN, [condition, a, b], a.rank) for a, b in zip(*found, strict=True)]


def control(handlers: dict[str, Handler]) -> dict[str, Handler]:
    """WHILE and IF, whose graphs are written by `handlers`."""
    return {"WHILE": _inside(_while, handlers), "IF": _inside(_if, handlers)}


def _inside(write: Callable[[Scope, Operator, Mapping[str, Handler]], Sequence[Ref]], handlers: dict[str, Handler]) -> Handler:
    """What writes an operator and the graphs that it calls, these as the graph around them is written."""
    return lambda s, operator: write(s, operator, in_levels(handlers) if isinstance(s, LevelScope) else handlers)
