"""What wires compute, one step of the first sequence: operands are identities of the last step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

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
    """Base of all. `place` is how errors call the operator that it came from; `why_not` why it is no layer where it has to be one."""

    why_not: ClassVar[str] = "what it makes is not imported there"
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

    why_not: ClassVar[str] = "its state goes round a loop that is no LSTM, GRU or RNN cell as edgelstm knows them"
    initial: Floats
    following: Ids | None = None
    reverse: bool = False


@dataclass(eq=False)
class Affine(Expression):
    """``weight refs + bias``: weight (width, refs), bias (width,). full: whether only the recording's last step is read, a full window."""

    weight: Floats
    bias: Floats
    refs: Ids
    full: bool = False

    def operands(self) -> list[Ids]:
        return [self.refs]

    def key(self) -> tuple[Any, ...]:
        return "affine", self.refs.tobytes(), self.bias.tobytes(), self.weight.shape, self.weight.tobytes(), self.full


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

    why_not: ClassVar[str] = "its softmax over the steps of a recording is imported where it weights a sum over them, and nowhere else"
    refs: Ids

    def operands(self) -> list[Ids]:
        return [self.refs]


@dataclass(eq=False)
class Scores(Expression):
    """How each step's query fits the keys of all steps: number ``head * steps + s`` of a step is ``factor * sum(query * key of step s)``.

    queries, keys: (heads * size,); causal: whether keys of later steps count for nothing; shares: whether it is the softmax over the keys;
    vector: (size,), if it is ``factor * sum(vector * tanh(query + key))``.
    """

    why_not: ClassVar[str] = (
        "its products of the rows of a recording are imported where a softmax of them weights a sum of rows, and nowhere else"
    )
    heads: int
    queries: Ids
    keys: Ids
    factor: float = 1.0
    causal: bool = False
    shares: bool = False
    vector: Floats | None = None

    def operands(self) -> list[Ids]:
        return [self.queries, self.keys]


@dataclass(eq=False)
class Pairs(Expression):
    """Sums of each step's query and the keys of all steps: number ``s * size + n`` of a step is number n of ``query + key of step s``.

    queries, keys: (size,); vector: (size,) the factors of the tanh of each number; absent, there is no tanh.
    """

    why_not: ClassVar[str] = (
        "its sums of the rows of a recording by pairs are imported where they score rows by their tanh, and nowhere else"
    )
    queries: Ids
    keys: Ids
    vector: Floats | None = None

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

    `weight`, where given, is the field whose columns belong to what is read first: a permutation or a gap goes into it. `check` gives
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
    """The cell state of the recurrent layer whose wire has the index `of`; reads: what that layer reads, and what it gives."""

    why_not: ClassVar[str] = "its cell state goes to another operator, which no layer of edgelstm reads"
    of: int = field(default=-1)
    reads: list[Ids] = field(default_factory=list)

    def operands(self) -> list[Ids]:
        return self.reads


@dataclass(eq=False)
class Memory(Expression):
    """Rows of `size` numbers, one behind the other, that a decoder is given once. rows: how many it may have; 0 where that is open."""

    why_not: ClassVar[str] = "its rows are a memory, which is imported where attention with one query reads it, and nowhere else"
    size: int
    rows: int = 0


@dataclass(eq=False)
class Last(Expression):
    """The ends of a recording: of each operand the last step, or the first one where `firsts` says so."""

    reads: list[Ids]
    firsts: list[bool]

    def operands(self) -> list[Ids]:
        return self.reads


@dataclass(frozen=True, eq=False)
class Sum:
    """A weighted sum in its parts: over a cell's own state h, and over all else. rounded: whether it sees h rounded over its range."""

    weight_hh: Floats
    weight_ih: Floats
    bias: Floats
    reads: Ids
    initial: Floats
    rounded: bool = False
