"""Attention that a graph spells out: a softmax over the steps of a recording, and the sum of rows weighted by it.

Pooling has one score a step; the rows of a recording that look at each other have one for each pair.
"""

import math
from dataclasses import replace

import numpy as np

from .cells import Cells
from .emitting import layer
from .expressions import Made, Scale, Scores, Weights
from .tracing import Flow, Tracer
from .wires import Ids


def over_steps(tracer: Tracer, ids: Ids) -> bool:
    """Whether the last axis of `ids` is that of the recording's steps."""
    step = tracer.space.places(ids).step
    return bool(ids.shape[-1] > 1 and (step == np.arange(ids.shape[-1])).all())


def weights(tracer: Tracer, flow: Flow) -> Flow:
    """Softmax over all steps of scores (…, steps). What it gives can weight a sum over the steps, and nothing else."""
    group = tracer.grouped([flow.ids.reshape(-1, 1)])
    return Flow(tracer.output(group, Weights(tracer.place, group.refs[0][:, 0])).reshape(flow.shape))


def weighted_sum(tracer: Tracer, ids: Ids) -> Ids | None:
    """Sum over the last axis of products (…, steps) of rows and weights; None where they are none."""
    if not over_steps(tracer, ids):
        return None
    products = np.moveaxis(ids, -1, 0).reshape(ids.shape[-1], tracer.space.batch, -1) if ids.ndim > 1 else ids[:, None, None]
    refs, backward, _ = tracer.sequence(products)
    cells = Cells(tracer.space)
    factors = None if backward else cells.pair(refs, "mul")
    for one, rows in (factors, factors[::-1]) if factors else ():
        if (score := _score(cells, one)) is not None:
            return _pooled(tracer, rows, score).reshape(ids.shape[:-1])
    return None


def weighted(tracer: Tracer, left: Flow, right: Flow) -> Flow | None:
    """Product of two arrays, one of which holds weights of the steps (…, 1, steps) or (…, steps, 1); None where none does."""
    steps = left.shape[-1]
    if left.ids.ndim < 2 or right.ids.ndim < 2 or right.shape[-2] != steps:
        return None
    for one, rows, side in ((left.ids, right.ids, -2), (np.swapaxes(right.ids, -1, -2), np.swapaxes(left.ids, -1, -2), -1)):
        if one.shape[-2] != 1 or not over_steps(tracer, one):
            continue
        refs, backward, _ = tracer.sequence(np.moveaxis(one, -1, 0).reshape(steps, tracer.space.batch, -1))
        score = None if backward else _score(Cells(tracer.space), refs)
        if score is not None:
            reads, turned, _ = tracer.sequence(np.moveaxis(rows, -2, 0).reshape(steps, tracer.space.batch, -1))
            if not turned:
                found = _pooled(tracer, reads, score).reshape(*rows.shape[:-2], rows.shape[-1])
                return Flow(np.expand_dims(found, side))
    return None


def _score(cells: Cells, refs: Ids) -> Ids | None:
    """The one score (1,) behind weights."""
    view = cells.view(refs)
    if view is None or not isinstance(view.source, Weights) or (view.numbers != view.numbers[0]).any():
        return None
    return view.source.refs[view.numbers[:1]]


def _pooled(tracer: Tracer, rows: Ids, score: Ids) -> Ids:
    """(batch, numbers): the pooled rows at the last step."""
    record = layer("AttentionPool", tracer.place)
    wire = tracer.space.allocate(Made(tracer.place, record, [rows, score]), tracer.steps, rows.size)
    ids: Ids = tracer.space.ids(wire)[-1]
    return ids


def scores(tracer: Tracer, left: Flow, right: Flow) -> Flow | None:
    """Products (…, steps, steps) of queries (…, steps, size) and keys (…, size, steps); None where they are none."""
    before = left.shape[:-2]
    if left.ids.ndim < 2 or right.ids.ndim < 2 or right.shape[:-2] != before or left.shape[-2] != right.shape[-1]:
        return None
    query, key = _side(tracer, left.ids), _side(tracer, np.swapaxes(right.ids, -1, -2))
    if query is None or key is None:
        return None
    return _scored(tracer, Scores(tracer.place, query, key, math.prod(before) // tracer.space.batch, before))


def shares(tracer: Tracer, ids: Ids) -> Flow | None:
    """Softmax over the last axis of such products, perhaps scaled; None where they are none."""
    found = _found(tracer, ids, shares=False)
    return None if found is None else _scored(tracer, replace(found, place=tracer.place, shares=True))


def mixed(tracer: Tracer, left: Flow, right: Flow) -> Flow | None:
    """Rows (…, steps, size) weighted by such shares (…, steps, steps); None where they are none."""
    found = _found(tracer, left.ids, shares=True)
    if found is None or right.ids.ndim < 2 or right.shape[:-2] != found.before or (value := _side(tracer, right.ids)) is None:
        return None
    record = layer("SelfAttention", tracer.place, query_size=found.query.size, heads=found.heads, scale=found.scale)
    wire = tracer.space.allocate(Made(tracer.place, record, [found.query, found.key_refs, value]), tracer.steps, value.size)
    return Flow(_arranged(tracer, tracer.space.ids(wire), found))


def _side(tracer: Tracer, rows: Ids) -> Ids | None:
    """What a step's row of all heads (…, steps, size) is; None where its second axis from the end is not that of the steps."""
    steps = rows.shape[-2]
    if not over_steps(tracer, np.swapaxes(rows, -1, -2)) or steps != tracer.steps:
        return None
    refs, backward, _ = tracer.sequence(np.moveaxis(rows, -2, 0).reshape(steps, tracer.space.batch, -1))
    return None if backward else refs


def _scored(tracer: Tracer, source: Scores) -> Flow:
    """Scores as the graph has them: (…, steps, steps)."""
    wire = tracer.space.allocate(source, tracer.steps, source.heads * tracer.steps)
    return Flow(_arranged(tracer, tracer.space.ids(wire), source))


def _arranged(tracer: Tracer, ids: Ids, source: Scores) -> Ids:
    """(steps, batch, heads * size) -> (…, steps, size)."""
    by_head = ids.reshape(tracer.steps, tracer.space.batch, source.heads, -1)
    turned: Ids = np.moveaxis(by_head, 0, -2)
    return turned.reshape(*source.before, tracer.steps, -1)


def _found(tracer: Tracer, ids: Ids, *, shares: bool) -> Scores | None:
    """The scores, or shares, that all of these are, with the factor by which they come."""
    space, factor = tracer.space, 1.0
    wire = space.wire_of(ids)
    inner = wire
    if wire is not None and isinstance(scaled := wire.source, Scale):
        inner, factor = space.wire_of(scaled.refs), float(scaled.scale[0])
        if (scaled.scale != factor).any() or scaled.offset.any() or inner is None or not np.array_equal(scaled.refs, space.last(inner)):
            return None
    if wire is None or inner is None or not isinstance(inner.source, Scores) or inner.source.shares != shares:
        return None
    same = np.array_equal(ids, _arranged(tracer, space.ids(wire), inner.source))
    return replace(inner.source, scale=inner.source.scale * factor) if same and not (shares and factor != 1) else None
