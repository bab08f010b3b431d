"""Short-time Fourier transforms and their inverse, as the records that a `Model` is made of."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError, UsageError, printable
from . import record_of
from .record import Layer, checked_array

Floats = NDArray[np.float64]

#: Window functions by name, as signal processing takes them: the first of ``size + 1`` values that are symmetric.
WINDOWS: dict[str, Callable[[int], Floats]] = {
    "ones": lambda size: np.full(size, 1.0),
    "hann": lambda size: 0.5 - 0.5 * np.cos(2 * np.pi / size * np.arange(size)),
    "hamming": lambda size: 0.54 - 0.46 * np.cos(2 * np.pi / size * np.arange(size)),
}


def STFT(size: int, hop: int, *, window: str | ArrayLike = "hann", inputs: Sequence[str] = ("input",), name: str = "stft") -> list[Layer]:
    """The records of a short-time Fourier transform: a step reads `hop` samples, and transforms the last `size`.

    It gives the real parts of the ``size / 2 + 1`` bins and then their imaginary parts, as `Magnitude` reads them:
    ``sum over n of window[n] x[n] exp(-2 pi i k n / size)``. Before the first sample there are zeros.

    Parameters
    ----------
    size, hop : int
        `size` must be even, and a multiple of `hop`.
    window : str or (size,)
        One of `WINDOWS`, or its values.
    inputs : sequence of str
        What gives the samples.
    name : str
        Of the last record; the others begin with it.

    Returns
    -------
    list of Layer
        To be put into a model's list: ``[*el.STFT(512, 128), el.Magnitude(257), ...]``.

    Raises
    ------
    ShapeError, UsageError
        If sizes do not fit, or the window is none.
    """
    _check(size, hop)
    record: dict[str, Any] = {kind: record_of(kind) for kind in ("normalizer", "window", "map_conv")}
    cosines, sines = _basis(size)
    kernel = _window(window, size)[:, None] * np.concatenate([cosines, -sines], axis=1)
    return [
        record["normalizer"](np.zeros(hop), np.ones(hop), name=f"{name}.samples", inputs=tuple(inputs)),
        record["window"](size // hop, name=f"{name}.window", inputs=(f"{name}.samples",)),
        record["map_conv"](kernel[:, None], shape=(size, 1), name=name, inputs=(f"{name}.window",)),
    ]


def InverseSTFT(size: int, hop: int, *, window: str | ArrayLike = "ones", inputs: Sequence[str], name: str = "istft") -> list[Layer]:
    """The records of an inverse: each step's bins become `size` samples, which times `window` are added where they overlap.

    A step gives `hop` samples, ``size - hop`` later than `STFT` read them. They are what it read, if the products of both windows, laid
    `hop` apart, sum to one.

    Parameters and errors are as `STFT`'s; what it reads are real and then imaginary parts of ``size / 2 + 1`` bins.
    """
    _check(size, hop)
    cosines, sines = _basis(size)
    twice = np.full(size // 2 + 1, 2.0)
    twice[[0, -1]] = 1  # the bins at both ends stand for themselves alone
    matrix = np.concatenate([cosines * twice, -sines * twice], axis=1) * _window(window, size)[:, None] / size  # (size, bins * 2)
    dense, overlap = cast(Any, record_of("dense")), cast(Any, record_of("overlap_add"))
    return [dense(matrix, name=f"{name}.block", inputs=tuple(inputs)), overlap(size, hop, name=name, inputs=(f"{name}.block",))]


def _check(size: int, hop: int) -> None:
    if not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in (size, hop)) or size % 2 or size % hop:
        shown = f"{printable(repr(size), 40)} and {printable(repr(hop), 40)}"
        raise ShapeError(f"size must be even and a multiple of hop, both whole numbers; got {shown}.")


def _window(window: str | ArrayLike, size: int) -> Floats:
    if isinstance(window, str):
        if window not in WINDOWS:
            raise UsageError(f"window must be one of {', '.join(WINDOWS)}, or its values; got {printable(repr(window), 60)}.")
        return WINDOWS[window](size)
    found = checked_array("STFT", "window", window, 1)
    if found.size != size:
        raise ShapeError(f"the window must have {size} values; got {found.size}.")
    return found.astype(np.float64)


def _basis(size: int) -> tuple[Floats, Floats]:
    """(size, bins) cosines and sines; turns are counted in whole numbers, so that none is lost."""
    angles = 2 * np.pi / size * (np.arange(size)[:, None] * np.arange(size // 2 + 1) % size)
    return np.cos(angles), np.sin(angles)
