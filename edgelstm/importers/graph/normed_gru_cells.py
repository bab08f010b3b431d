"""GRU cells with layer normalisation inside that a graph spells out, and Elman cells, which are such GRUs without gates.

The names of parts are those of `layers.gru.GRU`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...layers.gru import GRU, NORM_GROUPS
from .expressions import Affine, Apply, Floats, Made, Sum
from .normed_cells import Normed, Row, row_of, size_of
from .wires import Ids

if TYPE_CHECKING:
    from .cells import Cells

#: The bias of a gate that is always open: its sigmoid is 1 in every number form.
_OPEN = 100.0


class _Cell(NamedTuple):
    """The cell whose output is h: the word of both gates, the sums of z and their sign, the candidate's word and sums, and h0."""

    cells: "Cells"
    h: Ids
    word: str
    z: Row
    sign: int
    candidate: Ids
    fields: dict[str, Any]

    def record(self, found: Sum, norms: list[Normed], **fields: Any) -> tuple[GRU, Ids] | None:
        """The record of these sums of r z n, within their norms; None where no record has such norms."""
        if (groups := _groups(norms, self.h.size)) is None or len({norm.epsilon for norm in norms}) > 1:
            return None
        signs = np.repeat([1, self.sign, 1], self.h.size)
        weight = np.concatenate([norm.weight for norm in norms]) * signs
        given = {"norm_groups": groups, "norm_weight": weight, "norm_epsilon": norms[0].epsilon}
        start = found.bias if found.bias.any() else None
        fields["bias_ih"] = fields["bias_ih"] * signs
        return GRU(
            found.weight_ih, found.weight_hh, norm_start_ih=start, **{"norm": "joint", **given, **self.fields, **fields}
        ), found.reads


def gru(cells: "Cells", h: Ids, gate: tuple[str, Ids, int], candidate: tuple[str, Ids], h0: Floats | None, place: str) -> Made | None:
    """The GRU layer with norms whose output is `h`; None where it is none's. gate: the word, sums and sign of z."""
    if (z := row_of(cells, gate[1])) is None or gate[0] != "sigmoid":
        return None
    fields = {"gate_activation": gate[0], "cell_activation": candidate[0], "h0": h0}
    cell = _Cell(cells, h, gate[0], z, gate[2], candidate[1], fields)
    found = _joint(cell) or _before(cell) or _apart(cell)
    return None if found is None else Made(place, found[0], [found[1]], "weight_ih")


def elman(cells: "Cells", h: Ids, source: Apply) -> Made | None:
    """The layer of ``h = act(norm(weight_ih x + weight_hh h_before))``: a GRU whose r is 1 and whose z is 0."""
    row = row_of(cells, source.refs)
    if row is None or len(row.norms) > 1 or size_of(row.norms[0]) != h.size:
        return None
    norm = row.norms[0]
    found = cells.gates([norm.inner], h)
    if found is None:
        return None
    open_gate = np.full(h.size, _OPEN)
    rows = [np.concatenate([np.zeros_like(a), np.zeros_like(a), a]) for a in (found.weight_ih, found.weight_hh, found.bias, norm.weight)]
    record = GRU(
        rows[0],
        rows[1],
        np.concatenate([open_gate, -open_gate, row.bias + norm.bias]),
        None,
        found.initial if found.initial.any() else None,
        cell_activation=source.word,
        norm="joint",
        norm_groups=(2, 1),
        norm_weight=rows[3],
        norm_start_ih=rows[2] if found.bias.any() else None,
        norm_epsilon=norm.epsilon,
    )
    return Made(source.place, record, [found.reads], "weight_ih")


def _orders(pair: list[Ids] | None) -> list[list[Ids]]:
    return [pair, pair[::-1]] if pair else []


def _groups(norms: list[Normed], size: int) -> tuple[int, ...] | None:
    """How many of the gates r z n each norm is over; None where a norm is over more, or not over neighbours."""
    groups: list[int] = []
    for k, norm in enumerate(norms):
        if k and norm.made is norms[k - 1].made:
            groups[-1] += 1
        else:
            groups.append(1)
    first = np.cumsum([0, *groups])[:-1]
    fits = all(size_of(norms[at]) == count * size for at, count in zip(first, groups, strict=True))
    return tuple(groups) if fits and tuple(groups) in NORM_GROUPS and len({id(norms[at].made) for at in first}) == len(first) else None


def _single(rows: list[Row | None]) -> list[Row] | None:
    """These rows, if each is of one norm."""
    known = [row for row in rows if row is not None and len(row.norms) == 1]
    return known if len(known) == len(rows) else None


def _reset(cell: _Cell, ids: Ids) -> Row | None:
    """The sums of a reset gate."""
    found = cell.cells.function(ids)
    return None if found is None or found[0] != cell.word else row_of(cell.cells, found[1])


def _joint(cell: _Cell) -> tuple[GRU, Ids] | None:
    """``n = act(r s_n)``."""
    for reset, inner in _orders(cell.cells.pair(cell.candidate, "mul")):
        rows = _single([_reset(cell, reset), cell.z, row_of(cell.cells, inner)])
        found = None if rows is None else cell.cells.gates([row.norms[0].inner for row in rows], cell.h)
        if rows is not None and found is not None:
            return cell.record(found, [row.norms[0] for row in rows], bias_ih=_biases(rows))
    return None


def _biases(rows: list[Row]) -> Floats:
    return np.concatenate([row.bias + sum(norm.bias for norm in row.norms) for row in rows])


def _before(cell: _Cell) -> tuple[GRU, Ids] | None:
    """``n = act(norm(weight_ih x + weight_hh (r h)))``."""
    candidate = _single([row_of(cell.cells, cell.candidate), cell.z])
    if candidate is None:
        return None
    for reset, weight, given in _products(cell, candidate[0].norms[0].inner):
        rows = _single([_reset(cell, reset), cell.z, candidate[0]])
        found = None if rows is None else cell.cells.gates([row.norms[0].inner for row in rows[:2]], cell.h, given)
        if rows is not None and found is not None:
            weight_hh = np.concatenate([found.weight_hh[: 2 * cell.h.size], weight])
            sums = Sum(weight_hh, found.weight_ih, found.bias, found.reads, found.initial)
            return cell.record(sums, [row.norms[0] for row in rows], bias_ih=_biases(rows), reset_after=False)
    return None


def _products(cell: _Cell, ids: Ids) -> Iterator[tuple[Ids, Floats, Sum]]:
    """Each reading of sums as those of ``r h_before`` and of other numbers: r, the weights of its products, and the other sums."""
    cells, size = cell.cells, cell.h.size
    view = cells.view(ids)
    if view is None or not isinstance(view.source, Affine):
        return
    weight, refs = view.source.weight[view.numbers], view.source.refs
    at = cells.space.places(refs)
    for index in np.unique(at.wire):
        mine = at.wire == index
        for reset, before in _orders(cells.pair(refs[mine], "mul")):
            if (units := cells.units(before, cell.h)) is not None:
                order = np.argsort(units)
                rest = Sum(np.zeros((size, size)), weight[:, ~mine], view.source.bias[view.numbers], refs[~mine], np.zeros(size))
                yield reset[order], weight[:, mine][:, order], rest


def _apart(cell: _Cell) -> tuple[GRU, Ids] | None:
    """``n = act(a_n + r b_n)``, where norms of x give a, and norms of h give b."""
    for product, given in _orders(cell.cells.pair(cell.candidate, "add")):
        for reset, inner in _orders(cell.cells.pair(product, "mul")):
            r, ends = _reset(cell, reset), _single([row_of(cell.cells, given), row_of(cell.cells, inner)])
            if r is None or ends is None or len(r.norms) != 2 or len(cell.z.norms) != 2:
                continue
            made = _of_sides(cell, r, ends)
            if made is not None:
                return made
    return None


def _of_sides(cell: _Cell, r: Row, ends: list[Row]) -> tuple[GRU, Ids] | None:
    """The record of two norms a gate; ends: the rows of a_n and b_n."""
    own = [[norm for norm in row.norms if _of_state(cell, norm) is not None] for row in (r, cell.z, ends[1])]
    if any(len(norms) != 1 for norms in own):
        return None
    of_h = [norms[0] for norms in own]
    of_x = [next(norm for norm in row.norms if norm is not mine) for row, mine in zip((r, cell.z), of_h, strict=False)] + ends[0].norms
    sums = [_of_state(cell, norm) for norm in of_h]
    found = cell.cells.gates([norm.inner for norm in of_x], cell.h, bare=True)
    groups = _groups(of_h, cell.h.size)
    if found is None or found.weight_hh.any() or groups is None or groups != _groups(of_x, cell.h.size):
        return None
    if len({norm.epsilon for norm in of_h + of_x}) > 1:
        return None
    signs = np.repeat([1, cell.sign, 1], cell.h.size)
    start = np.concatenate([s.bias for s in sums if s is not None])
    bias_hh = np.concatenate([np.zeros(2 * cell.h.size), _biases(ends[1:])])
    whole = Sum(np.concatenate([s.weight_hh for s in sums if s is not None]), found.weight_ih, found.bias, found.reads, found.initial)
    fields: dict[str, Any] = {
        "norm": "torch",
        "norm_weight_hh": np.concatenate([norm.weight for norm in of_h]) * signs,
        "norm_start_hh": start if start.any() else None,
        "bias_ih": _biases([r, cell.z, ends[0]]),
        "bias_hh": bias_hh,
    }
    return cell.record(whole, of_x, **fields)


def _of_state(cell: _Cell, norm: Normed) -> Sum | None:
    """What a norm is of, if it is of sums of the state alone."""
    found = cell.cells.sum(norm.inner, cell.h)
    return found if found is not None and not found.reads.size and found.weight_hh.any() else None
