"""Rows that come late: constants joined in front of a recording, of which as many rows are cut off at its end.

``cat([zeros, x[:, :-1]], 1)`` is x one step late, and begins as zeros: the numbers of a wire, as operators can compute with them.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .expressions import Floats, Scale
from .wires import Ids

if TYPE_CHECKING:
    from .tracing import Tracer

#: The largest constant in front that is no zero: it is taken off and added again, which rounds.
_MOST = 16.0

#: Most rows in front.
_MOST_ROWS = 64


class _Columns(NamedTuple):
    """Numbers of every step, (columns,) each: their wire, place and sequence, how many rows late they come, and the constant before."""

    wire: Ids
    number: Ids
    sequence: Ids
    rows: Ids
    value: Floats


def known_in(tracer: "Tracer", ids: Ids) -> NDArray[np.bool_] | None:
    """Which of some numbers are constants, as rows are that were joined in front of a recording; None where none are, or all."""
    at = tracer.space.places(ids)
    if (at.step >= 0).all() or (at.step < 0).all():
        return None
    known = np.isfinite(tracer.values(ids))
    return known if known.any() else None


def beside(tracer: "Tracer", known: NDArray[np.bool_], values: Floats, rest: Ids) -> Ids:
    """Constants where they are known, and the rest at all other places."""
    ids = np.empty(known.shape, np.int64)
    ids[known], ids[~known] = tracer.ids(values), rest
    return ids


def late(tracer: "Tracer", ids: Ids) -> Ids | None:
    """`ids` whose first rows along the axis of the steps are constants, as those of a wire; None for others."""
    space = tracer.space
    at = space.places(ids)
    lengths = np.unique(space.steps(at.wire)[at.step >= 0])
    if lengths.size != 1 or not (at.step < 0).any():
        return None
    steps = int(lengths[0])
    for axis in [axis for axis, size in enumerate(ids.shape) if size == steps > 1]:
        rows = np.moveaxis(ids, axis, 0)
        found = _columns(tracer, rows.reshape(steps, -1))
        if found is not None:
            return np.moveaxis(_wired(tracer, found, steps).reshape(rows.shape), 0, axis)
    return None


def _columns(tracer: "Tracer", table: Ids) -> _Columns | None:
    """The columns of (steps, columns), if each is one number of every step, so many steps late."""
    space, steps = tracer.space, len(table)
    at, values = space.places(table), tracer.values(table)
    flows = at.step >= 0
    count = (~flows).sum(axis=0)  # rows in front, of each column
    expected = np.arange(steps)[:, None] - count
    if not (flows == (expected >= 0)).all() or (at.step != expected)[flows].any() or count.max() > min(_MOST_ROWS, steps // 2):
        return None
    last = type(at)(*(part[-1] for part in at))
    if any((np.where(flows, part, end) != end).any() for part, end in ((at.wire, last.wire), (at.number, last.number))):
        return None
    first = np.where(count > 0, values[0], 0.0)
    if (at.sequence != last.sequence)[flows].any() or (~flows & (values != first)).any() or not (np.abs(first) <= _MOST).all():
        return None
    return _Columns(last.wire, last.number, last.sequence, count, first)


def _wired(tracer: "Tracer", found: _Columns, steps: int) -> Ids:
    """Identities (steps, columns) of a wire that holds such columns."""
    space = tracer.space
    keys = np.stack([found.wire, found.number, found.rows, np.unique(found.value, return_inverse=True)[1]], axis=1)
    each, first, where = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    wires, value = [space.wires[index] for index in each[:, 0].tolist()], found.value[first]
    refs = np.array([space.last(wire)[number] for wire, number in zip(wires, each[:, 1], strict=True)])
    if value.any():
        wires = [tracer.wire(Scale(tracer.place, np.ones(len(each)), -value, refs), steps, len(each))] * len(each)
        refs = space.last(wires[0])
    refs = refs - each[:, 2] * space.batch * np.array([wire.width for wire in wires])
    made = tracer.wire(Scale(tracer.place, np.ones(len(each)), value, refs), steps, len(each))
    rows = np.arange(steps)[:, None] * space.batch + found.sequence
    return np.asarray(made.start + rows * made.width + where.reshape(-1))
