"""LSTM cells that a graph spells out in single operators: peepholes, coupled gates, clips and projections too.

The names of parts are those of `layers.lstm.LSTM`, whose steps are followed here from the end to the beginning.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...layers.activations import parts
from ...layers.lstm import LSTM
from . import normed_cells
from .expressions import Affine, Combine, Floats, Made, Scale, State
from .rounding import sources
from .wires import Ids, Wire

if TYPE_CHECKING:
    from .cells import Cells


class _Gates(NamedTuple):
    """Gates i, f and g of a cell state and c0. `coupled`: the gate of i and f that is derived, as the record says it; its ids are None."""

    i: Ids | None
    f: Ids | None
    g: Ids
    c0: Floats
    coupled: str | None


class _Gate(NamedTuple):
    """A gate's function, the sums that it is of, and its peephole."""

    word: str
    sums: Ids
    peephole: Floats


def lstm(cells: "Cells", wire: Wire) -> Made | None:
    """The LSTM layer whose output is `wire`; None where it is none's. Of two readings that with one function for all gates is taken."""
    found: list[Made] = []
    for fields, reads in _readings(cells, cells.space.last(wire)):
        bias = fields.pop("inside_of_h", None)
        if bias is not None and (wire.reverse or fields.get("projection_clip") is not None):
            continue
        made = Made(wire.source.place, LSTM(**fields), [reads], "weight_ih")
        made = made if bias is None else normed_cells.with_one_behind(cells, wire, made, bias)
        if isinstance(fields["gate_activation"], str):
            return made
        found.append(made)
    return found[0] if found else None


def _readings(cells: "Cells", h: Ids) -> Iterator[tuple[dict[str, Any], Ids]]:
    """Each reading of h as an LSTM's: the fields of its record, and what it reads."""
    for m, projection in _projected(cells, h):
        for out, squashed in _orders(cells.pair(m, "mul")):
            cell = cells.function(squashed) or ("linear", squashed)
            for after, before, options in _cell_states(cells, cell[1]):
                for gates in _gates(cells, before, after):
                    if (sums := _sums(cells, h, gates, out, after)) is None:
                        continue
                    fields, reads = sums
                    if not fields["weight_hh"].any() and (projection or _of_states(cells, reads)):
                        continue  # what reads an output that is not fed back is a layer of its own; states may be led back otherwise
                    if (norms := normed_cells.together(fields, options)) is not None:
                        yield {**fields, **projection, **norms, "output_activation": cell[0]}, reads


def _of_states(cells: "Cells", reads: Ids) -> bool:
    """Whether some of these are states, or rounded from states."""
    return any(isinstance(source, State) for source in sources(cells.space, reads))


def _orders(pair: list[Ids] | None) -> list[list[Ids]]:
    return [pair, pair[::-1]] if pair else []


def _unclipped(cells: "Cells", ids: Ids) -> tuple[Ids, float | None]:
    """What is clipped, and to what magnitude; `ids` themselves and None where nothing is."""
    found = cells.function(ids)
    if found is None or not found[0].startswith("clip("):
        return ids, None
    _, (low, high) = parts(found[0])
    return (found[1], high) if low == -high < 0 else (ids, None)


def _cell_states(cells: "Cells", ids: Ids) -> Iterator[tuple[Ids, Ids, dict[str, Any]]]:
    """Each reading of what goes to h as a cell: what the old cell becomes, the sum before its clip and norm, and the options for it."""
    before, clip = _unclipped(cells, ids)
    yield ids, before, {"cell_clip": clip}
    if (stored := normed_cells.whole(cells, before)) is not None:
        yield ids, stored.inner, {"cell_clip": clip, "cell_norm": "state", **stored.of_cell()}
    if (found := normed_cells.whole(cells, ids)) is not None:
        before, clip = _unclipped(cells, found.inner)
        yield found.inner, before, {"cell_clip": clip, "cell_norm": "output", **found.of_cell()}


def _projected(cells: "Cells", h: Ids) -> Iterator[tuple[Ids, dict[str, Any]]]:
    """What is projected to h, with the fields that say how; h itself, if it is a product."""
    view = cells.view(h)
    if view is not None and isinstance(view.source, Combine):
        yield h, {}
        return
    inner, clip = _unclipped(cells, h)
    view = cells.view(inner)
    if view is None or not isinstance(view.source, Affine):
        return
    refs, bias = view.source.refs, view.source.bias[view.numbers]
    weight = view.source.weight[view.numbers]
    yield refs, {"weight_hr": weight, "bias_hr": bias if bias.any() else None, "projection_clip": clip}


def _gates(cells: "Cells", c: Ids, after: Ids) -> Iterator[_Gates]:
    """Each reading of ``c = f c_before + i g``, where `after` is what becomes c_before."""
    for kept, new in _orders(cells.pair(c, "add")):
        for forget, before in _orders(cells.pair(kept, "mul")):
            c0 = cells.initial(before, after)
            for i, g in _orders(cells.pair(new, "mul")) if c0 is not None else ():
                assert c0 is not None
                if cells.complement(i, forget):
                    yield _Gates(None, forget, g, c0, "i=1-f")
                elif cells.complement(forget, i):
                    yield _Gates(i, None, g, c0, "f=1-i")
                else:
                    yield _Gates(i, forget, g, c0, None)


def _gate(cells: "Cells", ids: Ids, after: Ids, old: bool) -> _Gate | None:
    """A gate; its peephole looks at the cell state before the step if `old`, else behind it, which is `after`."""
    found = cells.function(ids)
    if found is None:
        return None
    word, sums = found
    for rest, looks in _orders(cells.pair(sums, "add")):
        view = cells.view(looks)
        scale: Floats = np.ones(looks.size)
        at = looks
        if view is not None and isinstance(view.source, Scale) and not view.source.offset[view.numbers].any():
            at, scale = view.source.refs[view.numbers], view.source.scale[view.numbers]
        if cells.initial(at, after) is not None if old else np.array_equal(at, after):
            return _Gate(word, rest, scale)
    return _Gate(word, sums, np.zeros(ids.size))


def _sums(cells: "Cells", h: Ids, gates: _Gates, out: Ids, after: Ids) -> tuple[dict[str, Any], Ids] | None:
    """The fields of the record that the gates give, and what they read."""
    given = [(gates.i, True), (gates.f, True), (out, False)]
    found = [None if ids is None else _gate(cells, ids, after, old) for ids, old in given]
    candidate = cells.function(gates.g) or ("linear", gates.g)
    if any(gate is None and ids is not None for gate, (ids, _) in zip(found, given, strict=True)):
        return None
    known = [gate for gate in found if gate is not None]
    rows = [gate.sums for gate in known]
    rows = [*rows[:-1], candidate[1], rows[-1]]
    sums, norms = cells.gates(rows, h, bare=True, rounds=True), dict[str, Any]()
    if sums is None and (inside := normed_cells.sums(cells, rows, h)) is not None:
        sums, norms = inside
    if sums is None:
        return None
    words = [gate.word for gate in known]
    arrays: dict[str, Floats] = {"weight_ih": sums.weight_ih, "weight_hh": sums.weight_hh, "bias": norms.get("bias", sums.bias)}
    if gates.coupled is not None:
        place = found.index(None)
        arrays = {name: np.insert(array, [place * candidate[1].size] * candidate[1].size, 0, axis=0) for name, array in arrays.items()}
        words.insert(place, words[0])
    peephole: list[Floats] = [np.zeros(candidate[1].size) if gate is None else gate.peephole for gate in found]
    return {
        **norms,
        **arrays,
        "h0": sums.initial if sums.initial.any() else None,
        "c0": gates.c0 if gates.c0.any() else None,
        "coupled": gates.coupled,
        "peephole": np.stack(peephole) if any(row.any() for row in peephole) else None,
        "gate_activation": words[0] if len(set(words)) == 1 else tuple(words),
        "cell_activation": candidate[0],
        "fake_quantize_hidden": sums.rounded,
    }, sums.reads
