"""Short-time Fourier transforms, their inverse, and bands of their bins, as the records that a `Model` is made of."""

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


def Mel(
    bands: int,
    size: int,
    rate: float,
    *,
    low: float = 0.0,
    high: float | None = None,
    scale: str = "slaney",
    norm: str | None = "slaney",
    inputs: Sequence[str] = (),
    name: str = "mel",
) -> Layer:
    """The `Dense` layer that sums the bins of a transform into bands: triangles of equal width on the mel scale, which overlap by half.

    Behind it, ``el.Activation("log(1e-10)")`` takes logarithms; decibels are ``affine(4.3429448, 0)`` of them where bins are powers.

    Parameters
    ----------
    bands : int
    size : int
        Of the transform, whose ``size / 2 + 1`` magnitudes or powers it reads.
    rate : float
        Samples a second.
    low, high : float, optional
        Ends of the lowest and the highest band, in Hz; by default 0 and half the rate.
    scale : {"slaney", "htk"}
        Linear below 1 kHz (Slaney's Auditory Toolbox, 1998; what librosa and torchaudio's ``slaney`` mean), or
        ``2595 log10(1 + f / 700)`` (the HTK book, 2006).
    norm : {"slaney"}, optional
        Whether triangles have an area of one Hz; None: a height of one.
    inputs : sequence of str
    name : str

    Raises
    ------
    ShapeError, UsageError
        If sizes or frequencies cannot be, or a word is unknown.
    """
    highest = rate / 2 if high is None else high
    _check(size, size)
    if type(bands) is not int or bands < 1 or not 0 <= low < highest <= rate / 2:
        raise ShapeError(
            f"Mel takes at least one band between 0 and half the rate; got {printable(repr(bands), 40)} from {low:g} to {highest:g} Hz, "
            f"and a rate of {rate:g}."
        )
    if scale not in MELS or norm not in ("slaney", None):
        raise UsageError(f"scale is one of {', '.join(MELS)}, and norm slaney or None; got {printable(repr((scale, norm)), 60)}.")
    to_mel, to_hertz = MELS[scale]
    first, last = to_mel(np.array([low, highest])).tolist()
    edges = to_hertz(np.linspace(first, last, bands + 2))  # (bands + 2,)
    bins = np.arange(size // 2 + 1) * (rate / size)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]  # (bands, bins)
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    weight = np.maximum(0, np.minimum(rising, falling))
    if norm:
        weight *= 2 / (edges[2:] - edges[:-2])[:, None]
    dense = cast(Any, record_of("dense"))
    return cast(Layer, dense(weight, name=name, inputs=tuple(inputs)))


def _slaney_mel(hertz: Floats) -> Floats:
    """Three mels for 200 Hz up to 1 kHz; from there 27 for each factor of 6.4."""
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / np.log(6.4))


def _slaney_hertz(mel: Floats) -> Floats:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


#: Mel scales: of Hz, and back.
MELS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "slaney": (_slaney_mel, _slaney_hertz),
    "htk": (lambda hertz: 2595 * np.log10(1 + hertz / 700), lambda mel: 700 * (10 ** (mel / 2595) - 1)),
}


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
