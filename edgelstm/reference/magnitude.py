"""Twin of magnitudes."""

import numpy as np

from ..layers.magnitude import Magnitude
from .functions import Vector, stateless


def magnitude(layer: Magnitude, x: Vector) -> Vector:
    """x: (places * 2 * bins,)."""
    parts = x.reshape(-1, 2, layer.bins)
    power: Vector = (parts**2).sum(axis=1).ravel()
    return power if layer.squared else np.sqrt(power)


TWINS = {"magnitude": stateless(magnitude)}
