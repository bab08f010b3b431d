"""One operator met in a graph: its values and attributes, each of which must be used."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from ..graph.tracing import Flow, Tracer, Value
from .file import Graph, Node

Array = NDArray[Any]


class Runner(Protocol):
    """Who follows graphs: operators that hold graphs call it."""

    notes: list[str]

    def inside(self, graph: Graph, names: dict[str, Value]) -> list[Value]:
        """The outputs of a graph inside a node; `names`: what its inputs are."""

    def operator(self, node: Node, values: Sequence[Value | None]) -> Sequence[Value]:
        """What a node gives that stands in the place of the present one."""

    def compares(self, node: Node) -> bool:
        """Whether all that the present graph makes of a node is a softmax or a maximum."""


@dataclass(eq=False)
class Call:
    """A node with the values of its inputs. Attributes that no one asked for are refused in the end."""

    node: Node
    values: list[Value | None]
    tracer: Tracer
    runner: Runner
    opset: int
    _attributes: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._attributes = dict(self.node.attributes)

    def refuse(self, why: str) -> NoReturn:
        """Raise the error that says why the node cannot be imported."""
        self.tracer.refuse(why)

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, which thereby counts as used."""
        return self._attributes.pop(name, default)

    @property
    def unused(self) -> list[str]:
        return sorted(self._attributes)

    def has(self, index: int) -> bool:
        """Whether the node has such an input."""
        return index < len(self.values) and self.values[index] is not None

    def value(self, index: int) -> Value:
        """An input that must be there."""
        found = self.values[index] if index < len(self.values) else None
        if found is None:
            self.refuse(f"its input {index} is missing")
        return found

    def flow(self, index: int) -> Flow:
        """An input that depends on the recording."""
        found = self.value(index)
        if not isinstance(found, Flow):
            self.refuse(f"its input {index} is constant where it should come from the recording")
        return found

    def constant(self, index: int) -> Array:
        """An input that must be constant."""
        found = self.value(index)
        if isinstance(found, Flow):
            name = self.node.inputs[index]
            self.refuse(f"its input {index} ({name!r}) depends on the recording where edgelstm needs a constant")
        return found

    def ints(self, index: int, attribute: str) -> list[int] | None:
        """Whole numbers that stand in an input, or in an attribute in older operator sets; None where absent."""
        if self.has(index):
            return [int(n) for n in self.constant(index).ravel()]
        given = self.attribute(attribute)
        return None if given is None else [int(n) for n in given]

    def axis(self, given: int, rank: int) -> int:
        """An axis counted from the front."""
        if not -rank <= given < max(rank, 1):
            self.refuse(f"axis {given} of an array of {rank} dimension(s)")
        return given % max(rank, 1)


def floats(value: Array) -> NDArray[np.float64]:
    return np.asarray(value, np.float64)
