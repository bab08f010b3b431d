"""States that a graph holds where a mask is 0, and lets become something else where it is 1."""

from typing import TYPE_CHECKING, NamedTuple

from ...layers.recording import Mask
from .expressions import Made
from .wires import Ids

if TYPE_CHECKING:
    from .cells import Cells


class Held(NamedTuple):
    """A state that becomes `inner` where a mask (1,) is 1, and keeps what it was where that is 0."""

    mask: Ids
    inner: Ids


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


def _is_mask(cells: "Cells", ids: Ids) -> bool:
    view = cells.view(ids)
    made = view is not None and isinstance(view.source, Made) and isinstance(view.source.record, Mask)
    return made and bool((ids == ids[0]).all())
