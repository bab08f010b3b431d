"""Checks of layers that give another's value of the step before, and so make loops."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..errors import ShapeError, UnsupportedModelError, UsageError, printable
from .record import Layer
from .wire import Wire


def check_loops(layers: Sequence[Layer]) -> None:
    """Each such layer names another, every layer but the last reaches the model's answer, and none in a loop needs a recording as a whole.

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
    for loop in together(layers):
        if is_loop(loop) and (whole := [layer.label for layer in loop if layer.whole or layer.answers is not None]):
            raise UnsupportedModelError(
                f"{printable(', '.join(whole), 200)} needs the whole recording at once, and stands in the loop of "
                f"{next(layer.label for layer in loop if layer.of)}, which goes around step by step. Take it out of the loop."
            )
    reached, found = set[str](), [layers[-1].name]
    while found:
        name = found.pop()
        if name in known and name not in reached:
            reached.add(name)
            found += known[name].needs
    if lost := set(known) - reached:
        raise UsageError(f"no layer reads {printable(', '.join(sorted(lost)), 200)}; only the last layer's output leaves a model.")


def check_wires(layers: Sequence[Layer], wires: Mapping[str, Wire], rows: Mapping[str, int | None]) -> None:
    """What such a layer gives has the shape that it says, and is due when it is. rows: as `order.rows_of` gives them.

    Raises
    ------
    ShapeError, UnsupportedModelError
    """
    for layer in (layer for layer in layers if layer.of):
        own, given = wires[layer.name], wires[layer.of]
        if own.shape != given.shape:
            raise ShapeError(f"{layer.label} has the shape {own.shape}; {printable(layer.of, 60)!r}, whose value it gives, {given.shape}.")
        if rows[layer.name] != rows[layer.of]:
            counts = ["one row at each sample" if count is None else f"{count} rows" for count in (rows[layer.name], rows[layer.of])]
            raise ShapeError(
                f"{layer.label} gives {counts[0]}, as its input {printable(layer.inputs[0], 60)!r}; {printable(layer.of, 60)!r}, "
                f"whose value it gives, {counts[1]}. Name an input with as many."
            )
        if own != given:
            raise UnsupportedModelError(
                f"{layer.label} is due {own.when}, as its input {printable(layer.inputs[0], 60)!r}; {printable(layer.of, 60)!r}, "
                f"whose value it gives, {given.when}. Name an input that is due at the same steps."
            )


def timed(layers: Sequence[Layer], wires: Mapping[str, Wire], rows: Mapping[str, int | None]) -> tuple[Layer, ...]:
    """The same, where each such layer is due with the first of all that are due at the same steps, which others hardly replace."""
    when = {name: (wire.every, wire.first, rows[name]) for name, wire in wires.items()}
    firsts = {at: name for name, at in reversed(when.items())}
    due = {layer.name: firsts[when[layer.name]] for layer in layers}
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
