"""Float weights to integers: symmetric, one scale a row. What scales of activations do to them is the schemes' part."""

import numpy as np
from numpy.typing import NDArray

from ..layers_int8 import LIMIT
from .trace import Floats


def quantised_rows(weight: Floats, least: Floats | None = None) -> tuple[NDArray[np.int8], Floats]:
    """Integers and scales of the rows of a matrix.

    Parameters
    ----------
    weight : (rows, columns)
    least : (rows,), optional
        No row's scale is smaller.

    Returns
    -------
    integers : (rows, columns) int8
        Within +-127.
    scale : (rows,) float32
        ``max(abs(row)) / 127``; 1 for a row of zeros.
    """
    scale = np.abs(weight).max(axis=1) / np.float32(LIMIT)
    scale = scale if least is None else np.maximum(scale, least)
    scale = np.where(scale < np.finfo(np.float32).tiny, np.float32(1), scale)
    return np.clip(np.rint(weight / scale[:, None]), -LIMIT, LIMIT).astype(np.int8), scale
