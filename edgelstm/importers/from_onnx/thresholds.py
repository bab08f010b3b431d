"""Softplus as PyTorch's exporter writes it: ``x > 20 ? x : softplus(x)``, of which both sides agree to ``exp(-20)`` at the threshold."""

from collections import Counter
from dataclasses import replace

import numpy as np

from .file import Graph, Node

#: From where on softplus is x to within 2.1e-9.
_FAR = 20.0


def without_thresholds(graph: Graph) -> Graph:
    """The graph with softplus alone where a comparison chooses between it and what it reads."""
    made = {name: node for node in graph.nodes for name in node.outputs}
    nodes = [_softplus(graph, made, node) for node in graph.nodes]
    before, after = (Counter(name for node in some for name in node.inputs) for some in (graph.nodes, nodes))
    outputs = {tensor.name for tensor in graph.outputs}
    idle = {name for name in before if name not in after and name not in outputs}
    kept = tuple(node for node in nodes if not (node.op == "Greater" and set(node.outputs) <= idle))
    return replace(graph, nodes=kept) if len(kept) < len(graph.nodes) else graph


def _softplus(graph: Graph, made: dict[str, Node], node: Node) -> Node:
    """A choice between x and its softplus as a node that gives the latter; others as they are."""
    if node.op != "Where" or node.domain != "ai.onnx" or len(node.inputs) != 3:
        return node
    condition, x, smooth = node.inputs
    compared, function = made.get(condition), made.get(smooth)
    if compared is None or function is None or compared.op != "Greater" or function.op != "Softplus":
        return node
    threshold = graph.constants.get(compared.inputs[1])
    if not compared.inputs[0] == function.inputs[0] == x or threshold is None or np.size(threshold) != 1 or np.min(threshold) < _FAR:
        return node
    return Node("Identity", "ai.onnx", node.name, (smooth,), node.outputs, {})
