"""Magnitudes of complex numbers that a graph spells out in single operators."""

from typing import TYPE_CHECKING

import numpy as np

from ...layers.magnitude import Magnitude
from .expressions import Apply, Made
from .wires import Ids

if TYPE_CHECKING:
    from .cells import Cells


def magnitude(cells: "Cells", y: Ids, root: Apply) -> Made | None:
    """``y = sqrt(a a + b b)`` as a layer; None for others. y: (numbers,), all that `root` makes."""
    terms = cells.pair(root.refs, "add") if root.word == "sqrt" else None
    if terms is None:
        return None
    factors = [cells.pair(term, "mul") for term in terms]
    if any(pair is None or not np.array_equal(pair[0], pair[1]) for pair in factors):
        return None
    real, imaginary = (pair[0] for pair in factors if pair is not None)
    if cells.view(real) is None or cells.view(imaginary) is None:
        return None
    bins = _run(real)
    bins = bins if not y.size % bins and bins == _run(imaginary) else y.size
    parts = np.stack([real.reshape(-1, bins), imaginary.reshape(-1, bins)], axis=1)  # (places, 2, bins)
    return Made(root.place, Magnitude(bins), [parts.ravel()])


def _run(ids: Ids) -> int:
    """How many identities at the beginning follow each other."""
    breaks = np.flatnonzero(np.diff(ids) != 1)
    return int(breaks[0]) + 1 if breaks.size else int(ids.size)
