"""Leaky units that a graph spells out: ``h = a h_before + b act(weight_ih x + weight_hh h_before + bias)`` with constants a and b.

An `LSTM` computes them, whose gates are constants: f is a, i is b, o is 1, and whose output is the cell itself.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...layers.lstm import LSTM
from .expressions import Combine, Floats, Made, Scale
from .wires import Ids

if TYPE_CHECKING:
    from .cells import Cells


class _Leak(NamedTuple):
    """a and b, what the activation is of, its word, and h0."""

    kept: Floats
    new: Floats
    sums: Ids
    word: str
    h0: Floats


def leaky(cells: "Cells", h: Ids, source: Combine) -> Made | None:
    """The layer whose output is `h`; None where it is no leaky unit's."""
    found = _leak(cells, h, source)
    sums = None if found is None else cells.gates([found.sums], h)
    if found is None or sums is None:
        return None
    record = LSTM(
        _above(sums.weight_ih),
        _above(sums.weight_hh),
        np.concatenate([found.new, found.kept, sums.bias, np.ones(h.size)]),
        h0=found.h0 if found.h0.any() else None,
        c0=found.h0 if found.h0.any() else None,
        gate_activation="linear",
        cell_activation=found.word,
        output_activation="linear",
    )
    return Made(source.place, record, [sums.reads], "weight_ih")


def _above(rows: Floats) -> Floats:
    """The rows of g, with zeros as those of gates i, f and o."""
    zeros = np.zeros_like(rows)
    return np.concatenate([zeros, zeros, rows, zeros])


def _leak(cells: "Cells", h: Ids, source: Combine) -> _Leak | None:
    """A sum as ``a h_before + b n``, or as ``h_before + b (n - h_before)``."""
    if source.operation != "add":
        return None
    for old, step in ((source.left, source.right), (source.right, source.left)):
        kept, before = _scaled(cells, old)
        if (h0 := cells.initial(before, h)) is None:
            continue
        new, inner = _scaled(cells, step)
        for n, minus in (terms, terms[::-1]) if (terms := cells.pair(inner, "add")) else ():
            factor, of = _scaled(cells, minus)
            if np.array_equal(of, before):
                kept, inner = kept + new * factor, n
                break
        scale, inner = _scaled(cells, inner)
        word, sums = cells.function(inner) or ("linear", inner)
        if word != "linear":
            return _Leak(kept, new * scale, sums, word, h0)
    return None


def _scaled(cells: "Cells", ids: Ids) -> tuple[Floats, Ids]:
    """What `ids` are multiples of, and by how much."""
    view = cells.view(ids)
    if view is None or not isinstance(view.source, Scale) or view.source.offset[view.numbers].any():
        return np.ones(ids.size), ids
    return view.source.scale[view.numbers], view.source.refs[view.numbers]
