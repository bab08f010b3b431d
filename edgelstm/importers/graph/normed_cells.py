"""LSTM cells with layer normalisation inside that a graph spells out: of each gate, of all gates together, of x and h apart, of the cell.

The names of parts are those of `layers.lstm.LSTM`. A bias within a norm is the column of an input that is always one; of h apart, where no
input counts, the cell is projected to itself with a one behind it.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...layers.joining import Slice
from ...layers.lstm import LSTM
from ...layers.norms import LayerNorm
from .expressions import Affine, Floats, Made, Scale, Sum
from .wires import Ids, Wire

if TYPE_CHECKING:
    from .cells import Cells


class Normed(NamedTuple):
    """Numbers of a layer normalisation: what it normalises, in their order, its weight and bias, and the layer."""

    inner: Ids
    weight: Floats
    bias: Floats
    made: Made

    @property
    def epsilon(self) -> float:
        assert isinstance(self.made.record, LayerNorm)
        return self.made.record.epsilon

    def of_cell(self) -> dict[str, Any]:
        """The fields of a record whose cell it normalises."""
        return {"norm_weight_cell": self.weight, "norm_bias_cell": self.bias, "norm_epsilon": self.epsilon}


class Row(NamedTuple):
    """The norms that make up the sums of one gate, one or two, and what is added behind them."""

    norms: list[Normed]
    bias: Floats


def normed(cells: "Cells", ids: Ids) -> Normed | None:
    """`ids` as different numbers of one layer normalisation; None for others."""
    view = cells.view(ids)
    made = None if view is None else view.source
    if view is None or not isinstance(made, Made) or type(made.record) is not LayerNorm:
        return None
    record, numbers = made.record, view.numbers
    if record.groups != 1 or record.over != "step" or np.unique(numbers).size != numbers.size:
        return None
    weight, bias = (np.asarray(array, np.float64)[numbers] for array in (record.weight, record.bias))
    return Normed(np.concatenate(made.reads)[numbers], weight, bias, made)


def whole(cells: "Cells", ids: Ids) -> Normed | None:
    """`ids` as all numbers of one layer normalisation."""
    found = normed(cells, ids)
    return found if found is not None and ids.size == size_of(found) else None


def size_of(found: Normed) -> int:
    """How many numbers it normalises."""
    return sum(reads.size for reads in found.made.reads)


def sums(cells: "Cells", rows: list[Ids], h: Ids) -> tuple[Sum, dict[str, Any]] | None:
    """The sums of gates i f g o within their norms, and the fields that say how they are normalised; None where they are not."""
    found = [row_of(cells, ids) for ids in rows]
    known = [row for row in found if row is not None]
    if len(known) < 4 or len({len(row.norms) for row in known}) > 1:
        return None
    made = _apart(cells, known, h) if len(known[0].norms) == 2 else _one(cells, known, h)
    epsilons = {norm.epsilon for row in known for norm in row.norms}
    if made is None or len(epsilons) > 1:
        return None
    inside, fields = made
    bias = np.concatenate([row.bias + sum(norm.bias for norm in row.norms) for row in known])
    return inside, {**fields, "bias": bias, "norm_epsilon": epsilons.pop()}


def row_of(cells: "Cells", ids: Ids) -> Row | None:
    """The norms that make up sums of one gate; None where a part is not normalised."""
    bias: Floats = np.zeros(ids.size)
    scale: Floats = np.ones(ids.size)
    view = cells.view(ids)
    if view is not None and isinstance(view.source, Scale):
        scale, bias, ids = view.source.scale[view.numbers], view.source.offset[view.numbers], view.source.refs[view.numbers]
    norms = [normed(cells, part) for part in cells.pair(ids, "add") or [ids]]
    known = [norm._replace(weight=norm.weight * scale, bias=norm.bias * scale) for norm in norms if norm is not None]
    return Row(known, bias) if len(known) == len(norms) else None


def _one(cells: "Cells", rows: list[Row], h: Ids) -> tuple[Sum, dict[str, Any]] | None:
    """Each gate by a norm of its own, or all gates by one."""
    norms = [row.norms[0] for row in rows]
    sizes = [size_of(norm) for norm in norms]
    if len({id(norm.made) for norm in norms}) == 1 and sizes[0] == 4 * h.size:
        word = "joint"
    elif len({id(norm.made) for norm in norms}) == 4 and set(sizes) == {norms[0].inner.size}:
        word = "tf1"
    else:
        return None
    found = cells.gates([norm.inner for norm in norms], h)
    if found is None:
        return None
    return _with_one(cells, found, found.bias), {"norm": word, "norm_weight": np.concatenate([norm.weight for norm in norms])}


def _apart(cells: "Cells", rows: list[Row], h: Ids) -> tuple[Sum, dict[str, Any]] | None:
    """x and h by norms of their own."""
    first, second = ([row.norms[n] for row in rows] for n in range(2))
    for of_x, of_h in ((first, second), (second, first)):
        sides = [{id(norm.made) for norm in side} for side in (of_x, of_h)]
        if any(len(side) > 1 for side in sides) or sides[0] == sides[1]:
            continue
        given, own = (_rows(cells, side, h) for side in (of_x, of_h))
        if given is None or own is None or given.weight_hh.any() or own.reads.size or own.rounded or not given.reads.size:
            continue
        weights = [np.concatenate([norm.weight for norm in side]) for side in (of_x, of_h)]
        fields: dict[str, Any] = {"norm": "torch", "norm_weight": weights[0], "norm_weight_hh": weights[1]}
        if own.bias.any():
            fields["inside_of_h"] = own.bias
        both = Sum(own.weight_hh, given.weight_ih, given.bias, given.reads, own.initial)
        return _with_one(cells, both, given.bias), fields
    return None


def _rows(cells: "Cells", norms: list[Normed], h: Ids) -> Sum | None:
    """The sums that one norm normalises, all of which are read."""
    ids = np.concatenate([norm.inner for norm in norms])
    return cells.sum(ids, h) if np.unique(ids).size == ids.size == size_of(norms[0]) else None


def _with_one(cells: "Cells", found: Sum, bias: Floats) -> Sum:
    """The same with a bias that is inside a norm as the weights of an input that is one."""
    if not bias.any():
        return found
    read = cells.space.wires[cells.space.places(found.reads).wire.max()]
    one = cells.space.allocate(Affine(read.source.place, np.zeros((1, found.reads.size)), np.ones(1), found.reads), read.steps, 1)
    return replace(found, reads=np.append(found.reads, cells.space.last(one)), weight_ih=np.hstack([found.weight_ih, bias[:, None]]))


def together(gates: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any] | None:
    """The options of a cell that go with those of its gates; None where no record has both.

    Gates are normalised wherever a cell is, and all with one epsilon.
    """
    if "norm" not in gates:
        return cell if "cell_norm" not in cell else None
    if cell.get("norm_epsilon", gates["norm_epsilon"]) != gates["norm_epsilon"]:
        return None
    if cell.get("cell_norm") == "output" and gates["peephole"] is not None:
        return None
    return {"cell_norm": "none", **cell}


def with_one_behind(cells: "Cells", wire: Wire, made: Made, bias: Floats) -> Made:
    """The outputs of a cell that gives a one behind them, whose weights are a bias of what it makes of its state."""
    record = made.record
    assert isinstance(record, LSTM)
    size, cell = record.projection_size, record.hidden_size
    weight_hr = np.zeros((size + 1, cell))
    weight_hr[:size] = np.eye(size) if record.weight_hr is None else record.weight_hr
    bias_hr = np.append(np.zeros(size) if record.bias_hr is None else record.bias_hr, 1.0)
    wide = replace(
        record,
        weight_hh=np.hstack([record.weight_hh, bias[:, None]]),
        h0=np.append(np.zeros(size) if record.h0 is None else record.h0, 1.0),
        weight_hr=weight_hr,
        bias_hr=bias_hr,
    )
    whole_of = cells.space.allocate(replace(made, record=wide), wire.steps, size + 1)
    return Made(made.place, Slice(0, size), [cells.space.last(whole_of)])
