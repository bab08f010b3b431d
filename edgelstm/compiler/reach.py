"""How large an input may be, so that no intermediate value of a model can overflow float32."""

from collections.abc import Sequence

import numpy as np

from ..errors import CompileError
from ..layers.order import INPUT
from ..layers.record import Layer
from ..model import Model
from .lowering import HELD, Reach, reach_of

#: No intermediate value leaves a quarter of float32's range.
BOUND = float(np.finfo(np.float32).max) / 4

#: Inputs of a model with loops may reach so much at least, or its states are held closer; where a state grows without end, the limit is so
#: many times what an input may reach.
LEAST, ROOM = 2.0**20, 2.0**10

#: What the bound of a value that goes around is multiplied by until the loop gives less by this share, which rounding cannot make up for.
FURTHER, LESS = 16.0, 2.0**-12


def input_limit(model: Model) -> float:
    """Largest power of two that inputs may reach without any intermediate value leaving a quarter of float32's range.

    Raises
    ------
    CompileError
        If the weights are so large that there is none, or an initial cell is.
    """
    if not (limit := _limit_and_hold(model)[0]):
        raise CompileError(_none(model))
    return limit


def held_at(model: Model) -> float:
    """What values of the step before are cut at."""
    return _limit_and_hold(model)[1]


def _limit_and_hold(model: Model) -> tuple[float, float]:
    reaches = [reach_of(layer) for layer in model.layers]
    loops = any(layer.of for layer in model.layers)
    found = [(0.0, HELD[0])]
    for held in HELD if loops else HELD[:1]:
        limit = next((x for exponent in range(126, -127, -1) if _fits(model.layers, reaches, x := 2.0**exponent, held)), 0.0)
        if limit >= LEAST or not loops:
            return limit, held
        found.append((limit, held))
    return max(found)


def _none(model: Model) -> str:
    loops = [layer.label for layer in model.layers if layer.of]
    if not loops:
        return "the model's weights are so large that any input overflows float32. Check the file that it was converted from."
    return (
        f"nothing bounds what goes around the loop of {loops[0]}, so that float32 may overflow whatever the input is. "
        'Hold it within a range, as Activation("clip(-1000, 1000)") does, or check the file that it was converted from.'
    )


def _fits(layers: Sequence[Layer], reaches: Sequence[Reach], largest: float, held: float) -> bool:
    """Whether inputs of this magnitude leave all values within bounds, at whatever step."""
    before: dict[str, float] = {}
    while (values := _values(layers, reaches, largest, before)) is not None:
        now = {layer.name: values[layer.of] for layer in layers if layer.of}
        grown = {
            name: min(FURTHER * value, held) for name, value in now.items() if held > values[name] and value > values[name] * (1 - LESS)
        }
        if not grown:
            return held not in before.values() or largest <= held / ROOM
        before |= grown
    return False


def _values(layers: Sequence[Layer], reaches: Sequence[Reach], largest: float, before: dict[str, float]) -> dict[str, float] | None:
    """The bound of what each layer gives, where those of the step before are given; None where one inside a layer is beyond `BOUND`."""
    values = {INPUT: largest}
    for layer, reach in zip(layers, reaches, strict=True):
        given = [values[name] for name in layer.inputs]
        inner = reach.inside(given)
        if max(inner, reach.factor * max(given)) > BOUND:  # what `grows` is given later is within bounds, so that its squares are
            return None
        values[layer.name] = max(min(inner, reach.most), before.get(layer.name, 0.0))
    return values
