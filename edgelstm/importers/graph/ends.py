"""Numbers of a recording's ends: read there alone, or at every step."""

from typing import TYPE_CHECKING

import numpy as np

from ...layers.recording import Repeat, Reverse
from .expressions import Last, Made
from .wires import Ids, Places, Wire

if TYPE_CHECKING:
    from .tracing import Tracer


def at_ends(tracer: "Tracer", ids: Ids, at: Places) -> Ids:
    """Identities of the ends of a recording, of which its first row is one, replaced by those of a `Last`; others as they are.

    A layer that reads from the recording's end ends with its first row. Other first rows are taken where they are read alone, or where
    a recording may have any length. at: where the identities lie.
    """
    space = tracer.space
    timed, lengths = at.step >= 0, space.steps(at.wire)
    if not (at.step == 0).any() or ((at.step > 0) & (at.step < lengths - 1)).any() or np.ptp(lengths[timed]) or lengths.max() < 2:
        return ids
    steps = int(lengths.max())
    keys = at.wire * 2 + (at.step == 0)
    used = np.unique(keys[timed])
    firsts = used % 2 == 1
    natural = bool((firsts == [space.wires[key // 2].reverse for key in used]).all())
    if not (natural or (steps > 2 and (firsts.all() or tracer.open))):
        return ids
    last = tracer.lasts.get(tuple(used))
    if last is None:
        reads = [space.last(space.wires[key // 2]) for key in used]
        last = space.allocate(Last(tracer.place, reads, firsts.tolist()), steps, sum(read.size for read in reads))
        tracer.lasts[tuple(used)] = last
    starts = np.cumsum([0, *space.widths(used[:-1] // 2)])
    offset = starts[np.minimum(np.searchsorted(used, keys), used.size - 1)]
    new = last.start + ((steps - 1) * space.batch + at.sequence) * last.width + offset + at.number
    return np.where(timed, new, ids)


def held(tracer: "Tracer", ids: Ids, at: Places) -> Ids:
    """Identities (items, M), of which a column that reads the same end of a recording at every step reads a `Repeat` of it instead.

    Its numbers may be those of several wires, each of which it reads at one end: of a layer that reads from the recording's end, the first.
    """
    space = tracer.space
    timed = at.step >= 0
    moving = (at.step[:1] != at.step).any(axis=0)
    if moving.any() and (at.wire[:1] != at.wire).any():
        moving = np.zeros(ids.shape[1], bool)
        for index in np.unique(at.wire[timed]):
            mine = timed & (at.wire == index)
            moving |= np.where(mine, at.step, np.iinfo(np.int64).max).min(axis=0) < np.where(mine, at.step, -1).max(axis=0)
    still = ~moving
    if still.any():
        still &= timed.all(axis=0)
    if not still.any() or not moving.any():
        return ids
    step = at.step[:, moving].max(axis=1)  # (items,)
    lengths = np.unique(space.steps(at.wire[:, moving][timed[:, moving]]))
    if lengths.size > 1 or (step < 0).any():
        return ids
    found = ids.copy()
    for index in np.unique(at.wire[:, still]):
        wire, mine = space.wires[index], (at.wire == index) & still
        ends = np.unique(at.step[mine])
        if ends.size > 1 or wire.steps < 2 or ends[0] not in (0, wire.steps - 1):
            return ids
        repeat = _repeat(tracer, wire, int(ends[0]), int(lengths[0]))
        every = repeat.start + (step[:, None] * space.batch + at.sequence) * repeat.width + at.number
        found[mine] = every[mine]
    return found


def along_rows(tracer: "Tracer", ids: Ids) -> Ids:
    """An array of rows, of which some numbers are the same in all, an end of the recording, with a `Repeat` of that end in their place."""
    step = tracer.space.places(ids).step
    for axis, length in enumerate(ids.shape):
        rows, steps = (np.moveaxis(part, axis, 0).reshape(length, -1) for part in (ids, step))
        still, moving = (rows == rows[:1]).all(axis=0) & (steps[0] >= 0), (steps == np.arange(length)[:, None]).all(axis=0)
        if length > 1 and still.any() and (still | moving).all() and moving.any():
            pairs = np.stack([rows[:, still], np.broadcast_to(rows[:, moving][:, :1], (length, int(still.sum())))], axis=2)
            found = rows.copy()
            found[:, still] = held(tracer, flat := pairs.reshape(-1, 2), tracer.space.places(flat))[:, 0].reshape(length, -1)
            return np.moveaxis(found.reshape(np.moveaxis(ids, axis, 0).shape), 0, axis)
    return ids


def _repeat(tracer: "Tracer", wire: Wire, end: int, rows: int) -> Wire:
    """The first or last row of a wire at each of `rows` steps."""
    key = (wire.index, end, rows)
    if key not in tracer.repeats:
        reads = tracer.space.last(wire)
        if end == 0:
            reads = tracer.space.last(tracer.space.allocate(Made(tracer.place, Reverse(), [reads]), wire.steps, wire.width))
        made = Made(tracer.place, Repeat(None if rows == wire.steps else rows), [reads])
        tracer.repeats[key] = tracer.space.allocate(made, rows, wire.width)
    return tracer.repeats[key]
