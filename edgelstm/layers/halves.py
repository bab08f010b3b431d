"""The check of weights in half precision (IEEE 754 binary16): what the records that hold them share."""

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from .record import Array, checked_array

#: Largest magnitude of a number in half precision.
LARGEST_HALF = 65504.0


def half_matrix(owner: str, name: str, value: Array) -> NDArray[np.float16]:
    """`value` as a private, read-only float16 matrix: each weight rounded to the nearest number of which a half is one too.

    Kernels keep rows of sigmoid gates halved. So weights below 2**-13 are multiples of 2**-23; all others have 11 bits.

    Raises
    ------
    ShapeError
        If it is no matrix of finite numbers, or one is too large.
    """
    array = checked_array(owner, name, value, 2)
    with np.errstate(over="ignore"):
        rounded = np.asarray((array * np.float32(0.5)).astype(np.float16) * np.float16(2))
    if not np.isfinite(rounded).all():
        raise ShapeError(
            f"{owner}: {name} reaches {float(np.abs(array).max()):g}; half precision ends at {LARGEST_HALF:g}. Keep this layer in f32."
        )
    rounded.flags.writeable = False
    return rounded
