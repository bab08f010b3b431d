"""Recurrent layers whose state a graph multiplies by one number before each step: ``1 - done`` of reinforcement learning."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...layers.recurrent import RESET, Restarting
from .expressions import Combine, Made, State
from .wires import Ids, Space, Wire, distinct

if TYPE_CHECKING:
    from .cells import Cells


def restarted(cells: "Cells", wire: Wire) -> Made | None:
    """The layer whose output is `wire` and whose whole state is multiplied first; None where it is none's."""
    for factor, products in _factors(cells).items():
        with _as_states(cells.space, products):
            made = cells.plain(wire)
        if made is not None and isinstance(made.record, Restarting) and not _sees_its_state(cells.space, made, wire, products):
            fields: dict[str, Any] = {"mask": RESET}
            return replace(made, record=replace(made.record, **fields), reads=[*made.reads, np.array([factor])])
    return None


def _sees_its_state(space: Space, made: Made, wire: Wire, products: list[tuple[Wire, State]]) -> bool:
    """Whether a layer reads, as an input, a part of its state as it was before it was multiplied."""
    own = {wire.index}
    own.update(int(index) for _, state in products for index in distinct(space.places(_following(state)).wire))
    read = (space.wires[index].source for reads in made.reads for index in distinct(space.places(reads).wire))
    return any(own.intersection(distinct(space.places(_following(state)).wire)) for state in read if isinstance(state, State))


def _following(state: State) -> Ids:
    return np.zeros(0, np.int64) if state.following is None else state.following


def _factors(cells: "Cells") -> dict[int, list[tuple[Wire, State]]]:
    """By identity of a number that states are multiplied by, the wires of these products, and the states with the numbers of each."""
    found: dict[int, list[tuple[Wire, State]]] = {}
    for wire in cells.space.wires:
        if not isinstance(wire.source, Combine) or wire.source.operation != "mul":
            continue
        for factor, state in ((wire.source.left, wire.source.right), (wire.source.right, wire.source.left)):
            view = cells.view(state) if (factor == factor[0]).all() else None
            if view is not None and isinstance(view.source, State) and view.source.following is not None and not view.source.reverse:
                numbers: Ids = view.numbers
                part = replace(view.source, initial=view.source.initial[numbers], following=view.source.following[numbers])
                found.setdefault(int(factor[0]), []).append((wire, part))
                break
    return found


@contextmanager
def _as_states(space: Space, products: list[tuple[Wire, State]]) -> Iterator[None]:
    """Products in place as though each were the state itself, which is none meanwhile: a cell sees the one or the other."""
    before = [wire.source for wire, _ in products]
    states = [(wire.source, wire.source.following) for wire in space.wires if isinstance(wire.source, State)]
    for state, _ in states:
        state.following = None
    for wire, state in products:
        wire.source = state
    try:
        yield
    finally:
        for (wire, _), source in zip(products, before, strict=True):
            wire.source = source
        for state, following in states:
            state.following = following
