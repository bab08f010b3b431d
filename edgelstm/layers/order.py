"""Layers in topological order: their names, what each reads, and what flows between them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..errors import ShapeError, UnsupportedModelError, UsageError, printable
from ..runtime import rates
from . import KINDS, RECORDS
from .record import MAX_SIZE, Layer
from .wire import Wire

#: The name under which layers refer to the model's own input.
INPUT = "input"

#: Most steps from one answer to the next, and to the first: keeps counts of steps far inside 64 bits.
MAX_STEPS = 1 << 31

#: Most rows of the widest layer, where a layer gives a fixed number of rows for a recording.
MAX_ROWS = 256


def named(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """The layers with every name and every input spelled out."""
    found: list[Layer] = []
    seen: set[str] = {INPUT}
    previous = INPUT
    if isinstance(layers, Layer) or not isinstance(layers, Iterable):
        raise UsageError(f"layers must be a sequence of layers, such as [edgelstm.LSTM(…)]; got {printable(repr(layers), 60)}.")
    layers = tuple(layers)
    if not layers:
        raise UsageError("a Model needs at least one layer; got none.")
    for index, given in enumerate(layers):
        if not isinstance(given, Layer) or given.kind not in KINDS:
            kinds = ", ".join(RECORDS)
            raise UnsupportedModelError(f"layer {index} must be one of {kinds}; got {printable(repr(given), 60)}.")
        layer = given
        if not (given.name and given.inputs):  # a copy is checked anew, which takes as long as the layer itself did
            layer = replace(given, name=given.name or f"{given.kind}{index}", inputs=given.inputs or (previous,))
        if layer.name in seen:
            raise UsageError(f"layer {index}: the name {printable(layer.name, 60)!r} is taken; names must be unique and not {INPUT!r}.")
        if missing := [n for n in layer.inputs if n not in seen]:
            raise UsageError(
                f"{layer.label} reads {printable(', '.join(missing), 60)}, not defined before it; "
                f"known there: {printable(', '.join(sorted(seen)), 200)}."
            )
        seen.add(layer.name)
        found.append(layer)
        previous = layer.name
    check_readers(found)
    return tuple(found)


def check_readers(layers: list[Layer]) -> None:
    """An index goes to embeddings alone, and every layer but the last is read."""
    if any(layer.of for layer in layers):
        from .loops import check_loops  # most models never need it

        check_loops(layers)
    if any(layer.takes_index for layer in layers):
        _check_indices(layers)
    if unread := {n.name for n in layers[:-1]} - {i for n in layers for i in n.needs}:
        raise UsageError(f"no layer reads {printable(', '.join(sorted(unread)), 200)}; only the last layer's output leaves a model.")


def _check_indices(layers: list[Layer]) -> None:
    """Embeddings read the model's input, which nothing else reads as a measurement."""
    places = _places(layers)
    for layer in (layer for layer in layers if layer.takes_index):
        if layer.inputs != (INPUT,) and (len(layer.inputs) != 1 or len(places.get(layer.inputs[0], ())) != 1):
            raise UnsupportedModelError(
                f"{layer.label} must read the model's input, or a Slice of it that is one wide; "
                f"it reads {printable(', '.join(layer.inputs), 60)}."
            )
    tables = _tables(layers)
    others = [
        layer.label
        for layer in layers
        if layer.name not in places and not (layer.takes_index or layer.takes_any)
        if any(place in places.get(name, ()) for name in layer.needs for place in tables)
    ]
    if others:
        raise UnsupportedModelError(
            f"the model's input is an index for its embedding; {printable(', '.join(others), 200)} cannot read it as a measurement."
        )


def _places(layers: Iterable[Layer]) -> dict[str, Sequence[int]]:
    """By name of a layer that only moves some of the model's inputs, their places; the model's input itself has more than it may have."""
    places: dict[str, Sequence[int]] = {INPUT: range(MAX_SIZE)}
    for layer in layers:
        if len(layer.inputs) == 1 and layer.inputs[0] in places and (found := layer.moved(places[layer.inputs[0]])) is not None:
            places[layer.name] = found
    return places


def _tables(layers: Iterable[Layer]) -> dict[int, int]:
    """By place among the model's inputs, the rows of the smallest table that an embedding looks it up in."""
    layers, tables = tuple(layers), dict[int, int]()
    if not any(layer.takes_index for layer in layers):
        return tables
    places = _places(layers)
    for layer in layers:
        if layer.takes_index:
            place, rows = places[layer.inputs[0]][0], len(layer.arrays()["weight"])
            tables[place] = min(rows, tables.get(place, rows))
    return tables


def vocabularies(layers: Iterable[Layer], width: int) -> tuple[int, ...]:
    """For each of the model's inputs, the number of indices that it may be; 0 where it is a measurement."""
    tables = _tables(layers)
    return tuple(tables.get(place, 0) for place in range(width))


def input_shape(layers: Sequence[Layer]) -> tuple[int, ...]:
    """The shape of the model's input, read off a layer that takes the input alone, or with masks, which are one wide, and values of the
    step before.

    Where all that read the input take parts of it, it ends where the last of these ends.
    """
    known = {layer.name: 1 if layer.takes_any else layer.output_size(()) for layer in layers if layer.takes_any or layer.of}
    for layer in layers:
        if layer.inputs == (INPUT,) and layer.input_shape is not None:
            return layer.input_shape
        others = [name for name in layer.inputs if name != INPUT]
        if layer.inputs.count(INPUT) == 1 and known.keys() >= {*others} and layer.input_width is not None:
            width = layer.input_width - sum(known[name] for name in others)
            if width > 0:
                return (width,)
    places, readers = _places(layers), [layer for layer in layers if INPUT in layer.needs]
    if readers and all(len(places.get(layer.name, ())) for layer in readers):
        return (1 + max(max(places[layer.name]) for layer in readers),)
    raise UnsupportedModelError(
        "no layer with arrays (LSTM, Dense, Normalizer, Embedding) reads the model's input alone, so its width is unknown; "
        "begin with Normalizer(mean=0, scale=1) of the right width."
    )


def wires(layers: tuple[Layer, ...]) -> dict[str, Wire]:
    wires, rows = {INPUT: Wire(input_shape(layers))}, rows_of(layers)
    for layer in layers:
        read = [wires[n] for n in layer.inputs]
        if rows[layer.inputs[0]] is not None:  # rows of a recording, all there when its last one is
            latest = max(read, key=lambda one: one.first)
            read = [latest._replace(shape=one.shape) for one in read]
            wire = latest._replace(shape=layer.output_wire(read).shape)
        else:
            wire = layer.output_wire(read)
        if wire.size * (rows[layer.name] or 1) > MAX_SIZE * MAX_ROWS:
            raise ShapeError(f"{layer.label} gives {rows[layer.name]} rows of {wire.size}, more than is supported.")
        if wire.size > MAX_SIZE:
            raise ShapeError(f"{layer.label} is {wire.size} wide; layers wider than {MAX_SIZE} are not supported.")
        if max(wire.every, wire.first) > MAX_STEPS:
            raise ShapeError(f"{layer.label} is due {wire.when}; more than {MAX_STEPS} steps to an answer are not supported.")
        wires[layer.name] = wire
    if any(layer.of for layer in layers):
        from .loops import check_wires

        check_wires(layers, wires, rows)
    return wires


def rows_of(layers: tuple[Layer, ...]) -> dict[str, int | None]:
    """How many rows each layer, and the input, gives for a recording: None for one at each sample."""
    rows: dict[str, int | None] = {INPUT: None}
    for layer in layers:
        read = {name: rows[name] for name in layer.inputs}
        if len(set(read.values())) > 1:
            told = ", ".join(f"{name} ({'one at each sample' if count is None else count})" for name, count in read.items())
            raise ShapeError(
                f"{layer.label} reads different numbers of rows of a recording: {printable(told, 200)}; put a Last, or a Repeat, before it."
            )
        own, count = layer.answers, read[layer.inputs[0]]
        if own is None and count is not None:
            own = rates.due(count, *layer.rate)
            if not own:
                raise ShapeError(f"{layer.label} answers first when it has read {layer.rate[1]} rows; it reads {count} for a recording.")
        rows[layer.name] = own or None
    return rows


def groups(layers: Sequence[Layer]) -> list[tuple[Layer, ...]]:
    """The layers of each loop together, all others alone, in an order in which they can run."""
    if not any(layer.of for layer in layers):
        return [(layer,) for layer in layers]
    from .loops import together

    return together(layers)
