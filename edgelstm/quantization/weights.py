"""Float weights to integers: symmetric, one scale a row. What scales of activations do to them is the schemes' part."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..layers.integers import LIMIT, MOST_PRODUCTS
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


class Joint(NamedTuple):
    """Two matrices in integers whose products add up: the second in steps of `scale`, the first in steps of ``scale * 2**shift``."""

    first: NDArray[np.int8]
    second: NDArray[np.int8]
    scale: Floats
    shift: int


def joint_rows(first: Floats, second: Floats, powers: tuple[float, float], ends: tuple[int, int], least: Floats | None = None) -> Joint:
    """Integers of two matrices that share the scales of their rows, but for a power of two.

    Parameters
    ----------
    first : (rows, m)
    second : (rows, n)
    powers : (float, float)
        Mean squares of what the matrices are multiplied by: the shift is the one that adds least noise to the sums of both products.
    ends : (int, int)
        Smallest and largest shift. From 0 on it is also held so small that the sums cannot overflow int32.
    least : (rows,), optional
        No row's scale is smaller.
    """
    rows = [quantised_rows(weight)[1].astype(np.float64) for weight in (first, second)]
    rows = [np.where(weight.any(axis=1), row, 0) for weight, row in zip((first, second), rows, strict=True)]
    if least is not None:
        rows[1] = np.maximum(rows[1], least)
    m, n = first.shape[1], second.shape[1]
    lowest, most = ends
    shifts = [k for k in range(lowest, most + 1) if lowest < 0 or k == 0 or (m << k) + n <= MOST_PRODUCTS]

    def noise(shift: int) -> float:
        scale = np.maximum(rows[1], rows[0] / 2.0**shift)  # (rows,)
        return float((scale**2).sum() * (4.0**shift * m * powers[0] + n * powers[1]))

    shift = min(sorted(shifts, key=abs), key=noise)
    scale = np.maximum(rows[1], rows[0] / 2.0**shift)
    scale = np.where(scale < np.finfo(np.float32).tiny, 1.0, scale).astype(np.float32)
    integers = [np.rint(weight / part[:, None]) for weight, part in ((first, scale * np.float32(2.0**shift)), (second, scale))]
    held = [np.clip(part, -LIMIT, LIMIT).astype(np.int8) for part in integers]
    return Joint(held[0], held[1], scale, shift)
