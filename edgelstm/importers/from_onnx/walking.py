"""Follows the nodes of a graph: constants are computed, numbers of the recording are traced."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...errors import EdgeLSTMError, ModelFileError, UnsupportedModelError, printable
from ..graph.laying import side_by_side
from ..graph.tracing import Flow, Tracer, Value
from ..graph.wires import Ids
from .calls import Call
from .compared import only_compared
from .counting import counted
from .file import DEEPEST, File, Graph, Node, Reference
from .folding import FOLDS, bounded_inputs, largest
from .moving import MOVES
from .quantised import TAKES_LEVELS
from .sequences import SEQUENCES, Parts

#: The number of float16 among ONNX's types.
_FLOAT16 = 10

Handler = Callable[[Call], Sequence[Value]]


@dataclass(eq=False)
class Walk:
    """One pass over a file's graph. `handlers`: by domain and operator, what flows is given to; `met`: how many nodes were followed.

    Operators of the file's own format (`File.operators`) are given constants too. `lays`: whether a node that cannot be followed as it is
    is given all steps of a recording side by side.
    """

    file: File
    tracer: Tracer
    handlers: Mapping[tuple[str, str], Handler]
    notes: list[str] = field(default_factory=list)
    met: int = 0
    lays: bool = False
    _laid: dict[int, Ids] = field(default_factory=dict)
    _scopes: list[dict[str, Value]] = field(default_factory=list)
    _graphs: list[Graph] = field(default_factory=list)
    _compared: dict[Graph, frozenset[str]] = field(default_factory=dict)
    _attributes: list[Mapping[str, Any]] = field(default_factory=lambda: [{}])

    def run(self, graph: Graph, names: dict[str, Value]) -> list[Value]:
        """The outputs of a graph; `names`: what its inputs are."""
        if len(self._scopes) > DEEPEST:
            raise ModelFileError(f"nests graphs and functions deeper than {DEEPEST}.")
        self._scopes.append({**graph.constants, **names})
        self._graphs.append(graph)
        for node in graph.nodes:
            outputs = self._node(node)
            self.tracer.space.budget.take(str(node), operators=1, numbers=sum(map(_held, outputs)) if node.op != "Constant" else 0)
            for name, value in zip(node.outputs, outputs, strict=False):
                if name:
                    self._scopes[-1][name] = value
        found = [self._look(tensor.name, "the graph's output") for tensor in graph.outputs]
        self._scopes.pop()
        self._graphs.pop()
        return found

    inside = run

    def compares(self, node: Node) -> bool:
        """Whether all that the present graph makes of a node is a softmax or a maximum."""
        graph = self._graphs[-1]
        if graph not in self._compared:
            self._compared[graph] = only_compared(graph)
        return self._compared[graph].issuperset(node.outputs)

    def operator(self, node: Node, values: Sequence[Value | None]) -> Sequence[Value]:
        """What a node gives that stands in the place of the present one."""
        return self._outputs(node, list(values))

    def _look(self, name: str, place: str) -> Value:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        raise ModelFileError(f"{place} reads {printable(name, 80)!r}, which nothing before it makes; the file is damaged, export it again.")

    def _node(self, node: Node) -> Sequence[Value]:
        self.met += 1
        values = [self._look(name, str(node)) if name else None for name in node.inputs]
        before, self.tracer.place = self.tracer.place, str(node)
        try:
            return self._followed(node, values)
        except EdgeLSTMError:
            raise
        except (ValueError, IndexError, TypeError, KeyError, ZeroDivisionError, OverflowError, MemoryError, AttributeError) as problem:
            raise ModelFileError(f"{node}: its inputs and attributes do not fit together ({printable(problem, 160)}).") from None
        finally:
            self.tracer.place = before

    def _followed(self, node: Node, values: list[Value | None]) -> Sequence[Value]:
        """What a node gives; where that is refused, of all steps side by side."""
        try:
            return self._outputs(node, values)
        except UnsupportedModelError:
            laid = [None if value is None else self.side_by_side(value) for value in values]
            if not self.lays or len(self._graphs) > 1 or all(one is value for one, value in zip(laid, values, strict=True)):
                raise
        return self._outputs(node, laid)

    def side_by_side(self, value: Value) -> Value:
        """An array whose numbers, of whatever step, are those of the last one."""
        if not self.lays or not isinstance(value, Flow) or isinstance(value, Parts):
            return value
        ids = side_by_side(self.tracer, value.ids, self._laid)
        return value if ids is value.ids else replace(value, ids=ids)

    def _outputs(self, node: Node, values: list[Value | None]) -> Sequence[Value]:
        function = self.file.functions.get(("" if node.domain == "ai.onnx" else node.domain, node.op))
        if function is not None:
            return self._function(node, values, *function)
        call = Call(self._resolved(node), values, self.tracer, self, self.file.opsets.get(node.domain, 1))
        outputs = self._call(call)
        if call.unused:
            call.refuse(f"has the attribute {printable(', '.join(call.unused), 80)}, which edgelstm does not honour")
        return outputs

    def _call(self, call: Call) -> Sequence[Value]:
        node, op = call.node, call.node.op
        if _HALVES not in self.notes and _in_halves(call):
            self.notes.append(_HALVES)
        if (found := counted(call)) is not None:
            return found
        if (native := self.file.operators.get((node.domain, op))) is not None:
            return native(call)  # type: ignore[no-any-return]
        if node.domain == "ai.onnx" and op in _ANY:
            return _ANY[op](call)
        if any(isinstance(value, Parts) for value in call.values) and op not in ("Identity", "Loop"):
            call.refuse("computes with a sequence of arrays, which is not imported")
        if (node.domain, op) not in self.handlers and op not in MOVES and op not in FOLDS:
            raise UnsupportedModelError(f"{node}: the operator {printable(op, 60)} of {printable(node.domain, 60)} is not imported.")
        if op in FOLDS and not any(isinstance(value, Flow) for value in call.values):
            bounded_inputs(call)
            with np.errstate(all="ignore"):
                return [FOLDS[op](call, *call.values)]
        if op in MOVES and not isinstance(call.value(min(1, len(call.values) - 1)) if op == "Gather" else None, Flow):
            data = call.value(0)
            if isinstance(data, Flow):
                return [data] if isinstance(data, Parts) else [replace(data, ids=moved) for moved in MOVES[op](call, data.ids)]
            return list(MOVES[op](call, data))
        if (node.domain, op) not in self.handlers:
            call.refuse("is imported for constants only; here it depends on the recording")
        if op not in TAKES_LEVELS and any(isinstance(value, Flow) and value.levels is not None for value in call.values):
            call.refuse("computes with quantised numbers before anything turns them back, which is not imported")
        return self.handlers[node.domain, op](call)

    def _resolved(self, node: Node) -> Node:
        """The node with the attributes that stand for those of the function around it."""
        if not any(isinstance(value, Reference) for value in node.attributes.values()):
            return node
        given = self._attributes[-1]
        known = {name: given.get(value.name) if isinstance(value, Reference) else value for name, value in node.attributes.items()}
        kept = {name: value for name, value in known.items() if value is not None}
        return Node(node.op, node.domain, node.name, node.inputs, node.outputs, kept)

    def _function(self, node: Node, values: list[Value | None], graph: Graph, defaults: Mapping[str, Any]) -> list[Value]:
        names = {tensor.name: value for tensor, value in zip(graph.inputs, values, strict=False) if value is not None}
        self._attributes.append({**defaults, **self._resolved(node).attributes})
        outer, self._scopes = self._scopes, [{} for _ in self._scopes]
        try:
            return self.run(graph, names)
        finally:
            self._scopes = outer
            self._attributes.pop()


#: The note on a graph that computes in float16.
_HALVES = "The file computes in float16, edgelstm in float32 with its weights; a runtime that rounds to float16 differs by some 0.001."


def _in_halves(call: Call) -> bool:
    """Whether a node computes with numbers of the recording in float16: with constants of it, or turned to it."""
    flows = any(isinstance(value, Flow) for value in call.values)
    if flows and call.node.op == "Cast":
        return call.node.attributes.get("to") == _FLOAT16
    return flows and any(isinstance(value, np.ndarray) and value.dtype == np.float16 for value in call.values)


def _shape(call: Call) -> list[Value]:
    shape = np.array(call.value(0).shape, np.int64)
    return [shape[slice(call.attribute("start", 0), call.attribute("end"))]]


def _size(call: Call) -> list[Value]:
    return [np.array(np.prod(call.value(0).shape), np.int64)]


#: Operators that are given constants and what flows alike.
_ANY: Mapping[str, Handler] = {"Shape": _shape, "Size": _size, "TopK": largest, **SEQUENCES}


def _held(value: Value | None) -> int:
    """The numbers of an array that are its own; a view of another's has none."""
    array = value.ids if isinstance(value, Flow) else value
    return array.size if array is not None and array.base is None else 0
