"""Twin of overlap and add."""

import numpy as np

from ..layers.overlap_add import OverlapAdd
from .functions import State, Twin, Vector


def step(layer: OverlapAdd, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of size values together; state: what earlier blocks still give, (size - hop,)."""
    total = np.concatenate(xs) + np.concatenate([state[0], np.zeros(layer.hop)])
    return total[: layer.hop], (total[layer.hop :],)


TWINS = {"overlap_add": Twin(step, lambda layer: (np.zeros(layer.size - layer.hop),))}
