"""How weights in half precision are packed: what the kinds that have them share."""

from typing import Any

import numpy as np

from . import Floats


def packed(rows: Any) -> Floats:
    """(rows, size) in half precision, two in the place of a float32, each row filled up to whole floats: (rows, (size + 1) // 2)."""
    filled = np.pad(np.asarray(rows, np.float32), ((0, 0), (0, rows.shape[1] % 2)))
    return np.ascontiguousarray(filled.astype("<f2")).view(np.float32)


def half_tiles(rows: Any, units: int) -> Floats:
    """As `lowering.tiled`, the first row of a tile, its bias, in float32 and the others in half precision."""
    parts = []
    for start in range(0, rows.shape[1], units):
        tile = rows[:, start : start + units].transpose(2, 0, 1)  # (row, gate, unit)
        parts += [tile[0].ravel(), packed(tile[1:].reshape(len(tile) - 1, -1)).ravel()]
    return np.concatenate(parts)
