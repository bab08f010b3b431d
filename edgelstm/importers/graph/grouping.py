"""Items of an array sorted by step and sequence.

An operator must do the same at every step and for every sequence of the batch. That is checked on the identities it reads, whatever
axes they lie along: sorted by step and sequence they must be one pattern.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn, TypeAlias

import numpy as np

from .expressions import Constant, Floats
from .wires import Ids, Places, Space, distinct

#: Raises the error that says why an operator cannot be imported.
Refuse: TypeAlias = Callable[[str], NoReturn]


class Group(NamedTuple):
    """Items of an array sorted by step and sequence; those that are the same stand in it once.

    refs: for each operand (items, M), identities at the last step; constants: (items, …); where: (steps, sequences, places a step), where
    an item stands; alike: (places a step,), which item; rows: (steps, sequences), what to add to an identity of the first step and
    sequence, in rows.
    """

    refs: list[Ids]
    constants: list[Floats]
    where: Ids
    alike: Ids
    rows: Ids
    steps: int

    @property
    def once(self) -> bool:
        """Whether items stand at one step alone."""
        return len(self.rows) == 1


def grouped(
    space: Space, refuse: Refuse, joined: Ids, at: Places, constants: Sequence[Floats], widths: list[int], *, some: bool = False
) -> Group:
    """Items joined (items, M), which lie at `at`; each operand has so many of their columns. With constants (items, …), as one pattern.

    some: whether they may leave out the recording's last steps.
    """
    timed = at.step >= 0
    step, sequence = np.where(timed, at.step, -1).max(axis=1), np.where(timed, at.sequence, -1).max(axis=1)
    if not joined.size or (step < 0).any():
        refuse("computes with numbers that belong to no step: constants joined with the recording's, or a state")
    if (timed & (at.sequence != sequence[:, None])).any():
        refuse("mixes the sequences of a batch")
    lengths = {space.wires[index].steps for index in distinct(at.wire[timed])}
    if len(lengths) != 1:
        refuse(f"joins arrays of {' and '.join(map(str, sorted(lengths)))} steps")
    return _pattern(space, refuse, joined, at, constants, step, sequence, lengths.pop(), widths, some)


def _pattern(
    space: Space,
    refuse: Refuse,
    joined: Ids,
    at: Places,
    constants: Sequence[Floats],
    step: Ids,
    sequence: Ids,
    steps: int,
    widths: list[int],
    some: bool,
) -> Group:
    order, times, sequences = _sorted(space, refuse, joined, step, sequence, steps, some)
    table = joined[order]  # (steps, sequences, items, M)
    at = Places(*(part[order[-1, 0]] for part in at))
    row = np.where(space.steps(at.wire) > 0, space.widths(at.wire), 0)  # (items, M)
    left = steps - 1 - int(times[-1])
    base = table[-1, 0] + left * space.batch * row
    at = at._replace(step=np.where(at.step >= 0, at.step + left, -1))
    shift = (times - steps + 1)[:, None] * space.batch + (sequences - sequences[0])[None]  # (steps, sequences)
    differs = table != base + shift[:, :, None, None] * row
    if differs.any():
        early = times[:, None, None, None] < np.where(at.step >= 0, steps - 1 - at.step, 0)
        if (differs & ~early).any() or values(space, table[differs]).any():
            refuse("does not do the same at every step")
    found = [np.asarray(numbers)[order] for numbers in constants]
    if any((numbers != numbers[-1:, :1]).any() for numbers in found):
        refuse("uses another constant at every step")
    given = [numbers[-1, 0] for numbers in found]
    first, alike = _distinct(base, given)
    refs = np.split(base[first], np.cumsum(widths)[:-1], axis=1)
    rows = times[:, None] * space.batch + sequences[None]
    return Group(refs, [numbers[first] for numbers in given], order, alike, rows, steps)


def _sorted(space: Space, refuse: Refuse, joined: Ids, step: Ids, sequence: Ids, steps: int, some: bool) -> tuple[Ids, Ids, Ids]:
    """Which items stand at (steps, sequences, items a step), in the order of what they read first; the steps and sequences."""
    times, sequences = distinct(step), distinct(sequence)
    last = int(times[-1]) if some and 2 * times.size > steps else steps - 1
    if (times != np.arange(last + 1 - times.size, last + 1)).any():
        refuse("takes some steps of the recording and leaves out its last one, or some between")
    key = step * space.batch + sequence
    counts = np.bincount(key)
    counts = counts[counts > 0]
    if counts.size != times.size * sequences.size or (counts != counts[0]).any():
        refuse("does not do the same at every step")
    order = np.argsort(key, kind="stable").reshape(times.size, sequences.size, -1)
    return order[:, :, np.argsort(joined[order[-1, 0], 0], kind="stable")], times, sequences


def _distinct(base: Ids, constants: Sequence[Floats]) -> tuple[Ids, Ids]:
    """Of items base (items, M) with constants (items, …) each: the first of every different one, in order, and which of these each is."""
    count = len(base)
    every = np.arange(count)
    if np.unique(base[:, 0]).size == count:
        return every, every
    number: dict[bytes, int] = {}
    parts = [base, *(np.asarray(values, np.float64).reshape(count, -1) for values in constants)]
    keys = [b"".join(row.tobytes() for row in rows) for rows in zip(*parts, strict=True)]
    alike = np.array([number.setdefault(key, len(number)) for key in keys])
    return np.unique(alike, return_index=True)[1], alike


def values(space: Space, ids: Ids) -> Floats:
    """Numbers that identities of constants stand for; NaN for others."""
    at = space.places(ids)
    found = np.full(ids.shape, np.nan)
    for index in distinct(at.wire):
        if isinstance(source := space.wires[index].source, Constant):
            mine = at.wire == index
            found[mine] = source.values[at.number[mine]]
    return found
