"""What becomes of a state, read off the graph: how far an output is from it, and whether it goes on from it as a cell's state does."""

import numpy as np

from .cells import Cells
from .expressions import Affine, Apply, Combine, Expression, Made, Scale
from .rounding import rounds, unrounded
from .wires import Ids, Space, Wire, distinct

#: Most functions of one number that are seen through, and most sums and products from what a state becomes to the state.
_MOST_FUNCTIONS, _MOST_COMBINED = 8, 4


def holds(space: Space, ids: Ids, wire: Wire) -> bool:
    """Whether some of `ids` are numbers of a wire."""
    return bool((space.places(ids).wire == wire.index).any())


def distance(space: Space, ids: Ids, wire: Wire) -> int | None:
    """Through how many expressions `ids` depend on a wire: 0 where they hold its numbers; None where they do not."""
    present, seen, steps = set(distinct(space.places(ids).wire).tolist()), set[int](), 0
    while present:
        if wire.index in present:
            return steps
        seen |= present
        present = {one for index in present for one in _read(space, space.wires[index].source)} - seen
        steps += 1
    return None


def _read(space: Space, source: Expression) -> set[int]:
    """The wires that an expression reads, by index."""
    return {index for operand in source.operands() if operand.size for index in distinct(space.places(operand).wire).tolist()}


def together(space: Space, ids: Ids, wire: Wire) -> bool:
    """Whether one expression reads numbers of a wire and of those of `ids`, as a convolution reads what it keeps and what is new."""
    others = set(distinct(space.places(ids).wire).tolist()) - {wire.index}
    return any(wire.index in read and bool(read & others) for read in (_read(space, one.source) for one in space.wires))


def bare(space: Space, ids: Ids) -> Ids:
    """What `ids` are rounded from, number by number."""
    return _behind(space, ids, ())


def origin(space: Space, ids: Ids) -> Ids:
    """What `ids` are rounded from, or functions of, number by number."""
    return _behind(space, ids, (Scale, Apply))


def _behind(space: Space, ids: Ids, kinds: tuple[type[Scale | Apply], ...]) -> Ids:
    cells, found = Cells(space), ids.ravel()
    for _ in range(_MOST_FUNCTIONS):
        if (view := cells.view(found)) is None:
            break
        if isinstance(view.source, Made) and rounds(view.source):
            found = np.concatenate(view.source.reads)[view.numbers]
        elif isinstance(view.source, Scale | Apply) and isinstance(view.source, kinds):
            found = view.source.refs[view.numbers]
        else:
            break
    return found


def goes_on(space: Space, after: Ids, before: Ids) -> bool:
    """Whether numbers are what a cell makes of its state: ``gate * before + …``, or something of a weighted sum over all of it."""
    return _reaches(Cells(space), after.ravel(), before.ravel(), _MOST_COMBINED, False)


def _reaches(cells: Cells, ids: Ids, before: Ids, depth: int, multiplied: bool) -> bool:
    """Whether sums and products lead from `ids` to a weighted sum over `before`, or number by number to it, through a product at least."""
    found = origin(cells.space, ids)
    if found.shape == before.shape and (found == before).all():
        return multiplied
    view = cells.view(found)
    if view is not None and isinstance(view.source, Affine):
        return bool(np.isin(before, unrounded(cells.space, view.source.refs)).all())
    if view is None or not isinstance(view.source, Combine) or not depth:
        return False
    multiplied |= view.source.operation == "mul"
    return any(_reaches(cells, side[view.numbers], before, depth - 1, multiplied) for side in (view.source.left, view.source.right))


def only_moved(space: Space, after: Ids, before: Ids, wire: Wire) -> bool:
    """Whether numbers are those of a wire, not just `before`, moved or rounded at most: so frames before become those of the next step."""
    found = after.ravel()
    for _ in range(_MOST_FUNCTIONS):
        found = unrounded(space, found)
    return bool((space.places(found).wire == wire.index).all()) and not np.array_equal(found, before.ravel())


def depends(space: Space, after: Ids, before: Ids) -> bool:
    """Whether some numbers depend on some of others, which are samples or states."""
    marked = {wire.index: np.zeros(wire.width, bool) for wire in space.wires}

    def mark(ids: Ids) -> None:
        at = space.places(ids.ravel())
        for index in distinct(at.wire).tolist() if ids.size else ():
            marked[index][at.number[at.wire == index]] = True

    mark(after)
    for wire in reversed(space.wires):
        if (numbers := np.flatnonzero(marked[wire.index])).size:
            for ids in _operands(wire.source, numbers):
                mark(ids)
    at = space.places(before.ravel())
    return any(marked[index][number] for index, number in zip(at.wire.tolist(), at.number.tolist(), strict=True))


def _operands(source: Expression, numbers: Ids) -> list[Ids]:
    """What some numbers of an expression are made of."""
    if isinstance(source, Affine):
        return [source.refs[(source.weight[numbers] != 0).any(axis=0)]]
    if isinstance(source, Combine):
        return [source.left[numbers], source.right[numbers]]
    return [source.refs[numbers]] if isinstance(source, Scale | Apply) else source.operands()
