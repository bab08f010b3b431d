"""Several tensors of which a graph takes the same parts one after the other, as one: gates that are computed before the steps run.

Their rows at a step are then those of one tensor, along a last axis of its own, and `unrolled` finds a recurrence over them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .file import Graph, Node
from .merging import merged
from .ordering import ordered
from .parts import Keys, slices

#: Most tensors that are taken as one.
_MOST = 8


def gathered(graph: Graph) -> Graph | None:
    """The graph with parts of one tensor in place of those of several; None where it takes no parts of several."""
    keys = Keys(graph)
    graph = merged(graph, keys.of, keys.constant)
    made = {name: node for node in graph.nodes for name in node.outputs}
    families = [[made[name] for name in names] for names in slices(graph, keys) if made[names[0]].op == "Gather"]
    for family in families:
        alike = [other for other in families if _same(keys, family, other)]
        alike = [other for other in alike if not _depends(graph, other[0].inputs[0], alike)]
        if 1 < len(alike) <= _MOST:
            return _as_one(graph, alike)
    return None


def _same(keys: Keys, one: Sequence[Node], other: Sequence[Node]) -> bool:
    """Whether the same parts are taken, along the same axis."""
    if len(one) != len(other) or one[0].attributes.get("axis", 0) < 0:
        return False
    pairs = zip(one, other, strict=True)
    return all(keys.attributes(a) == keys.attributes(b) and keys.of(a.inputs[1]) == keys.of(b.inputs[1]) for a, b in pairs)


def _depends(graph: Graph, name: str, families: Sequence[Sequence[Node]]) -> bool:
    """Whether a tensor is made of parts of these."""
    reached = {node.outputs[0] for family in families for node in family}
    for node in graph.nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
    return name in reached


def _as_one(graph: Graph, families: Sequence[Sequence[Node]]) -> Graph:
    whole, place = f"{families[0][0].outputs[0]} of all", families[0][0].name
    constants = {f"{whole}: axis": np.array([-1])} | {f"{whole}: {n}": np.array(n) for n in range(len(families))}
    wide = [f"{whole}: wide {n}" for n in range(len(families))]
    sources = [family[0].inputs[0] for family in families]
    added = [
        Node("Unsqueeze", "ai.onnx", place, (source, f"{whole}: axis"), (name,), {}) for source, name in zip(sources, wide, strict=True)
    ]
    added.append(Node("Concat", "ai.onnx", place, tuple(wide), (whole,), {"axis": -1}))
    for step, nodes in enumerate(zip(*families, strict=True)):
        row = f"{whole}: row {step}"
        added.append(replace(nodes[0], inputs=(whole, nodes[0].inputs[1]), outputs=(row,)))
        added += [replace(node, inputs=(row, f"{whole}: {n}"), attributes={"axis": -1}) for n, node in enumerate(nodes)]
    gone = {id(node) for family in families for node in family}
    rest = [node for node in graph.nodes if id(node) not in gone]
    return replace(graph, nodes=ordered([*rest, *added]), constants={**graph.constants, **constants})
