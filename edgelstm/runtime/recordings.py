"""Recordings that come padded, or several at once: how many samples of each count."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, printable


def checked_length(length: object, rows: int) -> int:
    """`length`, if it is a number of `rows`.

    Raises
    ------
    InputError
    """
    if not isinstance(length, int | np.integer) or isinstance(length, bool) or not 0 <= length <= rows:
        raise InputError(f"length must be a whole number from 0 to {rows}, the samples given; got {printable(repr(length), 60)}.")
    return int(length)


def each(process: Callable[..., NDArray[np.float32]], batch: NDArray[Any], length: object) -> NDArray[np.float32]:
    """The answers to each recording of a batch (batch, time, input_size), of which so many samples count: (batch, rows, output_size).

    Raises
    ------
    InputError
        If there is no recording, or not one length for each or for all.
    """
    count, rows = batch.shape[:2]
    if not count:
        raise InputError("a batch needs at least one recording; got none.")
    try:
        lengths = list(np.broadcast_to(np.asarray(rows if length is None else length), count))
    except ValueError:
        raise InputError(f"length must be one number, or {count}, one for each recording; got {printable(repr(length), 60)}.") from None
    return np.stack([process(one, length=each) for one, each in zip(batch, lengths, strict=True)])
