"""Tensors that may be the steps of a recording in a graph that spells them out, and what tells constants of it apart."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from .file import Graph, Node

#: The domain and operator of a recurrence that was found.
UNROLLED = ("edgelstm", "Unrolled")

#: Operators that read no number of what they are given.
SHAPES = ("Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike")

#: Fewest steps that are taken for a recurrence.
_FEWEST = 3


def outputs(graph: Graph) -> Iterator[tuple[str, ...]]:
    """Tensors that may be the steps of a recording: outputs of one node."""
    return (node.outputs for node in graph.nodes if node.op != UNROLLED[1] and len(node.outputs) >= _FEWEST)


def slices(graph: Graph, keys: "Keys") -> Iterator[tuple[str, ...]]:
    """Others: outputs of nodes that take one part after the other of one tensor, in order of these parts where constants say it."""
    found: dict[tuple[Any, ...], list[tuple[bool, int, str]]] = {}
    for node in graph.nodes:
        apart = len(node.outputs) == 1 and len(node.inputs) > 1 and not keys.size(node.inputs[0])
        if apart and all(keys.constant(name) for name in node.inputs[1:] if name):
            begin = graph.constants.get(node.inputs[1])
            place = int(begin.ravel()[0]) if begin is not None and begin.size and begin.dtype.kind in "iu" else 0
            found.setdefault((node.op, node.inputs[0], keys.attributes(node)), []).append((place < 0, place, node.outputs[0]))
    for names in found.values():
        if len(names) >= _FEWEST:
            yield tuple(name for *_, name in sorted(names, key=lambda one: one[:2]))


class Keys:
    """What tells constants, and what is made of them alone, apart: by content, not by name."""

    def __init__(self, graph: Graph) -> None:
        self._names: dict[str, tuple[Any, ...]] = {name: _plain(array) for name, array in graph.constants.items()}
        self._constants, self._sizes = set(graph.constants), set[str]()
        for node in graph.nodes:
            inputs = tuple(hash(self._names.get(name, name)) for name in node.inputs)
            same = node.op == "Identity" and len(node.inputs) == len(node.outputs) == 1
            for index, name in enumerate(node.outputs):
                self._names[name] = self.of(node.inputs[0]) if same else (node.op, inputs, self.attributes(node), index)
            if all(name in self._constants for name in node.inputs):
                self._constants.update(node.outputs)
            elif node.op in SHAPES or all(name in self._constants or name in self._sizes for name in node.inputs):
                self._sizes.update(node.outputs)

    def constant(self, name: str) -> bool:
        return name in self._constants

    def size(self, name: str) -> bool:
        """Whether it hangs on the lengths of arrays alone, and on no number in them."""
        return name in self._sizes

    def of(self, name: str) -> Any:
        """Equal for tensors that are computed alike."""
        return self._names.get(name, name)

    def attributes(self, node: Node) -> tuple[Any, ...]:
        """The attributes of a node, in a form that compares."""
        return tuple((name, _plain(value)) for name, value in sorted(node.attributes.items()))


def _plain(value: Any) -> Any:
    """A value in a form that compares: of an array a digest."""
    if isinstance(value, np.ndarray):
        data = np.array(repr(value.tolist()).encode()) if value.dtype.hasobject else np.ascontiguousarray(value)
        return value.dtype.str, value.shape, hashlib.blake2b(data.data).digest()
    return id(value) if isinstance(value, Graph) else repr(value)
