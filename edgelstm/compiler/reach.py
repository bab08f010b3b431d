"""How large an input may be, so that no intermediate value of a model can overflow float32."""

from collections.abc import Sequence

import numpy as np

from ..errors import CompileError
from ..layers.order import INPUT, groups
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
    reaches = {layer.name: reach_of(layer) for layer in model.layers}
    parts, loops = groups(model.layers), any(layer.of for layer in model.layers)
    found = [(0.0, HELD[0])]
    for held in HELD if loops else HELD[:1]:
        limit = next((x for exponent in range(126, -127, -1) if _fits(parts, reaches, x := 2.0**exponent, held)), 0.0)
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


def _fits(parts: Sequence[tuple[Layer, ...]], reaches: dict[str, Reach], largest: float, held: float) -> bool:
    """Whether inputs of this magnitude leave all values within bounds, at whatever step."""
    values = {INPUT: largest}
    return all(_bounded(part, reaches, values, held) for part in parts)


def _bounded(part: tuple[Layer, ...], reaches: dict[str, Reach], values: dict[str, float], held: float) -> bool:
    """Add the bounds of what the layers of a loop give, or a layer alone. Whether all inside are within `BOUND`.

    Where what goes around grows until it is held, the model's inputs must leave room.
    """
    before: dict[str, float] = {}
    while _follow(part, reaches, values, before):
        now = {layer.name: values[layer.of] for layer in part if layer.of}
        if len(part) == 1:
            values |= {name: max(values[name], min(value, held)) for name, value in now.items()}
            return True
        grown = {
            name: min(FURTHER * value, held) for name, value in now.items() if held > values[name] and value > values[name] * (1 - LESS)
        }
        if not grown:
            return True
        if held in grown.values() and values[INPUT] > held / ROOM:
            return False
        before |= grown
    return False


def _follow(part: tuple[Layer, ...], reaches: dict[str, Reach], values: dict[str, float], before: dict[str, float]) -> bool:
    """Add the bound of what each layer gives, where those of the step before are given. Whether all inside are within `BOUND`."""
    for layer in part:
        given, reach = [values[name] for name in layer.inputs], reaches[layer.name]
        inner = reach.inside(given)
        if max(inner, reach.factor * max(given)) > BOUND:  # what `grows` is given later is within bounds, so that its squares are
            return False
        values[layer.name] = max(reach.outside(given), before.get(layer.name, 0.0))
    return True
