"""What wires compute, one step of the first sequence: operands are identities of the last step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.record import Layer
from .wires import Ids

Floats = NDArray[np.floating[Any]]


def spread(weight: Floats, numbers: Ids, width: int) -> Floats:
    """The columns of `weight` (rows, columns) added into `width` columns, each at its number."""
    if numbers.size == width and (numbers == np.arange(width)).all():
        return weight
    if np.unique(numbers).size == numbers.size:
        found = np.zeros((len(weight), width), weight.dtype)
        found[:, numbers] = weight
        return found
    out = np.zeros((len(weight), width))
    for column, number in enumerate(numbers.tolist()):
        out[:, number] += weight[:, column]
    return out


@dataclass(eq=False)
class Expression:
    """Base of all. `place` is how errors call the operator that it came from."""

    place: str

    def operands(self) -> list[Ids]:
        """The identities that it reads, one array an operand."""
        return []

    def key(self) -> tuple[Any, ...] | None:
        """What two expressions share that compute the same; None for those that are always their own."""
        return None


@dataclass(eq=False)
class Input(Expression):
    """The samples of the recording. `whole`: the places of numbers that are whole ones, which may be indices."""

    whole: frozenset[int] = frozenset()


@dataclass(eq=False)
class Constant(Expression):
    """Numbers that never change: values (width,)."""

    values: Floats


@dataclass(eq=False)
class State(Expression):
    """What an expression gave one step before: initial (width,), and `following`, the identities that become it (width,).

    `reverse`: whether the step before is the later one, in a loop from the recording's end.
    """

    initial: Floats
    following: Ids | None = None
    reverse: bool = False


@dataclass(eq=False)
class Affine(Expression):
    """``weight refs + bias``: weight (width, refs), bias (width,)."""

    weight: Floats
    bias: Floats
    refs: Ids

    def operands(self) -> list[Ids]:
        return [self.refs]

    def key(self) -> tuple[Any, ...]:
        return "affine", self.refs.tobytes(), self.bias.tobytes(), self.weight.shape, self.weight.tobytes()


@dataclass(eq=False)
class Scale(Expression):
    """``scale refs + offset``, number by number."""

    scale: Floats
    offset: Floats
    refs: Ids

    def operands(self) -> list[Ids]:
        return [self.refs]

    def key(self) -> tuple[Any, ...]:
        return "scale", self.refs.tobytes(), self.scale.tobytes(), self.offset.tobytes()


@dataclass(eq=False)
class Apply(Expression):
    """A function of every number, by its word as `layers.feedforward.Activation` takes it."""

    word: str
    refs: Ids

    def operands(self) -> list[Ids]:
        return [self.refs]

    def key(self) -> tuple[Any, ...]:
        return self.word, self.refs.tobytes()


@dataclass(eq=False)
class Weights(Expression):
    """What a softmax over all steps of the recording makes of scores `refs`: no number of one step, but a part of a weighted sum."""

    refs: Ids

    def operands(self) -> list[Ids]:
        return [self.refs]


@dataclass(eq=False)
class Scores(Expression):
    """How each step's query fits the keys of all steps: number ``head * steps + s`` of a step is ``factor * sum(query * key of step s)``.

    queries, keys: (heads * size,); causal: whether keys of later steps count for nothing; shares: whether it is the softmax over the keys.
    """

    heads: int
    queries: Ids
    keys: Ids
    factor: float = 1.0
    causal: bool = False
    shares: bool = False

    def operands(self) -> list[Ids]:
        return [self.queries, self.keys]


@dataclass(eq=False)
class Combine(Expression):
    """Sum (``"add"``) or product (``"mul"``) of two operands, number by number."""

    operation: str
    left: Ids
    right: Ids

    def operands(self) -> list[Ids]:
        return [self.left, self.right]

    def key(self) -> tuple[Any, ...]:
        return self.operation, self.left.tobytes(), self.right.tobytes()


@dataclass(eq=False)
class Made(Expression):
    """A layer record that reads its operands, one after the other.

    `weight`, where given, is the field whose columns belong to the numbers read: a permutation or a gap goes into it. `check` gives
    the record to take once the whole graph is known, or raises what cannot be honoured.
    """

    record: Layer
    reads: list[Ids]
    weight: str = ""
    check: Callable[[], Layer] | None = None

    def operands(self) -> list[Ids]:
        return self.reads


@dataclass(eq=False)
class Cell(Expression):
    """The cell state of a recurrent layer, which no other layer reads."""

    of: int = field(default=-1)


@dataclass(eq=False)
class Last(Expression):
    """The end of a recording: the last step of forward wires, the first one of those that run backward."""

    reads: list[Ids]

    def operands(self) -> list[Ids]:
        return self.reads
