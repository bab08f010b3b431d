"""Transposed convolutions along time, as the records that a `Model` is made of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ShapeError
from . import record_of
from .record import MAX_SIZE, Layer, checked_array, require_shape
from .sliding import counted


def Conv1DTranspose(
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int = 1,
    inputs: Sequence[str] = (),
    name: str = "conv1d_transpose",
) -> list[Layer]:
    """The records of a transposed convolution along time: each step's row becomes `taps` rows, added where those of two steps overlap.

    ``y[stride * t + j] += weight[:, :, j].T @ x[t]``. A step gives the `stride` rows that no later step adds to, side by side, the earliest
    first; ``taps - stride`` rows behind the recording's end are not given.

    Parameters
    ----------
    weight : (input_size, output_size, taps)
        As ``torch.nn.ConvTranspose1d`` has it.
    bias : (output_size,), optional
    stride : int
        Rows that a step gives.
    inputs : sequence of str
    name : str
        Of the last record; the other begins with it.

    Returns
    -------
    list of Layer
        To be put into a model's list: ``[..., *el.Conv1DTranspose(weight, stride=2)]``. The answer is ``stride * output_size`` wide.

    Raises
    ------
    ShapeError
        If sizes do not fit.
    """
    kernel = checked_array(name, "weight", weight, 3)
    stride = counted(name, "stride", stride)
    size, outputs, taps = kernel.shape
    offset = np.zeros(outputs, np.float32) if bias is None else checked_array(name, "bias", bias, 1)
    require_shape(name, "bias", offset, (outputs,), f"weight has shape {kernel.shape}")
    rows = max(taps, stride)
    if rows * outputs > MAX_SIZE:
        raise ShapeError(f"{name}: {rows} rows of {outputs} values are more than a layer may be wide.")
    block = np.zeros((rows, outputs, size), np.float32)
    block[:taps] = kernel.transpose(2, 1, 0)
    added = np.zeros((rows, outputs), np.float32)
    added[:stride] = offset  # of the rows that a step gives, each lies within the first `stride` of one block
    dense: Any = record_of("dense")
    overlap: Any = record_of("overlap_add")
    return [
        dense(block.reshape(-1, size), added.ravel(), name=f"{name}.block", inputs=tuple(inputs)),
        overlap(rows * outputs, stride * outputs, name=name, inputs=(f"{name}.block",)),
    ]
