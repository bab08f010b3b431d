"""Overlap and add -> kernel."""

import numpy as np

from ...layers.overlap_add import OverlapAdd
from ..targets import Target
from . import Lowered, Reach, Rule


def lower(layer: OverlapAdd, sizes: list[int], target: Target) -> Lowered:
    state = np.zeros(layer.size - layer.hop, np.float32)
    return Lowered("overlap_add_f32", {"size": layer.size, "hop": layer.hop}, layer.hop, state=state)


RULES = {"overlap_add": Rule(lower, lambda layer: Reach(float(layer.receptive_field)))}
