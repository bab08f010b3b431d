"""Magnitudes -> kernel. Inside, it sums squares of what it reads."""

from ...layers.magnitude import Magnitude
from ..targets import Target
from . import Lowered, Reach, Rule


def lower(layer: Magnitude, sizes: list[int], target: Target) -> Lowered:
    size = sum(sizes) // 2
    constants = {"places": size // layer.bins, "bins": layer.bins, "squared": int(layer.squared)}
    return Lowered("magnitude_f32", constants, size)


def power(given: list[float]) -> float:
    """The bound of a sum of two squares, and of its root."""
    return 2 * max(1.0, *given) ** 2


RULES = {"magnitude": Rule(lower, lambda layer: Reach(1.0, grows=power))}
