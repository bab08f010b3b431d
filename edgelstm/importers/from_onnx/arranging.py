"""Samples of a model as the inputs of the graph that it was read from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .file import Tensor
from .signature import Axes


def arranged(ids: NDArray[Any], tensor: Tensor, axes: Axes, steps: int) -> NDArray[Any]:
    """Numbers (steps, batch, width) in the axes of an input; the last ones where it has no time axis."""
    ids = ids[-1:] if axes.time is None else ids
    shape = tensor.shape or ()
    rest = [i for i in range(len(shape)) if i not in (axes.time, axes.batch)]
    order = [a for a in (axes.time, axes.batch) if a is not None] + rest
    sizes = [steps if i == axes.time else ids.shape[1] if i == axes.batch else int(shape[i]) for i in order]
    return np.transpose(ids.reshape(sizes), np.argsort(order))


def open_as_one(tensor: Tensor) -> tuple[int, ...]:
    """The shape of an input with 1 for each open axis."""
    return tuple(n if isinstance(n, int) else 1 for n in tensor.shape or ())
