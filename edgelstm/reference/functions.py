""""""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers.integers import LIMIT

Vector = NDArray[np.float64]


Integers = NDArray[np.int64]


def quantised(x: NDArray[Any], steps: np.float32 | NDArray[np.float32]) -> Vector:
    """round(x * steps), ties to even, within +-127. `steps`: integers a unit, the inverse of the scale."""
    exact = np.asarray(x, np.float32).astype(np.float64) * steps
    return np.asarray(np.clip(np.rint(exact), -LIMIT, LIMIT))


def input_steps(x: Vector, input_scale: NDArray[np.float32] | None) -> np.float32:
    """Integers a unit of x: from the calibrated scale, or so that the largest magnitude of this step becomes 127."""
    if input_scale is not None:
        return np.float32(1) / np.float32(input_scale[0])
    largest = np.float32(np.abs(np.asarray(x, np.float32)).max())
    return np.float32(LIMIT) / max(largest, np.float32(1e-30))


def sums(weight: NDArray[np.int8], x: Vector, steps: np.float32) -> Integers:
    """Product of weight and x, both as integers: exact."""
    return np.asarray(weight.astype(np.int64) @ quantised(x, steps).astype(np.int64))
