"""States that a graph holds where a mask is 0, and lets become something else where it is 1."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...layers.recording import Mask
from .expressions import Made, State
from .wires import Ids

if TYPE_CHECKING:
    from .cells import Cells


class Held(NamedTuple):
    """A state that becomes `inner` where a mask (1,) is 1, and stays as it was where that is 0; `reverse`: from the recording's end on."""

    mask: Ids
    inner: Ids
    reverse: bool = False


def held(cells: "Cells", ids: Ids) -> Held | None:
    """``mask inner + (1 - mask) before``, where `before` is the state that `ids` become, from zeros on; None for others."""
    terms = cells.pair(ids, "add")
    for first, second in (terms, terms[::-1]) if terms else ():
        new, kept = cells.pair(first, "mul"), cells.pair(second, "mul")
        for mask, inner in (new, new[::-1]) if new else ():
            if not _is_mask(cells, mask):
                continue
            for rest, before in (kept, kept[::-1]) if kept else ():
                initial = cells.initial(before, ids)
                if initial is not None and not initial.any() and cells.complement(rest, mask):
                    return Held(mask[:1], inner)
    return None


def zeroed(cells: "Cells", ids: Ids) -> Held | None:
    """``mask inner``, where a state is held by that mask and becomes that inner; None for others."""
    factors = cells.pair(ids, "mul")
    for mask, inner in (factors, factors[::-1]) if factors else ():
        if not _is_mask(cells, mask):
            continue
        for state in [wire.source for wire in cells.space.wires if isinstance(wire.source, State)]:
            one = None if state.following is None else held(cells, state.following)
            if one is not None and one.mask == mask[:1] and np.array_equal(one.inner, inner):
                return one._replace(reverse=state.reverse)
    return None


def _is_mask(cells: "Cells", ids: Ids) -> bool:
    view = cells.view(ids)
    made = view is not None and isinstance(view.source, Made) and isinstance(view.source.record, Mask)
    return made and bool((ids == ids[0]).all())
