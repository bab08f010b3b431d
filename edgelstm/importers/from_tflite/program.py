"""A TensorFlow Lite file of any form as a graph of ONNX's operators: inputs, states, and operators one by one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import ModelFileError, UnsupportedModelError
from ..from_onnx.calls import Call
from ..from_onnx.choosing import either
from ..from_onnx.file import File, Node
from ..from_onnx.file import Graph as Written
from ..from_onnx.file import Tensor as Signature
from ..from_onnx.writer import OPSET, Ref, Writer
from ..graph.tracing import Value
from .arithmetic import ARITHMETIC, any_of, unit_normalization
from .blocks import BLOCKS
from .file import Graph, Tensor
from .hybrid import flows
from .levels import LevelScope, in_levels, requantize, round_all, round_rows, settled, take_inputs
from .loops import control
from .memory_filters import FILTERS
from .moving import DOMAIN, MOVING, sliced, strided_slice
from .recurrent import RECURRENT, recurrent
from .scope import Handler, Scope, Shared
from .sliding import SLIDING
from .variables import VARIABLES

#: Who writes each operator.
_WRITERS: dict[str, Handler] = {**ARITHMETIC, **MOVING, **SLIDING, **RECURRENT, **VARIABLES, **BLOCKS, **FILTERS}
_WRITERS |= control(_WRITERS)

#: Who follows nodes that ONNX has not.
_NATIVE: Mapping[tuple[str, str], Callable[[Call], list[Value]]] = {
    (DOMAIN, "STRIDED_SLICE"): strided_slice,
    (DOMAIN, "SLICE"): sliced,
    (DOMAIN, "UNIT_NORMALIZATION"): unit_normalization,
    (DOMAIN, "RECURRENT"): recurrent,
    (DOMAIN, "ANY"): any_of,
    (DOMAIN, "REQUANTIZE"): requantize,
    (DOMAIN, "ROUND_ROWS"): round_rows,
    (DOMAIN, "ROUND_ALL"): round_all,
    (DOMAIN, "IF"): lambda call: [either(call, *(call.value(index) for index in range(3)))],
}

_DTYPES = {"float32": "float", "float16": "float", "float64": "float", "int32": "int", "int64": "int", "bool": "bool"}


#: The note on a file that is not computed exactly.
NEAR = (
    "The file computes in whole numbers, edgelstm in float32 with the numbers that they stand for: answers differ by what TensorFlow Lite "
    "rounds, mostly some thousandths. Weights in float16 or float32 are exact."
)


def program(graph: Graph, *, exact: bool = False, near: bool = False) -> tuple[File, list[str]]:
    """The main graph of a file, written as nodes of ONNX, and notes for the user.

    Parameters
    ----------
    graph
    exact : bool
        Whether whole numbers are computed as such; otherwise there must be none, unless `near`.
    near : bool
        Whether whole numbers are computed as the numbers that they stand for.

    Raises
    ------
    UnsupportedModelError
        Naming the first operator that is not imported.
    ModelFileError
        If parts of the file do not fit together.
    """
    shared = Shared((graph, *graph.others), near)
    scope = LevelScope(graph, shared, Writer()) if exact else Scope(graph, shared, Writer())
    wide = next((tensor for tensor in graph.inputs if tensor.scale.size and not flows(tensor)), None)
    if wide is not None and not near:
        raise UnsupportedModelError(f"holds the input {wide} of {wide.type}, whose levels are not computed with exactly.")
    inputs = _inputs(scope)
    if isinstance(scope, LevelScope):
        take_inputs(scope)
        scope.follow(in_levels(_WRITERS))
        settled(scope)
        if any(flows(tensor) for operator in graph.operators for tensor in operator.outputs):
            shared.note(
                "The file computes in whole numbers, and so does edgelstm; samples and answers are the numbers that they stand for."
            )
    else:
        scope.follow(_WRITERS)
    outputs: dict[str, Ref] = {}
    for index, tensor in enumerate(graph.outputs):
        outputs[_unused(tensor.name or f"output {index}", {*outputs, *inputs})] = scope.written(scope.given(tensor))
    return _file(scope, inputs, outputs), shared.notes


def _inputs(scope: Scope) -> dict[str, Signature]:
    found: dict[str, Signature] = {}
    for index, tensor in enumerate(scope.graph.inputs):
        if tensor in scope.values:
            raise ModelFileError(f"names its input {tensor} twice; the file is damaged, convert it again.")
        name = _unused(tensor.name or f"input {index}", found)
        scope.values[tensor] = Ref(name, len(tensor.shape))
        found[name] = Signature(name, _shape(tensor), _dtype(tensor))
    return found


def _unused(name: str, taken: Any) -> str:
    return name if name not in taken else next(f"{name} ({n})" for n in range(2, len(taken) + 3) if f"{name} ({n})" not in taken)


def _dtype(tensor: Tensor) -> str:
    return "float" if tensor.scale.size else _DTYPES.get(tensor.type, "other")


def _shape(tensor: Tensor) -> tuple[int | str, ...]:
    """Axes whose length is open by name: the first of several is the batch, of which there is one."""
    return tuple("time" if axis in tensor.dynamic and axis else n for axis, n in enumerate(tensor.shape))


def _file(scope: Scope, inputs: dict[str, Signature], outputs: dict[str, Ref]) -> File:
    """The written graph: with the variables that the outputs need, and without operators that no one needs."""
    shared, names = scope.shared, {name: ref.name for name, ref in outputs.items()}
    states, nodes = [], _needed(scope.writer.nodes, list(names.values()))
    while new := [v for v in shared.inputs if v not in states and any(f"variable {v}" in node.inputs for node in nodes)]:
        states += new
        nodes = _needed(scope.writer.nodes, [*names.values(), *(scope.written(shared.variables[v]).name for v in states)])
    signatures = list(inputs.values())
    for variable in states:
        name, tensor = f"variable {variable}", shared.inputs[variable]
        names[f"{name} after"] = shared.variables[variable].name
        signatures.append(Signature(name, tensor.shape, "float", f"{name} after", shared.initial.get(variable)))
    ends = [Node("Identity", "ai.onnx", name, (inside,), (name,), {}) for name, inside in names.items()]
    made = [output for node in (*nodes, *ends) for output in node.outputs]
    if len(set(made) | set(inputs)) != len(made) + len(inputs):
        raise ModelFileError("calls an input or output as edgelstm calls a tensor inside; rename it.")
    shapes = dict(zip(outputs, map(_shape, scope.graph.outputs), strict=True))
    answers = tuple(Signature(name, shapes.get(name), "float") for name in names)
    graph = Written(tuple(signatures), answers, (*nodes, *ends), dict(scope.writer.constants))
    return File(graph, {}, {"ai.onnx": OPSET, DOMAIN: 1}, "TensorFlow Lite", _NATIVE)


def _needed(nodes: Sequence[Node], names: Sequence[str]) -> list[Node]:
    """The nodes that tensors of these names need."""
    wanted, kept = set(names), []
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            kept.append(node)
            wanted |= set(node.inputs)
    return kept[::-1]
