"""Convolutions that are a short-time Fourier transform -> a kernel that takes a quarter of the products."""

from typing import NamedTuple

import numpy as np

from ...layers.map_conv import MapConv
from ..targets import Target
from . import Floats, Lowered
from .maps import pack, windows_together

#: How far a kernel may lie from a window times cosines and sines, as a part of the window's largest value: two roundings to float32.
_ROUNDED = 2.0**-22


class Transform(NamedTuple):
    """Parameters
    ----------
    window : (size,) float32
    sign : {-1, 1}
        Of the sine in the imaginary part.
    """

    window: Floats
    sign: int


def transform(layer: MapConv) -> Transform | None:
    """What a convolution computes, if that is the real and then the imaginary parts of all bins up to half the sampling rate."""
    size, channels, outputs = layer.kernel.shape if layer.kernel.ndim == 3 else (0, 0, 0)
    (axis, *_) = layer.windows
    if channels != 1 or size % 4 or size < 16 or outputs != size + 2 or axis.before or axis.dilation != 1 or layer.bias.any():
        return None
    if (axis.places - 1) * axis.stride + size > axis.size:
        return None
    kernel = layer.kernel[:, 0].astype(np.float64)
    window, bins = kernel[:, 0], outputs // 2
    sign = 1 if kernel[:, bins + 1] @ (window * _angles(size, np.array([1]), np.sin)[:, 0]) > 0 else -1
    basis = np.concatenate([_angles(size, np.arange(bins), np.cos), sign * _angles(size, np.arange(bins), np.sin)], axis=1)
    near = np.abs(kernel - window[:, None] * basis).max() <= _ROUNDED * np.abs(window).max()
    return Transform(layer.kernel[:, 0, 0], sign) if near else None


def _angles(
    size: int, bins: np.ndarray[tuple[int], np.dtype[np.int64]], function: np.ufunc
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(size, bins) cosines or sines; turns are counted in whole numbers, so that none is lost."""
    found: np.ndarray[tuple[int, int], np.dtype[np.float64]] = function(2 * np.pi / size * (np.arange(size)[:, None] * bins % size))
    return found


def lower(layer: MapConv, found: Transform, target: Target) -> Lowered:
    size, (axis,) = layer.kernel.shape[0], layer.windows
    quarter = size // 4
    units = min(quarter, 2 * target.lanes)
    together = windows_together(units, axis.places, target)
    even, odd = 2 * np.arange(quarter), 2 * np.arange(quarter) + 1
    rows = [(_angles(size, bins, np.cos), 1) for bins in (even, odd)] + [(_angles(size, bins, np.sin), found.sign) for bins in (even, odd)]
    zeros = np.zeros(quarter, np.float32)
    tables = [pack(zeros, (sign * table[: quarter + 1]).astype(np.float32), units) for table, sign in rows]
    weights = np.concatenate([found.window, (-1.0) ** np.arange(quarter + 1), *tables]).astype(np.float32)
    constants = {"size": size, "hop": axis.stride, "places": axis.places, "units": units, "together": together}
    room = size + axis.places * (size + 4 * (quarter + 1)) + units * together
    return Lowered("fourier_f32", constants, axis.places * (size + 2), weights, workspace=room)
