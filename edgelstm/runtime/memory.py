"""Aligned memory for weights and arenas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A cache line; also the widest vector.
ALIGNMENT = 64


def allocate(size: int) -> NDArray[np.uint8]:
    """Zeroed bytes that begin on a cache line."""
    block = np.zeros(size + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    return block[start : start + size]


def aligned(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy that begins on a cache line."""
    copy = allocate(values.nbytes).view(np.float32)
    copy[:] = values
    return copy
