"""Variables that outlive a call: states of the stream. An input of the written graph is what one holds, an output what it becomes."""

from collections.abc import Sequence

from ..from_onnx.writer import Ref
from .file import Graph, Operator, Tensor
from .scope import Handler, Scope, numbers


def _name(operator: Operator) -> str:
    return "/".join(part for part in (operator.options.text(0), operator.options.text(1)) if part)


def _handle(s: Scope, operator: Operator) -> Sequence[Ref]:
    s.handles[operator.outputs[0]] = _name(operator)
    return []


def _variable(s: Scope, operator: Operator) -> str:
    tensor = operator.operand(0)
    if tensor not in s.handles:
        s.refuse(f"its variable {tensor} comes from no VAR_HANDLE before it")
    if s.inside:
        s.refuse("it is inside a loop or branch; a variable there is not imported")
    return s.handles[tensor]


def _read(s: Scope, operator: Operator) -> Ref:
    name = _variable(s, operator)
    if name not in s.shared.variables:
        tensor = operator.outputs[0]
        s.shared.inputs[name] = tensor
        s.shared.variables[name] = Ref(f"variable {name}", len(tensor.shape))
    return s.shared.variables[name]


def _assign(s: Scope, operator: Operator) -> Sequence[Ref]:
    s.shared.variables[_variable(s, operator)] = s.ref(operator, 1)
    return []


def _once(s: Scope, operator: Operator) -> Sequence[Ref]:
    """A graph that runs before the first call, and gives variables their first values."""
    handles: dict[Tensor, str] = {}
    for inner in called(s, operator.options.number(0, "i")).operators:
        if inner.kind == "VAR_HANDLE":
            handles[inner.outputs[0]] = _name(inner)
        elif inner.kind == "ASSIGN_VARIABLE" and inner.operand(0) in handles:
            values = numbers(inner.operand(1))
            if values is None:
                s.refuse(f"the variable {handles[inner.operand(0)]!r} begins as a number that is computed, which is not imported")
            s.shared.initial[handles[inner.operand(0)]] = values
        else:
            s.refuse(f"it runs {inner} before the first call; edgelstm imports variables that begin as constants")
    return []


def called(s: Scope, index: int) -> Graph:
    """A graph by its number."""
    if not 0 <= index < len(s.shared.graphs):
        s.refuse(f"it calls the graph of number {index}; the file holds {len(s.shared.graphs)}")
    return s.shared.graphs[index]


#: By operator.
VARIABLES: dict[str, Handler] = {"VAR_HANDLE": _handle, "READ_VARIABLE": _read, "ASSIGN_VARIABLE": _assign, "CALL_ONCE": _once}
