"""Attention to a memory that a graph spells out: scores of its rows, their softmax, and the sum of rows weighted by it.

A memory is an input of rows that a decoder is given once. All that is made of a row must be made alike of every row.
"""

from typing import NamedTuple

import numpy as np

from ...layers.attention import MOST_NUMBERS
from ...layers.feedforward import Softmax
from .cells import Cells
from .emitting import layer
from .expressions import Affine, Floats, Made, Memory, spread
from .tracing import Flow, Tracer
from .wires import Ids

#: Most rows of a memory whose length is open.
_MOST_ROWS = 512


class _Rows(NamedTuple):
    """What is made of each row: ``weight row + bias``; weight (numbers, size), bias (numbers,)."""

    memory: Memory
    weight: Floats
    bias: Floats


class _Scoring(NamedTuple):
    """How rows are scored: by which query, and as a layer says it."""

    query: Ids
    keys: _Rows
    score: str
    scale: float
    vector: Floats | None


def recalled(tracer: Tracer, shares: Ids, rows: Ids) -> Ids | None:
    """Rows (rows, numbers) of a memory, or what is made of them, weighted by a softmax (rows,): (numbers,); None for others."""
    if not tracer.memories or shares.size != len(rows):
        return None
    cells = Cells(tracer.space)
    view = cells.view(shares)
    if view is None or not isinstance(view.source, Made) or not isinstance(view.source.record, Softmax):
        return None
    scores = np.concatenate(view.source.reads)
    values = _rows(cells, rows)
    if values is None or scores.size != shares.size or not np.array_equal(view.numbers, np.arange(shares.size)):
        return None
    found = _scored(tracer, cells, scores)
    if found is None or found.keys.memory is not values.memory:
        return None
    size, most = values.memory.size, values.memory.rows or _MOST_ROWS
    most = min(most, MOST_NUMBERS // (len(found.keys.weight) + len(values.weight)))
    given = {**_projection("key", found.keys), **_projection("value", values), "score": found.score, "scale": found.scale}
    record = layer("Attention", tracer.place, memory_size=size, rows=most, vector=found.vector, **given)
    wire = tracer.space.allocate(Made(tracer.place, record, [found.query]), tracer.steps, len(values.weight))
    return tracer.space.last(wire)


def recalled_product(tracer: Tracer, a: Flow, b: Flow) -> Flow | None:
    """The product of weights (…, 1, rows) and rows (…, rows, numbers); or of their transposes in the other order."""
    for one, rows, turned in ((a.ids, b.ids, False), (np.swapaxes(b.ids, -1, -2), np.swapaxes(a.ids, -1, -2), True)):
        if min(one.ndim, rows.ndim) < 2 or one.size != one.shape[-1] or rows.size != rows.shape[-1] * rows.shape[-2]:
            continue
        if (found := recalled(tracer, one.ravel(), rows.reshape(rows.shape[-2:]))) is not None:
            shape = (*rows.shape[:-2], 1, rows.shape[-1])
            return Flow(np.swapaxes(found.reshape(shape), -1, -2) if turned else found.reshape(shape))
    return None


def recalled_sum(tracer: Tracer, ids: Ids) -> Ids | None:
    """The sum over the last axis of products (…, rows) of weights and rows."""
    if not tracer.memories or ids.ndim < 2:
        return None
    products = np.moveaxis(ids.reshape(-1, ids.shape[-1]), -1, 0)  # (rows, numbers)
    factors = Cells(tracer.space).pair(products.ravel(), "mul")
    for one, rows in (factors, factors[::-1]) if factors else ():
        shares = one.reshape(products.shape)
        if (shares == shares[:, :1]).all() and (found := recalled(tracer, shares[:, 0], rows.reshape(products.shape))) is not None:
            return found.reshape(ids.shape[:-1])
    return None


def _projection(name: str, rows: _Rows) -> dict[str, Floats]:
    """The fields of a layer that say what is made of each row; none where it is the row itself."""
    if np.array_equal(rows.weight, np.eye(rows.memory.size)) and not rows.bias.any():
        return {}
    return {f"{name}_weight": rows.weight, f"{name}_bias": rows.bias}


def _rows(cells: Cells, ids: Ids) -> _Rows | None:
    """What numbers (rows, numbers) are of each row of a memory; None where they are of none, or not alike."""
    view = cells.view(ids.ravel())
    if view is None:
        return None
    if isinstance(view.source, Memory):
        numbers = np.arange(view.source.size * len(ids))
        return _alike(view.source, np.eye(numbers.size)[view.numbers], np.zeros(ids.size), numbers, len(ids))
    if not isinstance(view.source, Affine):
        return None
    memory = cells.view(view.source.refs)
    if memory is None or not isinstance(memory.source, Memory):
        return None
    return _alike(memory.source, view.source.weight[view.numbers], view.source.bias[view.numbers], memory.numbers, len(ids))


def _alike(memory: Memory, weight: Floats, bias: Floats, numbers: Ids, rows: int) -> _Rows | None:
    """weight (rows x made, numbers), bias (rows x made,) as what is made of each row, if that is the same for all."""
    full = spread(weight, numbers, rows * memory.size).reshape(rows, -1, rows, memory.size)
    each, biases = full[np.arange(rows), :, np.arange(rows)], bias.reshape(rows, -1)  # (rows, made, size), (rows, made)
    apart = full.copy()
    apart[np.arange(rows), :, np.arange(rows)] = 0
    if apart.any() or (each != each[:1]).any() or (biases != biases[:1]).any():
        return None
    return _Rows(memory, each[0], biases[0])


def _scored(tracer: Tracer, cells: Cells, scores: Ids) -> _Scoring | None:
    """How scores (rows,) are made of a query and the rows of a memory."""
    view = cells.view(scores)
    if view is None or not isinstance(view.source, Affine) or np.ptp(view.source.bias[view.numbers]):
        return None
    weight, refs = view.source.weight[view.numbers], view.source.refs  # (rows, refs), (refs,)
    count = np.count_nonzero(weight, axis=1)
    if not count[0] or (count != count[0]).any():
        return None
    columns = np.nonzero(weight)[1].reshape(len(weight), -1)  # (rows, numbers of one)
    vector = np.take_along_axis(weight, columns, 1)
    if (vector != vector[:1]).any():
        return None
    products, function = cells.pair(refs, "mul"), cells.function(refs)
    if products is not None and (vector == vector[0, 0]).all():
        return _by_product(cells, [one[columns] for one in products], float(vector[0, 0]))
    if function is not None and function[0] == "tanh":
        return _by_sum(tracer, cells, function[1][columns], vector[0])
    return None


def _by_product(cells: Cells, factors: list[Ids], scale: float) -> _Scoring | None:
    """Scores that are products of a query and a key, (rows, numbers) each."""
    for query, keys in (factors, factors[::-1]):
        if (query == query[:1]).all() and (rows := _rows(cells, keys)) is not None:
            return _Scoring(query[0], rows, "dot", scale, None)
    return None


def _by_sum(tracer: Tracer, cells: Cells, inner: Ids, vector: Floats) -> _Scoring | None:
    """Scores that weight the tanh of a query and a key together: inner (rows, numbers)."""
    terms = cells.pair(inner.ravel(), "add")
    for one, keys in (terms, terms[::-1]) if terms else ():
        queries, rows = one.reshape(inner.shape), _rows(cells, keys.reshape(inner.shape))
        if (queries == queries[:1]).all() and rows is not None:
            return _Scoring(queries[0], rows, "additive", 1.0, vector)
    view = cells.view(inner.ravel())
    if view is None or not isinstance(view.source, Affine):
        return None
    weight, bias, refs = view.source.weight[view.numbers], view.source.bias[view.numbers], view.source.refs
    at = tracer.space.places(refs)
    mine = np.array([isinstance(tracer.space.wires[index].source, Memory) for index in at.wire])
    memories = [tracer.space.wires[index].source for index in np.unique(at.wire[mine])]
    others = weight[:, ~mine].reshape(*inner.shape, -1)
    if len(memories) != 1 or (others != others[:1]).any():
        return None
    (memory,) = memories
    assert isinstance(memory, Memory)
    rows = _alike(memory, weight[:, mine], bias, at.number[mine], len(inner))
    if rows is None:
        return None
    query = tracer.space.allocate(Affine(tracer.place, others[0], np.zeros(len(others[0])), refs[~mine]), tracer.steps, len(others[0]))
    return _Scoring(tracer.space.last(query), rows, "additive", 1.0, vector)
