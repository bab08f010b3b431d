"""GRU cells that a graph spells out in single operators: the state is a blend of what it was and of a candidate.

The names of parts are those of `layers.gru.GRU` and `layers.minimal.MinGRU`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...layers.gru import GRU
from ...layers.minimal import MinGRU
from . import normed_gru_cells
from .expressions import Affine, Combine, Floats, Made, Scale, Sum
from .wires import Ids

if TYPE_CHECKING:
    from .cells import Cells

#: What the bias of a gate is that is always open: its sigmoid is 1 in every number form.
_OPEN = 100.0


class _Blend(NamedTuple):
    """``h = z h_before + (1 - z) candidate``, and h0. `opposite`: the gate is of what comes new, ``1 - z``."""

    gate: Ids
    candidate: Ids
    h0: Floats
    opposite: bool = False


class _Gate(NamedTuple):
    """A gate's function, the sums that it is of, and what these are multiplied with to give z."""

    word: str
    sums: Ids
    sign: int


def gru(cells: "Cells", h: Ids, source: Combine) -> Made | None:
    """The GRU layer whose output is `h`, in the forms that exporters write; None where it is none's."""
    for blend in _blends(cells, h, source):
        found, candidate = cells.function(blend.gate), cells.function(blend.candidate) or ("linear", blend.candidate)
        if found is None or (blend.opposite and found[0] != "sigmoid"):
            continue  # 1 - sigmoid(x) is sigmoid(-x), which holds for few others
        made = _of(cells, h, _Gate(*found, -1 if blend.opposite else 1), candidate, blend.h0, source.place)
        if made is not None:
            return made
    return None


def _orders(pair: list[Ids] | None) -> list[list[Ids]]:
    return [pair, pair[::-1]] if pair else []


def _blends(cells: "Cells", h: Ids, source: Combine) -> Iterator[_Blend]:
    """Each reading of a sum as a blend."""
    if source.operation != "add":
        return
    for first, second in _orders([source.left, source.right]):
        new = cells.pair(second, "mul")
        for z, before in _orders(cells.pair(first, "mul")):
            if (h0 := cells.initial(before, h)) is not None:
                for rest, n in _orders(new):
                    if cells.complement(rest, z):
                        yield _Blend(z, n, h0)
                    elif cells.complement(z, rest):
                        yield _Blend(rest, n, h0, True)
            if (h0 := _difference(cells, before, second, h)) is not None:
                yield _Blend(z, second, h0)
        if (h0 := cells.initial(first, h)) is not None:
            for z, step in _orders(new):
                if (candidate := _toward(cells, step, first)) is not None:
                    yield _Blend(z, candidate, h0, True)


def _negative(cells: "Cells", ids: Ids) -> Ids | None:
    """What `ids` are -1 times; None for others."""
    view = cells.view(ids)
    if view is None or not isinstance(view.source, Scale) or (view.source.scale[view.numbers] != -1).any():
        return None
    return None if view.source.offset[view.numbers].any() else view.source.refs[view.numbers]


def _difference(cells: "Cells", ids: Ids, n: Ids, h: Ids) -> Floats | None:
    """h0, if `ids` are ``h_before - n``."""
    for before, minus in _orders(cells.pair(ids, "add")):
        found = _negative(cells, minus)
        if found is not None and np.array_equal(found, n):
            return cells.initial(before, h)
    return None


def _toward(cells: "Cells", ids: Ids, before: Ids) -> Ids | None:
    """n, if `ids` are ``n - before``."""
    for n, minus in _orders(cells.pair(ids, "add")):
        found = _negative(cells, minus)
        if found is not None and np.array_equal(found, before):
            return n
    return None


def _of(cells: "Cells", h: Ids, gate: _Gate, candidate: tuple[str, Ids], h0: Floats, place: str) -> Made | None:
    words: dict[str, Any] = {"gate_activation": gate.word, "cell_activation": candidate[0]}
    if (found := _reset_before(cells, h, gate, candidate[1])) is not None:
        both, weight_hh = found
        record = GRU(both.weight_ih, weight_hh, both.bias, None, _state(h0), reset_after=False, **words)
        return Made(place, record, [both.reads], "weight_ih")
    made = _reset_after(cells, h, gate, candidate[1], h0, words, place) or _without_reset(cells, h, gate, candidate, h0, place)
    return made or normed_gru_cells.gru(cells, h, (gate.word, gate.sums, gate.sign), candidate, _state(h0), place)


def _signed(sums: Sum, gate: _Gate, size: int) -> tuple[Floats, Floats, Floats]:
    """weight_hh, weight_ih and bias of sums r z n, or z n, with those of z multiplied as its gate says: z is the last but one."""
    found = []
    for array in (sums.weight_hh, sums.weight_ih, sums.bias):
        rows = array.copy()
        rows[-2 * size : -size] *= gate.sign
        found.append(rows)
    return found[0], found[1], found[2]


def _reset_after(cells: "Cells", h: Ids, gate: _Gate, candidate: Ids, h0: Floats, words: dict[str, Any], place: str) -> Made | None:
    """``n = act(a + r (weight_hh h + bias_hh))``."""
    for inner, given in _orders(cells.pair(candidate, "add")):
        for reset, state in _orders(cells.pair(inner, "mul")):
            r = cells.function(reset)
            own = cells.sum(state, h)
            if r is None or r[0] != gate.word or own is None or own.reads.size or own.rounded:
                continue
            sums = cells.gates([r[1], gate.sums, given], h)
            if sums is None or sums.weight_hh[2 * h.size :].any():
                continue
            hh, weight_ih, bias = _signed(sums, gate, h.size)
            bias_hh = np.concatenate([np.zeros(2 * h.size), own.bias])
            record = GRU(weight_ih, np.concatenate([hh[: 2 * h.size], own.weight_hh]), bias, bias_hh, _state(h0), **words)
            return Made(place, record, [sums.reads], "weight_ih")
    return None


def _reset_before(cells: "Cells", h: Ids, gate: _Gate, candidate: Ids) -> tuple[Sum, Floats] | None:
    """Sums of gates r z n and their weight_hh, where n reads ``r h_before``: the form of `reset_after` false."""
    view = cells.view(candidate)
    if view is None or not isinstance(view.source, Affine):
        return None
    weight, refs = view.source.weight[view.numbers], view.source.refs
    at = cells.space.places(refs)
    for index in np.unique(at.wire):
        mine = at.wire == index
        for reset, before in _orders(cells.pair(refs[mine], "mul")):
            r = cells.function(reset)
            units = cells.units(before, h)
            if r is None or r[0] != gate.word or units is None:
                continue
            order = np.argsort(units)
            whole = cells.function(reset[order])
            given = Sum(np.zeros((h.size, h.size)), weight[:, ~mine], view.source.bias[view.numbers], refs[~mine], np.zeros(h.size))
            sums = None if whole is None else cells.gates([whole[1], gate.sums], h, given)
            if sums is not None:
                hh, weight_ih, bias = _signed(sums, gate, h.size)
                return Sum(hh, weight_ih, bias, sums.reads, sums.initial), np.concatenate([hh[: 2 * h.size], weight[:, mine][:, order]])
    return None


def _without_reset(cells: "Cells", h: Ids, gate: _Gate, candidate: tuple[str, Ids], h0: Floats, place: str) -> Made | None:
    """A cell whose candidate reads the state as it is, or not at all; that whose gate does not either is a `MinGRU`."""
    sums = cells.gates([gate.sums, candidate[1]], h, bare=True)
    if sums is None or gate.word != "sigmoid":
        return None
    hh, weight_ih, bias = _signed(sums, gate, h.size)
    if not hh.any():
        weight_ih, bias = (np.concatenate([-array[: h.size], array[h.size :]]) for array in (weight_ih, bias))
        fields: dict[str, Any] = {"weight_ih": weight_ih, "bias": bias, "h0": _state(h0), "candidate": candidate[0]}
        return Made(place, MinGRU(**fields), [sums.reads], "weight_ih")
    rows = [np.concatenate([np.full((h.size, *a.shape[1:]), fill), a]) for a, fill in ((weight_ih, 0.0), (hh, 0.0), (bias, _OPEN))]
    record = GRU(rows[0], rows[1], rows[2], None, _state(h0), gate_activation=gate.word, cell_activation=candidate[0])
    return Made(place, record, [sums.reads], "weight_ih")


def _state(initial: Floats) -> Floats | None:
    return initial if initial.any() else None
