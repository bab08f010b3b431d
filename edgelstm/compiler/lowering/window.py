"""Windows -> kernel, in the layout of `kernels.sliding_f32`."""

from ...layers.window import Window
from ..targets import Target
from . import Lowered, Reach, Rule, sliding


def window(layer: Window, sizes: list[int], target: Target) -> Lowered:
    width = sum(sizes)
    constants = {"width": width, "taps": layer.taps, "spacing": layer.spacing}
    return sliding("window_f32", layer, constants, width, width * layer.taps)


RULES = {"window": Rule(window, lambda layer: Reach(1.0))}
