"""Nodes that take the same part of the same tensor, as one: programs look a step of a recording up wherever they read it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .file import Graph, Node

#: Operators that take parts.
_TAKES = ("Gather", "Slice")


def merged(graph: Graph, of: Callable[[str], Any], constant: Callable[[str], bool]) -> Graph:
    """The graph with such nodes once. of: equal for tensors that are computed alike; constant: whether one is made of constants alone."""
    if any(isinstance(value, Graph) for node in graph.nodes for value in node.attributes.values()):
        return graph  # graphs within it read names too
    outputs = {tensor.name for tensor in graph.outputs}
    first: dict[Any, str] = {}
    instead: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        name = node.outputs[0] if len(node.outputs) == 1 else ""
        takes = node.op in _TAKES and name and name not in outputs and not constant(name)
        if takes and (same := first.setdefault(of(name), name)) != name:
            instead[name] = same
            continue
        inputs = tuple(instead.get(one, one) for one in node.inputs)
        nodes.append(node if inputs == node.inputs else replace(node, inputs=inputs))
    return replace(graph, nodes=tuple(nodes)) if instead else graph
