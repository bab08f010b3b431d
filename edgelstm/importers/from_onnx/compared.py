"""What a graph only compares: scores that go to a softmax, rows of which the largest is taken."""

from .file import Graph, Node
from .living import reads

#: Operators that give zero, or another number, in place of one far below all others.
_COMPARE = ("Softmax", "ReduceMax", "GlobalMaxPool")

#: Operators that a number far below all others leaves as low.
_PASS = ("Add", "Cast", "Concat", "Expand", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")

#: In place of an infinite number, or one beyond 1e18: far below what any network computes.
LOWEST = -1e9


def only_compared(graph: Graph) -> frozenset[str]:
    """The names in a graph, whose nodes stand in order, of which all that is made is a softmax or a maximum."""
    readers: dict[str, list[Node]] = {}
    seen = set[int]()  # one reader inside a graph says that a name is not only compared; who else holds that graph need not be known
    for node in graph.nodes:
        for name in reads(node, seen):
            readers.setdefault(name, []).append(node)
    shown, found = {tensor.name for tensor in graph.outputs}, set[str]()
    for node in reversed(graph.nodes):
        for name in node.outputs:
            if name and name not in shown and name in readers and all(_compares(one, name, found) for one in readers[name]):
                found.add(name)
    return frozenset(found)


def _compares(node: Node, name: str, found: set[str]) -> bool:
    """Whether a node that reads a number only compares it, or passes it on to some that do."""
    if node.domain != "ai.onnx" or name not in node.inputs:
        return False
    if node.op in _PASS:
        return found.issuperset(node.outputs)
    return node.op in _COMPARE and name not in node.inputs[1:]
