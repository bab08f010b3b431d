"""Identities of numbers: which expression made them, at which step, for which sequence of the batch."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedModelError

if TYPE_CHECKING:
    from .expressions import Expression

#: Identities, in the shape of the array whose numbers they stand for.
Ids: TypeAlias = NDArray[np.int64]

#: Most numbers of one array.
MOST = 1 << 20

#: As how many numbers that are only moved one that is computed counts: it is sorted by step and sequence.
_COMPUTED = 8

#: Most numbers of a matrix or kernel that is written out.
MOST_WEIGHTS = 1 << 23


@dataclass(eq=False)
class Wire:
    """The output of an expression: `width` numbers a step. Its identities begin at `start`, in the order step, sequence, number.

    `steps` is 0 for constants, which have no time; their identities are counted by number alone.
    """

    index: int
    start: int
    steps: int
    width: int
    source: "Expression"
    #: Whether it is computed from the recording's end to its beginning.
    reverse: bool = False


class Misfit(UnsupportedModelError):
    """Weights take another number of values than there are: `wanted` and `got`, 0 where that is not known."""

    wanted: int = 0
    got: int = 0

    @classmethod
    def of(cls, message: str, wanted: int, got: int) -> "Misfit":
        """The error with both numbers."""
        made = cls(message)
        made.wanted, made.got = wanted, got
        return made


class NoCell(UnsupportedModelError):
    """A state goes round a loop that is no cell which edgelstm knows."""


class Places(NamedTuple):
    """Where identities lie, each in their shape: the wire's index, the step (-1 for constants), the sequence, the number."""

    wire: Ids
    step: Ids
    sequence: Ids
    number: Ids


def distinct(numbers: Ids) -> Ids:
    """Which of few whole numbers from 0 up there are, in order."""
    found: Ids = np.flatnonzero(np.bincount(numbers.ravel()))
    return found


@dataclass(eq=False)
class Budget:
    """What following a graph may still take: operators met, wires made, and work done in all; and numbers held by one reading."""

    operators: int = 1 << 16
    wires: int = 1 << 13
    work: int = 3 << 27
    numbers: int = 1 << 25

    def take(self, place: str, *, operators: int = 0, wires: int = 0, numbers: int = 0, work: int = 0) -> None:
        """Count what an operator takes.

        Raises
        ------
        UnsupportedModelError
            If nothing of a kind is left.
        """
        self.operators, self.wires = self.operators - operators, self.wires - wires
        self.work, self.numbers = self.work - numbers - work, self.numbers - numbers
        if min(self.operators, self.wires, self.work, self.numbers) < 0:
            most = f"{Budget.wires} operators that compute, and {Budget.numbers} numbers held"
            raise UnsupportedModelError(f"{place}: the graph is larger than is imported, which is at most {most}.")

    def renew(self) -> None:
        """Begin another reading: nothing of the one before is held."""
        self.numbers = Budget.numbers


@dataclass(eq=False)
class Space:
    """All wires of a network, for recordings of `batch` sequences; `fixed`: whether the file says how long they are."""

    batch: int = 1
    budget: Budget = field(default_factory=Budget)
    fixed: bool = False
    wires: list[Wire] = field(default_factory=list)
    _table: Ids = field(default_factory=lambda: np.zeros((3, 64), np.int64))  # start, width and steps of every wire
    _end: int = 0

    def allocate(self, source: "Expression", steps: int, width: int, reverse: bool = False) -> Wire:
        """A new wire of `width` numbers at each of `steps` steps; `steps` 0 makes a constant."""
        if max(width, width * steps * self.batch) > MOST:
            shorter = " Export it with the length of recordings open: few steps are followed then." if self.fixed and width <= MOST else ""
            raise UnsupportedModelError(
                f"{source.place}: makes {width} numbers for {steps} steps; at most {MOST} together are imported.{shorter}"
            )
        self.budget.take(source.place, wires=1, work=_COMPUTED * width * max(1, steps) * self.batch)
        wire = Wire(len(self.wires), self._end, steps, width, source, reverse)
        if wire.index == self._table.shape[1]:
            self._table = np.concatenate([self._table, np.zeros_like(self._table)], axis=1)
        self._table[:, wire.index] = wire.start, width, steps
        self.wires.append(wire)
        self._end += max(1, steps * self.batch if steps else 1) * max(1, width)
        return wire

    def ids(self, wire: Wire) -> Ids:
        """(steps, batch, width), or (width,) of a constant."""
        shape = (wire.steps, self.batch, wire.width) if wire.steps else (wire.width,)
        return wire.start + np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)

    def last(self, wire: Wire) -> Ids:
        """(width,): the numbers of the last step, first sequence."""
        ids: Ids = self.ids(wire)
        return ids if not wire.steps else ids[-1, 0]

    def places(self, ids: Ids) -> Places:
        """Take identities apart."""
        if (wire := self.wire_of(ids)) is not None and wire.steps:
            row, number = np.divmod(ids - wire.start, max(wire.width, 1))
            step, sequence = (row, np.zeros_like(row)) if self.batch == 1 else np.divmod(row, self.batch)
            return Places(np.full_like(ids, wire.index), step, sequence, number)
        index = np.searchsorted(self._table[0, : len(self.wires)], ids, side="right") - 1
        start, width, steps = self._table[:, index]
        offset, constant, width = ids - start, steps == 0, np.maximum(width, 1)
        row = np.where(constant, 0, offset // width)
        return Places(index, np.where(constant, -1, row // self.batch), row % self.batch, np.where(constant, offset, offset % width))

    def widths(self, wires: Ids) -> Ids:
        """Numbers a step of wires, by their indices."""
        found: Ids = self._table[1, wires]
        return found

    def steps(self, wires: Ids) -> Ids:
        """Steps of wires, by their indices; 0 of constants."""
        found: Ids = self._table[2, wires]
        return found

    def wire_of(self, ids: Ids) -> Wire | None:
        """The one wire that all identities belong to; None if there are several."""
        if not ids.size:
            return None
        first, last = np.searchsorted(self._table[0, : len(self.wires)], (ids.min(), ids.max()), side="right") - 1
        return self.wires[first] if first == last else None
