"""Twin of pooling over a map."""

import numpy as np

from ..layers.map_pool import MapPool
from .functions import Vector, stateless
from .maps import taps


def map_pool(layer: MapPool, x: Vector) -> Vector:
    met = taps(x.reshape(layer.shape), layer.windows, np.nan)  # (window rows, window columns, rows, columns, channels)
    if layer.function == "max":
        return np.asarray(np.nanmax(met, axis=(0, 1)).ravel())
    count = met.shape[0] * met.shape[1] if layer.include_padding else (~np.isnan(met)).sum(axis=(0, 1))
    return np.asarray((np.nansum(met, axis=(0, 1)) / count).ravel())


TWINS = {"map_pool": stateless(map_pool)}
