"""Layers that look at a recording as a whole, and recurrent layers with a mask -> kernels."""

import numpy as np

from ...layers.record import Layer
from ...layers.recording import Last, Mask, Repeat, Reverse
from ...layers.recurrent import MOST_KEPT, RESET
from ..targets import Target
from . import Lowered, Reach, Rule


def last(layer: Last, sizes: list[int], target: Target) -> Lowered:
    from_last = np.repeat(np.array([end == "last" for end in layer.ends], np.float32), sizes)
    return Lowered("last_f32", {"size": sum(sizes)}, sum(sizes), from_last, whole=True)


def repeat(layer: Repeat, sizes: list[int], target: Target) -> Lowered:
    return Lowered("repeat_f32", {"size": sum(sizes), "rows": layer.rows or 0}, sum(sizes), whole=True)


def reverse(layer: Reverse, sizes: list[int], target: Target) -> Lowered:
    return Lowered("reverse_f32", {"size": sum(sizes)}, sum(sizes), whole=True)


def mask(layer: Mask, sizes: list[int], target: Target) -> Lowered:
    return Lowered("mask_f32", {"value": layer.value, "size": sum(sizes)}, 1)


def masked(layer: Layer, low: Lowered, inputs: int) -> Lowered:
    """`low`, a layer that reads so many inputs before its mask, with its mask."""
    constants = {"kernel": low.kernel, "constants": tuple(low.constants.items()), "inputs": inputs}
    if layer.mask == RESET:
        parts = tuple((start, size) for _, start, size in low.keeps)
        return low._replace(kernel="restarted", constants=constants | {"parts": parts, "most": MOST_KEPT})
    constants |= {"width": low.width, "before": low.state.size, "repeat": int(layer.mask == "repeat")}
    return low._replace(kernel="masked", constants=constants, state=np.concatenate([low.state, np.zeros(low.width, np.float32)]))


def restarted(found: Reach) -> Reach:
    """The reach of a layer whose state is multiplied: numbers of it within one reach `MOST_KEPT`, and their squares its square."""
    grows = found.grows

    def grown(given: list[float]) -> float:
        assert grows is not None
        return MOST_KEPT**2 * grows(given)

    return Reach(
        found.gain, MOST_KEPT * found.offset, max(found.most, MOST_KEPT), found.sums, found.factor, None if grows is None else grown
    )


RULES = {
    "last": Rule(last, lambda layer: Reach(1.0)),
    "repeat": Rule(repeat, lambda layer: Reach(1.0)),
    "reverse": Rule(reverse, lambda layer: Reach(1.0)),
    "mask": Rule(mask, lambda layer: Reach(0.0, 1.0, 1.0)),
}
