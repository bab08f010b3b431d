"""Checks of layers that give another's value of the step before, and so make loops."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..errors import ShapeError, UnsupportedModelError, UsageError, printable
from .record import Layer
from .wire import Wire


def check_loops(layers: Sequence[Layer]) -> None:
    """Each such layer names another, every layer but the last reaches the model's answer, and none needs a recording as a whole.

    Raises
    ------
    UsageError, UnsupportedModelError
    """
    known = {layer.name: layer for layer in layers}
    for layer in layers:
        if layer.of and (layer.of not in known or layer.of == layer.name):
            raise UsageError(
                f"{layer.label} gives what another layer of the model gave one step before; {printable(layer.of, 60)!r} is none. "
                f"Those are: {printable(', '.join(sorted(set(known) - {layer.name})), 200)}."
            )
    if whole := [layer.label for layer in layers if layer.whole]:
        back = next(layer.label for layer in layers if layer.of)
        raise UnsupportedModelError(
            f"{back} takes one step after the other; {printable(', '.join(whole), 200)} needs the whole recording at once. "
            "Such layers do not go into one model: make two."
        )
    reached, found = set[str](), [layers[-1].name]
    while found:
        name = found.pop()
        if name in known and name not in reached:
            reached.add(name)
            found += known[name].needs
    if lost := set(known) - reached:
        raise UsageError(f"no layer reads {printable(', '.join(sorted(lost)), 200)}; only the last layer's output leaves a model.")


def check_wires(layers: Sequence[Layer], wires: Mapping[str, Wire]) -> None:
    """What such a layer gives has the shape that it says, and is due when it is.

    Raises
    ------
    ShapeError, UnsupportedModelError
    """
    for layer in (layer for layer in layers if layer.of):
        own, given = wires[layer.name], wires[layer.of]
        if own.shape != given.shape:
            raise ShapeError(f"{layer.label} has the shape {own.shape}; {printable(layer.of, 60)!r}, whose value it gives, {given.shape}.")
        if own != given:
            raise UnsupportedModelError(
                f"{layer.label} is due {own.when}, as its input {printable(layer.inputs[0], 60)!r}; {printable(layer.of, 60)!r}, "
                f"whose value it gives, {given.when}. Name an input that is due at the same steps."
            )


def timed(layers: Sequence[Layer], wires: Mapping[str, Wire]) -> tuple[Layer, ...]:
    """The same, where each such layer is due with the first of all that are due at the same steps, which others hardly replace."""
    firsts: dict[tuple[int, int], str] = {}
    for name, wire in wires.items():
        firsts.setdefault((wire.every, wire.first), name)
    due = {layer.name: firsts[wires[layer.name].every, wires[layer.name].first] for layer in layers}
    return tuple(
        replace(layer, inputs=(due[layer.name],)) if layer.of and layer.inputs != (due[layer.name],) else layer for layer in layers
    )


def together(layers: Sequence[Layer]) -> list[tuple[Layer, ...]]:
    """The layers of each loop together, all others alone, in an order in which each reads those before it. It is a loop's where `is_loop`.

    These are the strongly connected components (Tarjan 1972) of who reads whom.
    """
    if not any(layer.of for layer in layers):
        return [(layer,) for layer in layers]
    places = {layer.name: place for place, layer in enumerate(layers)}
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    waiting: list[str] = []
    waits: set[str] = set()
    found: list[tuple[Layer, ...]] = []
    for root in layers:
        path = [] if root.name in number else [(root.name, iter(_read(root, places)))]
        while path:
            name, rest = path[-1]
            if name not in number:
                number[name] = lowest[name] = len(number)
                waiting.append(name)
                waits.add(name)
            reached = next((other for other in rest if other not in number or other in waits), None)
            if reached is not None and reached not in number:
                path.append((reached, iter(_read(layers[places[reached]], places))))
            elif reached is not None:
                lowest[name] = min(lowest[name], number[reached])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[name])
                if lowest[name] == number[name]:
                    members = waiting[waiting.index(name) :]
                    del waiting[-len(members) :]
                    waits.difference_update(members)
                    found.append(tuple(layers[place] for place in sorted(places[member] for member in members)))
    return found


def is_loop(group: Sequence[Layer]) -> bool:
    """Whether these layers are stepped together, row by row."""
    return any(layer.of for layer in group)


def _read(layer: Layer, places: Mapping[str, int]) -> list[str]:
    """The layers that a layer waits for."""
    return [name for name in dict.fromkeys((*layer.inputs, *layer.needs)) if name in places]
