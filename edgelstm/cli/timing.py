"""When each layer of a model answers, and how far back an answer looks, in steps of the model."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..model import Model


class Timing(NamedTuple):
    """Of a layer.

    Parameters
    ----------
    every : int
        Steps from one answer to the next.
    delay : int
        Steps before the one with the first answer.
    receptive_field : int
        How many steps an answer depends on, the present one among them; 0 for all that came before.
    """

    every: int
    delay: int
    receptive_field: int


def timings(model: "Model") -> dict[str, Timing]:
    """By the name of each layer."""
    from ..layers.order import INPUT

    seen, found = {INPUT: 1}, {}
    for layer in model.layers:
        wire, fields = model.wire_of(layer.name), [seen[name] for name in layer.inputs]
        endless = 0 in fields or layer.receptive_field == 0
        further = (layer.receptive_field - 1) * model.wire_of(layer.inputs[0]).every
        seen[layer.name] = 0 if endless else max(fields) + further
        found[layer.name] = Timing(wire.every, wire.first - 1, seen[layer.name])
    return found


def _matters(layers: "Sequence[Mapping[str, Any]]") -> bool:
    """Whether a layer answers otherwise than at every step from its present input and what it remembers."""
    return any(layer["every"] > 1 or layer["delay"] or layer["receptive_field"] > 1 for layer in layers)


def columns(layers: "Sequence[Mapping[str, Any]]") -> tuple[str, ...]:
    """Headings of what `cells` adds to a table of layers."""
    return ("every", "delay", "sees") if _matters(layers) else ()


def cells(layer: "Mapping[str, Any]", layers: "Sequence[Mapping[str, Any]]") -> tuple[str, ...]:
    """A layer's timing, in steps of the model; nothing for models that answer each step from what they remember."""
    seen = layer["receptive_field"] or "all"
    return (f"{layer['every']}", f"{layer['delay']}", f"{seen}") if _matters(layers) else ()


def facts(layers: "Sequence[Mapping[str, Any]]") -> list[tuple[str, str]]:
    """When the model answers, where that is not at every step."""
    last = layers[-1]
    if last["every"] == 1 and not last["delay"]:
        return []
    often = "each step" if last["every"] == 1 else f"every {last['every']} steps"
    return [("answers", f"{often}, the first at step {last['delay'] + 1}")]
