"""All layers of a network over many windows at once, with every value in between: what calibration and the report look into.

Integer layers are simulated in float32: weights times their scales, activations and integer cells rounded to their steps.
`reference` has the exact arithmetic; nothing here is for production. Each family's file says how its kinds are simulated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...layers.loops import is_loop, together
from ...layers.order import INPUT
from ...layers.record import Layer
from ...layers.recurrent import RESET, Recurrent
from ...layers.wire import Wire
from ...reference import around, twin
from ..places import Place
from . import dynamic_lstm, gru, lstm, minimal
from .feedforward import ANSWERS
from .lstm import Float
from .recording import RECORDINGS, over, restarted

Floats = NDArray[np.float32]

#: How recurrent layers are simulated, by kind.
FORMS: dict[str, Callable[[Any], Float]] = {**lstm.FORMS, **gru.FORMS, **minimal.FORMS, **dynamic_lstm.FORMS}


class Batch(NamedTuple):
    """Windows side by side, each from the initial state.

    Parameters
    ----------
    xs : (windows, time, input_size) float32
        The last sample of a window repeated to the length of the longest.
    lengths : (windows,)
        Steps of each window that are its own.
    places : (windows,), optional
        Where each begins; by default they are counted.
    """

    xs: Floats
    lengths: NDArray[np.int64]
    places: tuple[Place, ...] = ()

    @property
    def own(self) -> NDArray[np.bool_]:
        """Which steps are no padding: (windows, time)."""
        return np.asarray(np.arange(self.xs.shape[1]) < self.lengths[:, None])

    def place(self, window: int) -> Place:
        """Where a window begins."""
        return self.places[window] if self.places else Place(f"window {window}")

    def due(self, wire: Wire) -> "Batch":
        """The steps at which values of a wire are due, and how many of each window's there are."""
        if wire.each_step:
            return self
        lengths = np.array([wire.due(int(length)) for length in self.lengths])
        places = tuple(self.place(window).thinned(wire.every, wire.first) for window in range(len(lengths)))
        return Batch(self.xs[:, wire.first - 1 :: wire.every], lengths, places)


@dataclass(frozen=True, eq=False)
class Trace:
    """What each layer gave: (windows, answers due, size), by layer name and for ``"input"``; when it was due; the cells of recurrent
    layers beside, and the h before each step of those that read from the end or have a mask.
    """

    values: dict[str, Floats]
    cells: dict[str, Floats] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    before: dict[str, Floats] = field(default_factory=dict)
    wires: dict[str, Wire] = field(default_factory=lambda: {INPUT: Wire((1,))})

    def answered(self, layer: Layer, batch: Batch) -> Floats:
        """What a layer gave in the windows' own steps: (answers, size)."""
        return self.values[layer.name][batch.due(self.wires[layer.name]).own]

    def taken(self, layer: Layer, batch: Batch) -> Floats:
        """What a layer read in the windows' own steps, as `inputs_of`: (steps, input_size)."""
        return self.inputs_of(layer)[batch.due(self.wires[layer.inputs[0]]).own]

    def read(self, layer: Layer) -> list[Floats]:
        """What a layer reads, apart."""
        return [self.values[name] for name in layer.inputs]

    def inputs_of(self, layer: Layer) -> Floats:
        """What a layer reads: (windows, time, input_size). Without a recurrent layer's mask."""
        parts = self.read(layer)
        x = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        return x[..., : layer.input_size] if isinstance(layer, Recurrent) else x

    def keep(self, names: set[str], before: "Trace") -> None:
        """Take over what these layers gave in another trace."""
        for kept, found in ((self.values, before.values), (self.cells, before.cells), (self.before, before.before)):
            kept.update({name: found[name] for name in names if name in found})

    def take(self, layer: Layer, batch: Batch) -> None:
        """Run a layer, whose inputs are known, over all windows."""
        lengths = batch.due(self.wires[layer.inputs[0]]).lengths
        if isinstance(layer, Recurrent):
            self.recur(layer, lengths)
        elif layer.kind in ANSWERS:
            self.values[layer.name] = ANSWERS[layer.kind](layer, self.read(layer))
        elif layer.kind in RECORDINGS:
            self.values[layer.name] = RECORDINGS[layer.kind](layer, self.read(layer), lengths)
        else:
            self.values[layer.name] = stepped(layer, self.read(layer))

    def go_around(self, loop: Sequence[Layer], batch: Batch) -> None:
        """Run the layers of a loop by their twins, and once more those whose cells others ask for."""
        names = {name for layer in loop for name in (*layer.inputs, *layer.needs)} & set(self.values)
        each = [
            around(loop, {name: self.values[name][window].astype(np.float64) for name in names}) for window in range(len(batch.lengths))
        ]
        self.values.update({layer.name: np.array([found[layer.name] for found in each], np.float32) for layer in loop})
        for layer in loop:
            if isinstance(layer, Recurrent):
                self.take(layer, batch)

    def recur(self, layer: Recurrent, lengths: NDArray[np.int64]) -> None:
        """Run a recurrent layer, whose inputs are known, over all windows of these lengths."""
        if layer.mask == RESET:
            self.values[layer.name], cells, self.before[layer.name] = restarted(layer, np.concatenate(self.read(layer), axis=-1))
        elif layer.reverse or layer.mask:
            x = np.concatenate(self.read(layer), axis=-1)
            self.values[layer.name], cells, self.before[layer.name] = over(layer, form(layer), x, lengths)
        else:
            self.values[layer.name], cells = form(layer).over(self.inputs_of(layer))
        if cells is not None:
            self.cells[layer.name] = cells

    def h_before(self, layer: Recurrent) -> Floats:
        """The h that each step of a recurrent layer began with: (windows, time, hidden_size)."""
        if layer.name in self.before:
            return self.before[layer.name]
        h = self.values[layer.name]
        return np.concatenate([np.broadcast_to(form(layer).start()[0], h[:, :1].shape), h[:, :-1]], axis=1)


def form(layer: Layer) -> Float:
    """How a recurrent layer is simulated."""
    return FORMS[layer.kind](layer)


def stepped(layer: Layer, xs: list[Floats]) -> Floats:
    """What a layer's twin gives: (windows, time, size) of each input -> (windows, time, output_size)."""
    kind, answers = twin(layer), []
    for window in range(len(xs[0])):
        state = kind.start(layer)
        for t in range(xs[0].shape[1]):
            y, state = kind.step(layer, [x[window, t].astype(np.float64) for x in xs], state)
            answers.append(y)
    return np.array(answers, np.float32).reshape(*xs[0].shape[:2], -1)


def run(layers: Sequence[Layer], batch: Batch, before: Trace | None = None) -> Trace:
    """Step all windows through `layers`; what a layer gave in `before` is kept where neither it nor what it reads has changed.

    Layers without a form or a function of whole windows are stepped by their twins.

    Raises
    ------
    UnsupportedModelError
        If a layer reads recordings as a whole.
    """
    trace = Trace({INPUT: batch.xs})
    same = {INPUT}
    for group in together(layers):
        for layer in group:
            trace.layers[layer.name] = layer
            read = trace.wires[layer.inputs[0]]
            trace.wires[layer.name] = read.behind(*layer.rate, read.shape)
        own = {layer.name for layer in group}
        known = before is not None and all(before.layers.get(layer.name) is layer for layer in group)
        if known and before is not None and (same | own).issuperset(name for layer in group for name in (*layer.inputs, *layer.needs)):
            same |= own
            trace.keep(own, before)
        elif is_loop(group):
            trace.go_around(group, batch)
        else:
            trace.take(group[0], batch)
    return trace


def gates(layer: Recurrent, x: Floats, h_before: Floats) -> Floats:
    """The gates i f g o after their activations, each step on its own: (..., input_size), (..., hidden_size) -> (..., 4*hidden_size)."""
    return form(layer).gates(x, h_before)


def before_activation(layer: Recurrent, x: Floats, h_before: Floats) -> Floats:
    """The same before their activations."""
    return form(layer).before_activation(x, h_before)
