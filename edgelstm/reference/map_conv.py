"""Twins of the convolutions over maps."""

import numpy as np

from ..layers.map_conv import MapConv, MapConvTranspose
from .functions import Vector, stateless
from .maps import convolved


def map_conv(layer: MapConv, x: Vector) -> Vector:
    groups = zip(*(np.split(array, layer.groups, axis=-1) for array in (x.reshape(layer.shape), layer.kernel)), strict=True)
    parts = [convolved(channels, kernel, layer.windows) for channels, kernel in groups]
    return np.asarray((np.concatenate(parts, axis=-1) + layer.bias).ravel())


def map_conv_transpose(layer: MapConvTranspose, x: Vector) -> Vector:
    """Value by value, as the record's docstring says."""
    around = [max(0, *(-n for pair in layer.cropping for n in pair))] * (len(layer.shape) - 1)
    full = [
        (size - 1) * stride + (taken - 1) * apart + 1 + 2 * more
        for size, taken, stride, apart, more in zip(layer.shape, layer.kernel.shape, layer.strides, layer.dilation, around, strict=False)
    ]
    y = np.zeros((*full, layer.kernel.shape[-1]))
    for place in np.ndindex(*layer.shape[:-1]):
        for tap in np.ndindex(*layer.kernel.shape[:-2]):
            at = tuple(
                more + p * stride + t * apart
                for more, p, stride, t, apart in zip(around, place, layer.strides, tap, layer.dilation, strict=True)
            )
            y[at] += x.reshape(layer.shape)[place] @ layer.kernel[tap].astype(np.float64)
    ends = zip(around, full, layer.cropping, strict=True)
    kept = tuple(slice(more + before, size - more - after) for more, size, (before, after) in ends)
    return np.asarray((y[kept] + layer.bias).ravel())


TWINS = {"map_conv": stateless(map_conv), "map_conv_transpose": stateless(map_conv_transpose)}
