"""Scores ``vector . tanh(query + key)`` of all steps of a recording by all steps, which a graph spells out.

A graph holds the sums as (…, steps, steps, numbers): those of a step's query and of all keys. `scores` follows what is made of the scores.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .expressions import Floats, Pairs, Scores
from .scores import arranged, in_order, over_steps, read
from .wires import Ids, Wire

if TYPE_CHECKING:
    from .tracing import Tracer


class _Paired(NamedTuple):
    """An array that is all sums of a wire."""

    wire: Wire
    source: Pairs


def added(tracer: "Tracer", left: Ids, right: Ids) -> Ids | None:
    """Sums of queries (…, steps, 1, numbers) and keys (…, 1, steps, numbers), in either order; None for others."""
    if left.ndim != right.ndim or left.ndim < 3:
        return None
    for a, b in ((left, right), (right, left)):
        *before, steps, one, numbers = a.shape
        if one != 1 or steps < 2 or b.shape != (*before, 1, steps, numbers):
            continue
        queries, keys = a[..., 0, :], b[..., 0, :, :]
        if not (over_steps(tracer, queries) and over_steps(tracer, keys)):
            continue
        order = in_order(tracer, queries)
        rows = [read(tracer, ids, order) for ids in (queries, keys)]
        if order.size != tracer.space.batch or rows[0] is None or rows[1] is None:
            continue
        wire = tracer.space.allocate(Pairs(tracer.place, rows[0], rows[1]), steps, steps * numbers)
        tracer.in_pairs = True
        return arranged(tracer.space.ids(wire), order, (*before, steps, steps * numbers)).reshape(*before, steps, steps, numbers)
    return None


def bounded(tracer: "Tracer", ids: Ids) -> Ids | None:
    """The tanh of sums by pairs; None where `ids` are none."""
    found = _of_pairs(tracer, ids)
    return None if found is None or found.source.vector is not None else _changed(tracer, found, ids, np.ones(ids.shape[-1]))


def scaled(tracer: "Tracer", ids: Ids, scales: Floats, offsets: Floats) -> Ids | None:
    """The tanh of sums by pairs times one factor for each number; None where `ids` are none."""
    found = _of_pairs(tracer, ids)
    if found is None or found.source.vector is None or np.any(offsets):
        return None
    factors = np.broadcast_to(scales, ids.shape).reshape(-1, ids.shape[-1])
    return None if (factors != factors[:1]).any() else _changed(tracer, found, ids, found.source.vector * factors[0])


def weighed(tracer: "Tracer", ids: Ids, weight: Floats) -> Ids | None:
    """Scores (…, steps, steps, 1): the tanh of sums by pairs times a column (numbers, 1); None where they are none."""
    found = _of_pairs(tracer, ids)
    if found is None or found.source.vector is None or weight.shape != (ids.shape[-1], 1):
        return None
    steps, source = found.wire.steps, found.source
    scores = Scores(tracer.place, 1, source.queries, source.keys, vector=found.source.vector * weight[:, 0])
    made = tracer.space.allocate(scores, steps, steps)
    return arranged(tracer.space.ids(made), in_order(tracer, ids[..., 0, :]), ids.shape[:-1])[..., None]


def _changed(tracer: "Tracer", found: _Paired, ids: Ids, vector: Floats) -> Ids:
    made = replace(found.source, place=tracer.place, vector=vector)
    return ids - found.wire.start + tracer.space.allocate(made, found.wire.steps, found.wire.width).start


def _of_pairs(tracer: "Tracer", ids: Ids) -> _Paired | None:
    """The wire of an array (…, steps, steps, numbers) that is all sums of one wire, in their order; None for others."""
    if not tracer.in_pairs or ids.ndim < 3:
        return None
    wire = tracer.space.wire_of(ids)
    if wire is None or not isinstance(wire.source, Pairs) or ids.size != wire.steps * tracer.space.batch * wire.width:
        return None
    flat = (*ids.shape[:-2], ids.shape[-2] * ids.shape[-1])
    if flat[-2:] != (wire.steps, wire.width):
        return None
    expected = arranged(tracer.space.ids(wire), in_order(tracer, ids[..., 0, :]), flat)
    return _Paired(wire, wire.source) if np.array_equal(ids.reshape(flat), expected) else None
