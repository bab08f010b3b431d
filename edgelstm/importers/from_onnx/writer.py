"""Writes a graph of ONNX operators, node by node: what operators of other formats become."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedModelError, printable
from .file import Node

#: Most nodes of a graph.
_MOST = 4096

#: The operator set whose definitions are meant.
OPSET = 20


class Ref(NamedTuple):
    """A tensor of the graph by its name, with the number of its axes."""

    name: str
    rank: int


#: What an operator is given: a tensor, a number, or several.
Given: TypeAlias = "Ref | int | float | bool | str | Sequence[Any] | None"


@dataclass(eq=False)
class Writer:
    """The nodes written so far, and the constants that they read.

    Parameters
    ----------
    nodes : list of Node
    constants : dict of str to array
    place : str
        How errors call the operator that is written now.
    numbers : iterator of int
        What tells names apart: the same for a graph and those inside of it.
    batch_first : bool
        Whether a recurrence was written whose sequences lie along the first axis.
    """

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    place: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    batch_first: bool = False

    def refuse(self, why: str) -> NoReturn:
        """Raise the error that says why the present operator cannot be imported."""
        raise UnsupportedModelError(f"{self.place}: {why}.")

    def require(self, holds: bool, why: str) -> None:
        """Refuse the present operator unless something holds."""
        if not holds:
            self.refuse(why)

    def constant(self, value: Any, name: str = "") -> Ref:
        """Numbers that never change."""
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype == np.float64 and not name else array
        name = name or self._name("constant")
        self.constants[name] = array
        return Ref(name, array.ndim)

    def ref(self, value: Given) -> Ref:
        """A tensor, or a number as one."""
        if isinstance(value, Ref):
            return value
        if not isinstance(value, bool | int | float):
            self.refuse(f"takes {printable(repr(value), 60)} where it should take a tensor")
        return self.constant(np.asarray(value, np.int64 if isinstance(value, int) and not isinstance(value, bool) else None))

    def array(self, value: Given) -> NDArray[Any]:
        """A tensor that must be constant."""
        if not isinstance(value, Ref) or value.name not in self.constants:
            self.refuse(f"{printable(value.name if isinstance(value, Ref) else repr(value), 60)} is not constant; weights must be")
        return self.constants[value.name]

    def several(
        self, op: str, inputs: Sequence[Given], outputs: int, ranks: Sequence[int], *, domain: str = "ai.onnx", **attributes: Any
    ) -> list[Ref]:
        """A node of several outputs, of another format's domain where that is said. Inputs that are None are absent."""
        refs = [None if value is None else self.ref(value) for value in inputs]
        names = tuple(self._name(op.lower()) for _ in range(outputs))
        if len(self.nodes) >= _MOST:
            self.refuse(f"is behind {_MOST} others, and edgelstm reads no such programs")
        inside = tuple("" if ref is None else ref.name for ref in refs)
        self.nodes.append(Node(op, domain, self.place, inside, names, attributes))
        return [Ref(name, rank) for name, rank in zip(names, ranks, strict=True)]

    def one(self, op: str, *inputs: Given, rank: int | None = None, **attributes: Any) -> Ref:
        """A node of one output, which has the most axes of its inputs unless `rank` says otherwise."""
        refs = [None if value is None else self.ref(value) for value in inputs]
        rank = max((ref.rank for ref in refs if ref is not None), default=0) if rank is None else rank
        return self.several(op, refs, 1, [rank], **attributes)[0]

    def native(self, op: str, domain: str, inputs: Sequence[Given], rank: int, **attributes: Any) -> Ref:
        """A node of one output of another format's domain."""
        names = tuple("" if value is None else self.ref(value).name for value in inputs)
        output = self._name(op.lower())
        self.nodes.append(Node(op, domain, self.place, names, (output,), attributes))
        return Ref(output, rank)

    def ints(self, values: Given) -> Ref:
        """Whole numbers, of which some may be tensors, as one tensor of one axis."""
        if isinstance(values, Ref):
            return values
        listed = list(values) if isinstance(values, list | tuple) else [values]
        if all(isinstance(value, int) for value in listed):
            return self.constant(np.array(listed, np.int64))
        axis = self.constant(np.array([0], np.int64))
        parts = [self.one("Unsqueeze", value, axis, rank=1) for value in listed]
        return self.one("Concat", *parts, axis=0)

    def _name(self, stem: str) -> str:
        return f"{stem}:{next(self.numbers)}"
