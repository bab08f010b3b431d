"""A value of the step before -> kernel and state, in the layout of `kernels.previous_f32`."""

import numpy as np

from ...errors import CompileError
from ...layers.previous import Previous
from ..targets import Target
from . import HELD, Lowered, Reach, Rule, largest


def lower(layer: Previous, sizes: list[int], target: Target) -> Lowered:
    size = layer.output_size(sizes)
    state = np.zeros(size, np.float32) if layer.initial is None else layer.initial.ravel()
    return Lowered("recalled_f32", {"size": size, "most": HELD[0]}, size, state=state, keeps=(("h", 0, size),))


def reach(layer: Previous) -> Reach:
    """Before the first step. Behind it, that of the other layer, which `compiler.reach` follows."""
    start = 0.0 if layer.initial is None else largest(layer.initial)
    if start > HELD[-1]:
        raise CompileError(f"{layer.label}: initial reaches {start:.1e}; states beyond {HELD[-1]:.0e} overflow. Check its source.")
    return Reach(0.0, start)


RULES = {"previous": Rule(lower, reach)}
