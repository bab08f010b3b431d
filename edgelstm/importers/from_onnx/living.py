"""Nodes and inputs that no output of a graph depends on: exporters leave them behind, and no runtime computes them."""

from dataclasses import replace

import numpy as np

from .file import Graph, Node


def reads(node: Node, seen: set[int]) -> set[str]:
    """The names that a node reads, those that graphs within it read too, but for graphs that were `seen`, which then holds these as well.

    Graphs may hold one another many times over, in chains of any length.
    """
    names, waiting = set(node.inputs), held(node)
    while waiting:
        graph = waiting.pop()
        if id(graph) not in seen:
            seen.add(id(graph))
            names.update(tensor.name for tensor in graph.outputs)
            for inner in graph.nodes:
                names.update(inner.inputs)
                waiting += held(inner)
    return names


def held(node: Node) -> list[Graph]:
    """The graphs that a node holds."""
    return [value for value in node.attributes.values() if isinstance(value, Graph)]


def living(graph: Graph) -> Graph:
    """The graph with those nodes alone that its outputs depend on."""
    needed = {tensor.name for tensor in graph.outputs}
    kept, seen = list[Node](), set[int]()
    for node in reversed(graph.nodes):
        if needed & set(node.outputs):
            kept.append(node)
            needed.update(reads(node, seen))
    return replace(graph, nodes=tuple(kept[::-1])) if len(kept) < len(graph.nodes) else graph


def matters(graph: Graph, name: str) -> bool:
    """Whether an output depends on an input of one number; one that is multiplied by zero alone does not matter."""
    alive = living(graph)
    zeros = {one for one, value in graph.constants.items() if not np.any(value)}
    zeros |= {o for node in alive.nodes if node.op == "Constant" for o in node.outputs if not np.any(node.attributes.get("value", 1))}
    seen = set[int]()
    readers = [node for node in alive.nodes if name in reads(node, seen)]
    return any(node.op != "Mul" or not zeros & set(node.inputs) for node in readers) or any(t.name == name for t in alive.outputs)
