"""Nodes in the order in which they read one another: runtimes take them in any, and some converters put those that they add at the end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from .file import Graph, Node
from .living import held, reads


def in_order(graph: Graph) -> Graph:
    """The graph with each node behind those whose outputs it reads."""
    made = {*graph.constants, *(tensor.name for tensor in graph.inputs)}
    later = {name for node in graph.nodes for name in node.outputs} - made
    seen = set[int]()
    for node in graph.nodes:
        if later & reads(node, seen):
            return replace(graph, nodes=ordered(graph.nodes))
        later.difference_update(node.outputs)
    return graph


def ordered(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Nodes, each behind those whose outputs it reads."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    order: dict[int, Node] = {}
    begun: set[int] = set()
    for first in nodes:
        stack: list[tuple[Node | Graph, bool]] = [(first, False)]
        while stack:
            one, done = stack.pop()
            if done and isinstance(one, Node):
                order[id(one)] = one
            elif id(one) not in begun:
                begun.add(id(one))
                stack.append((one, True))
                stack += [(needed, False) for needed in _needed(one, makers)]
    return tuple(order.values())


def _needed(one: Node | Graph, makers: Mapping[str, Node]) -> Iterator[Node | Graph]:
    """What comes before a node: those that make what it reads, and the graphs that it holds, before which comes what is read in them."""
    nodes = one.nodes if isinstance(one, Graph) else (one,)
    names = [tensor.name for tensor in one.outputs] if isinstance(one, Graph) else []
    for node in nodes:
        names += node.inputs
        yield from held(node)
    yield from (makers[name] for name in names if name in makers)
