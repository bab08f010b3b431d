"""Recurrent layers whose state a graph multiplies by one number before each step: ``1 - done`` of reinforcement learning."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...layers.recurrent import RESET, Restarting
from .expressions import Combine, Made, State
from .wires import Ids, Wire

if TYPE_CHECKING:
    from .cells import Cells


def restarted(cells: "Cells", wire: Wire) -> Made | None:
    """The layer whose output is `wire` and whose state is multiplied first; None where it is none's."""
    for factor, products in _factors(cells).items():
        with _as_states(products):
            made = cells.plain(wire)
        if made is not None and isinstance(made.record, Restarting):
            fields: dict[str, Any] = {"mask": RESET}
            return replace(made, record=replace(made.record, **fields), reads=[*made.reads, np.array([factor])])
    return None


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
def _as_states(products: list[tuple[Wire, State]]) -> Iterator[None]:
    """Products in place as though each were the state itself."""
    before = [wire.source for wire, _ in products]
    for wire, state in products:
        wire.source = state
    try:
        yield
    finally:
        for (wire, _), source in zip(products, before, strict=True):
            wire.source = source
