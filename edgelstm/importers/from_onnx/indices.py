"""Indices as exporters write them around a look-up: ``x < 0 ? x + rows : x``, clipped, or cast of an input that is a float, which are x
itself for all rows of the table.

Keras 3 counts negative indices from the end, as NumPy does, and its inputs are floats by default; a stream takes whole numbers from 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .file import Graph, Node

#: What an expression of an index may be made of, element by element.
_FUNCTIONS: dict[str, Callable[..., NDArray[Any]]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Equal": np.equal,
    "Not": np.logical_not,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Where": np.where,
    "Max": lambda *arrays: np.max(np.broadcast_arrays(*arrays), axis=0),
    "Min": lambda *arrays: np.min(np.broadcast_arrays(*arrays), axis=0),
    "Identity": np.asarray,
    "Cast": lambda data: np.asarray(data, np.int64),
}

#: What TensorFlow calls them.
_ALSO = {
    "AddV2": "Add",
    "Select": "Where",
    "SelectV2": "Where",
    "Maximum": "Max",
    "Minimum": "Min",
    "LessEqual": "LessOrEqual",
    "GreaterEqual": "GreaterOrEqual",
    "LogicalNot": "Not",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
}

#: Whose operators are looked at, and which of them look rows up.
_DOMAINS, _LOOK_UPS = ("ai.onnx", "tensorflow"), ("Gather", "GatherV2")

#: Those that an expression has, if it is to be looked at.
_CHOOSING = ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "Max", "Min")

#: Most nodes of one expression, and most rows of a table that it is tried on.
_MOST_NODES, _MOST_ROWS = 40, 1 << 21


def with_plain_indices(graph: Graph) -> Graph:
    """The graph whose look-ups read an index itself, where what they read equals it for every row of their table.

    What look-ups alone read is an input of whole numbers.
    """
    made = {name: node for node in graph.nodes for name in node.outputs}
    nodes = [_plain(graph, made, node) for node in graph.nodes]
    if all(new is old for new, old in zip(nodes, graph.nodes, strict=True)):
        return graph
    before, after = ({node.outputs for node in _idle(graph, some)} for some in (graph.nodes, nodes))
    kept = tuple(node for node in nodes if node.outputs in before or node.outputs not in after)
    numbers = {name for node in kept for place, name in enumerate(node.inputs) if node.op not in _LOOK_UPS or place != 1}
    indices = {node.inputs[1] for node in kept if node.op in _LOOK_UPS} - numbers
    inputs = tuple(replace(tensor, dtype="int") if tensor.name in indices else tensor for tensor in graph.inputs)
    return replace(graph, inputs=inputs, nodes=kept)


def _idle(graph: Graph, nodes: "list[Node] | tuple[Node, ...]") -> list[Node]:
    """The nodes that an expression may be made of and from which nothing follows."""
    read = {tensor.name for tensor in graph.outputs}
    found = []
    for node in reversed(nodes):
        if _name(node) in _FUNCTIONS and not read & set(node.outputs):
            found.append(node)
        else:
            read.update(node.inputs)
    return found


def _plain(graph: Graph, made: Mapping[str, Node], node: Node) -> Node:
    """A look-up that reads its index itself; others as they are."""
    if node.op not in _LOOK_UPS or node.domain not in _DOMAINS or node.attributes.get("axis", 0):
        return node
    table, *axis = (_constant(graph, made, name) for name in (node.inputs[0], *node.inputs[2:]))
    if table is None or table.ndim != 2 or not 0 < len(table) <= _MOST_ROWS or any(one is None or one.any() for one in axis):
        return node
    chain = _expression(graph, made, node.inputs[1])
    if chain is None:
        return node
    index, steps = chain
    rows = np.arange(len(table))
    values: dict[str, NDArray[Any]] = {index: rows}
    for step in steps:
        given = [values[name] if name in values else _constant(graph, made, name) for name in step.inputs]
        values[step.outputs[0]] = _FUNCTIONS[_name(step)](*given)
    same = np.array_equal(values[node.inputs[1]], rows)
    return replace(node, inputs=(node.inputs[0], index, *node.inputs[2:])) if same else node


def _name(node: Node) -> str:
    """The operator as ONNX calls it."""
    return _ALSO.get(node.op, node.op)


def _constant(graph: Graph, made: Mapping[str, Node], name: str) -> NDArray[Any] | None:
    """A constant, behind nodes that pass it on, or that take one number of a shape."""
    for _ in range(_MOST_NODES):
        node = made.get(name)
        if name in graph.constants or node is None:
            return graph.constants.get(name)
        if node.op == "StridedSlice" and node.attributes.get("shrink_axis_mask") == 1:
            shape, begin = (graph.constants.get(one) for one in node.inputs[:2])
            sound = shape is not None and begin is not None and shape.ndim == 1 and begin.size == 1 and 0 <= begin.item() < shape.size
            return np.asarray(shape[begin.item()]) if sound and shape is not None and begin is not None else None
        if node.op != "Identity":
            return None
        name = node.inputs[0]
    return None


def _is_step(node: Node) -> bool:
    """Whether an expression may hold it."""
    return _name(node) in _FUNCTIONS and node.domain in _DOMAINS and len(node.outputs) == 1 and all(node.inputs)


def _expression(graph: Graph, made: Mapping[str, Node], name: str) -> tuple[str, list[Node]] | None:
    """The one index that an expression of single numbers and it is made of, and its nodes in order; None where there is none."""
    steps: list[Node] = []
    leaves: set[str] = set()
    waiting, seen = [name], {name}
    while waiting:
        node = made.get(name := waiting.pop())
        constant = _constant(graph, made, name)
        if constant is not None:
            if constant.size != 1:
                return None
        elif node is None or not _is_step(node):
            leaves.add(name)
        else:
            steps.append(node)
            waiting += [one for one in node.inputs if one not in seen]
            seen.update(node.inputs)
        if len(steps) > _MOST_NODES:
            return None
    order = {node.outputs: place for place, node in enumerate(graph.nodes)}
    floats = {tensor.name for tensor in graph.inputs if tensor.dtype == "float"}
    chosen = any(_name(step) in _CHOOSING for step in steps) or (leaves <= floats and any(step.op == "Cast" for step in steps))
    return (leaves.pop(), sorted(steps, key=lambda node: order[node.outputs])) if chosen and len(leaves) == 1 else None
