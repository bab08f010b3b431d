"""Attention that a graph spells out: a softmax over the steps of a recording, and the sum of rows weighted by it."""

import numpy as np

from .cells import Cells
from .emitting import layer
from .expressions import Made, Weights
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
