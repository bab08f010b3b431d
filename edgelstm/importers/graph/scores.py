"""Attention of a recording's steps to each other, which a graph spells out: scores of all steps by all steps, a softmax, and weighted sums.

A graph holds scores as (…, steps, steps), heads and sequences in the axes before. `expressions.Scores` has the heads of one step side by
side, the keys of all steps for each.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .emitting import layer
from .expressions import Floats, Made, Scores
from .wires import Ids, Wire

if TYPE_CHECKING:
    from .tracing import Flow, Tracer

#: What is added to a score lies below this where a step is not to look at another.
_APART = -1e4


class Looking(NamedTuple):
    """An array that is all scores of a wire. order: for each sequence and head, in this order, its place among the array's leading axes."""

    wire: Wire
    source: Scores
    order: Ids


def product(tracer: "Tracer", left: "Flow", right: "Flow") -> Ids | None:
    """Product of queries (…, steps, size) and keys (…, size, steps), or of weights (…, steps, steps) and rows; None where it is neither."""
    a, b = left.ids, right.ids
    if min(a.ndim, b.ndim) < 2 or a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2]:
        return None
    if (found := of_scores(tracer, a)) is not None:
        return _weighted(tracer, found, b) if found.source.shares else None
    steps, keys = a.shape[-2], np.swapaxes(b, -1, -2)
    if steps < 2 or b.shape[-1] != steps or not (over_steps(tracer, a) and over_steps(tracer, keys)):
        return None
    order = in_order(tracer, a)
    rows = [read(tracer, ids, order) for ids in (a, keys)]
    if order.size % tracer.space.batch or rows[0] is None or rows[1] is None:
        return None
    heads = order.size // tracer.space.batch
    wire = tracer.space.allocate(Scores(tracer.place, heads, rows[0], rows[1]), steps, heads * steps)
    return arranged(tracer.space.ids(wire), order, (*a.shape[:-1], steps))


def adjusted(tracer: "Tracer", ids: Ids, scales: Floats, offsets: Floats) -> Ids | None:
    """Scores times one factor, those of later steps far below all others where so much is added; None where `ids` are no scores."""
    if ids.ndim > 2 and ids.shape[-1] == 1:
        scales, offsets = (np.broadcast_to(part, ids.shape)[..., 0] for part in (scales, offsets))
        inner = adjusted(tracer, ids[..., 0], scales, offsets)
        return None if inner is None else inner[..., None]
    ids = _exchanged(tracer, ids)
    if (found := of_scores(tracer, ids)) is None or found.source.shares:
        return None
    steps, offsets = ids.shape[-1], np.broadcast_to(offsets - np.max(offsets), ids.shape)  # what all have more, no softmax sees
    later = np.broadcast_to(np.arange(steps) > np.arange(steps)[:, None], ids.shape)
    causal = bool(offsets.any())
    if (scales != scales.flat[0]).any() or offsets[~later].any() or (causal and (offsets[later] > _APART).any()):
        tracer.refuse("changes the scores of steps by more than one factor, and a mask by which no step looks at later ones")
    factor = found.source.factor * float(scales.flat[0])
    return _changed(tracer, found, ids, factor=factor, causal=found.source.causal or causal)


def softmax(tracer: "Tracer", ids: Ids) -> Ids | None:
    """The softmax over its last axis of an array of scores; None where it is none."""
    ids = _exchanged(tracer, ids)
    found = of_scores(tracer, ids)
    return None if found is None or found.source.shares else _changed(tracer, found, ids, shares=True)


def looked(tracer: "Tracer", parts: Sequence[Ids], factor: float, mask: Floats) -> Ids | None:
    """Attention as one operator: queries, keys and values, (…, steps, numbers) each, and what is added to scores.

    None where it is none of a recording's steps to each other.
    """
    from .tracing import Flow

    queries, keys, values = parts
    scores = product(tracer, Flow(queries), Flow(np.swapaxes(keys, -1, -2)))
    scores = None if scores is None else adjusted(tracer, scores, np.full((), factor), mask)
    shares = None if scores is None else softmax(tracer, scores)
    return None if shares is None else product(tracer, Flow(shares), Flow(values))


def of_scores(tracer: "Tracer", ids: Ids) -> Looking | None:
    """The wire of an array (…, steps, steps) that is all scores of one wire, in their order; None for others."""
    wire = tracer.space.wire_of(ids)
    if wire is None or not isinstance(wire.source, Scores) or ids.ndim < 2 or ids.size != wire.steps * tracer.space.batch * wire.width:
        return None
    at = tracer.space.places(ids.reshape(-1, *ids.shape[-2:])[:, 0, 0])
    order = np.lexsort((at.number, at.sequence))
    same = np.array_equal(ids, arranged(tracer.space.ids(wire), order, ids.shape))
    return Looking(wire, wire.source, order) if same else None


def _exchanged(tracer: "Tracer", ids: Ids) -> Ids:
    """Scores (…, steps, steps) of keys by queries whose last axes a graph has turned, as those of queries by keys; others as they are."""
    if ids.ndim < 2 or ids.shape[-1] != ids.shape[-2] or of_scores(tracer, ids) is not None:
        return ids
    found = of_scores(tracer, np.swapaxes(ids, -1, -2))
    if found is None or found.source.shares or found.source.causal:
        return ids
    source = replace(found.source, place=tracer.place, queries=found.source.keys, keys=found.source.queries)
    wire = tracer.space.allocate(source, found.wire.steps, found.wire.width)
    return arranged(tracer.space.ids(wire), found.order, ids.shape)


def _changed(tracer: "Tracer", found: Looking, ids: Ids, **fields: Any) -> Ids:
    wire = tracer.space.allocate(replace(found.source, place=tracer.place, **fields), found.wire.steps, found.wire.width)
    return ids - found.wire.start + wire.start


def _weighted(tracer: "Tracer", found: Looking, rows: Ids) -> Ids | None:
    """Rows (…, steps, numbers) weighted by the softmax of scores: (…, steps, numbers)."""
    if not over_steps(tracer, rows) or (values := read(tracer, rows, found.order)) is None:
        return None
    source = found.source
    options: dict[str, Any] = {"heads": source.heads, "scale": source.factor, "causal": source.causal}
    if source.vector is not None:
        options |= {"score": "additive", "vector": source.vector}
    record = layer("SelfAttention", tracer.place, query_size=source.queries.size, **options)
    wire = tracer.space.allocate(Made(tracer.place, record, [source.queries, source.keys, values]), found.wire.steps, values.size)
    return arranged(tracer.space.ids(wire), found.order, rows.shape)


def over_steps(tracer: "Tracer", ids: Ids) -> bool:
    """Whether the axis before the last is that of the recording's steps."""
    step = tracer.space.places(ids).step
    return bool((step == np.arange(ids.shape[-2])[:, None]).all())


def in_order(tracer: "Tracer", ids: Ids) -> Ids:
    """The places of an array's leading axes (…, steps, numbers) by the sequence that stands there."""
    return np.argsort(tracer.space.places(ids.reshape(-1, *ids.shape[-2:])[:, 0, 0]).sequence, kind="stable")


def read(tracer: "Tracer", ids: Ids, order: Ids) -> Ids | None:
    """What a layer reads at one step of (…, steps, numbers): (heads * numbers,); None where steps run backward."""
    steps, numbers = ids.shape[-2:]
    rows = ids.reshape(-1, steps, numbers)[order].reshape(tracer.space.batch, -1, steps, numbers)
    refs, backward, _ = tracer.sequence(rows.transpose(2, 0, 1, 3).reshape(steps, tracer.space.batch, -1))
    return None if backward else refs


def arranged(ids: Ids, order: Ids, shape: tuple[int, ...]) -> Ids:
    """(steps, batch, heads * numbers) as an array of a graph: (…, steps, numbers)."""
    steps, batch = ids.shape[:2]
    found = np.empty((order.size, steps, shape[-1]), np.int64)
    found[order] = ids.reshape(steps, batch, -1, shape[-1]).transpose(1, 2, 0, 3).reshape(order.size, steps, shape[-1])
    return found.reshape(shape)
