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
    numbers = {name for node in kept for place, name in enumerate(node.inputs) if (node.op, place) != ("Gather", 1)}
    indices = {node.inputs[1] for node in kept if node.op == "Gather"} - numbers
    inputs = tuple(replace(tensor, dtype="int") if tensor.name in indices else tensor for tensor in graph.inputs)
    return replace(graph, inputs=inputs, nodes=kept)


def _idle(graph: Graph, nodes: "list[Node] | tuple[Node, ...]") -> list[Node]:
    """The nodes that an expression may be made of and from which nothing follows."""
    read = {tensor.name for tensor in graph.outputs}
    found = []
    for node in reversed(nodes):
        if node.op in _FUNCTIONS and not read & set(node.outputs):
            found.append(node)
        else:
            read.update(node.inputs)
    return found


def _plain(graph: Graph, made: Mapping[str, Node], node: Node) -> Node:
    """A look-up that reads its index itself; others as they are."""
    table = graph.constants.get(node.inputs[0]) if node.op == "Gather" and len(node.inputs) == 2 else None
    if node.domain != "ai.onnx" or table is None or table.ndim != 2 or not 0 < len(table) <= _MOST_ROWS or node.attributes.get("axis", 0):
        return node
    chain = _expression(graph, made, node.inputs[1])
    if chain is None:
        return node
    index, steps = chain
    rows = np.arange(len(table))
    values: dict[str, NDArray[Any]] = {index: rows}
    for step in steps:
        values[step.outputs[0]] = _FUNCTIONS[step.op](*(values.get(name, graph.constants.get(name)) for name in step.inputs))
    return replace(node, inputs=(node.inputs[0], index)) if np.array_equal(values[node.inputs[1]], rows) else node


def _expression(graph: Graph, made: Mapping[str, Node], name: str) -> tuple[str, list[Node]] | None:
    """The one index that an expression of single numbers and it is made of, and its nodes in order; None where there is none."""
    steps: list[Node] = []
    leaves: set[str] = set()
    waiting, seen = [name], {name}
    while waiting:
        node = made.get(name := waiting.pop())
        constant = graph.constants.get(name)
        if constant is not None:
            if constant.size != 1:
                return None
        elif node is None or node.op not in _FUNCTIONS or node.domain != "ai.onnx" or len(node.outputs) != 1 or not all(node.inputs):
            leaves.add(name)
        else:
            steps.append(node)
            waiting += [one for one in node.inputs if one not in seen]
            seen.update(node.inputs)
        if len(steps) > _MOST_NODES:
            return None
    order = {node.outputs: place for place, node in enumerate(graph.nodes)}
    floats = {tensor.name for tensor in graph.inputs if tensor.dtype == "float"}
    chosen = any(step.op in _CHOOSING for step in steps) or (leaves <= floats and any(step.op == "Cast" for step in steps))
    return (leaves.pop(), sorted(steps, key=lambda node: order[node.outputs])) if chosen and len(leaves) == 1 else None
