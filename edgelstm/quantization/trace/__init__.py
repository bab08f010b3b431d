"""All layers of a network over many windows at once, with every value in between: what calibration and the report look into.

Integer layers are simulated in float32: weights times their scales, activations and integer cells rounded to their steps.
`reference` has the exact arithmetic; nothing here is for production. Each family's file says how its kinds are simulated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...layers.order import INPUT
from ...layers.record import Layer
from ...layers.recurrent import RESET, Recurrent
from ...layers.wire import Wire
from ...reference import twin
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
    for layer in layers:
        trace.layers[layer.name] = layer
        read = trace.wires[layer.inputs[0]]
        trace.wires[layer.name] = read.behind(*layer.rate, read.shape)
        if before is not None and before.layers.get(layer.name) is layer and same.issuperset(layer.inputs):
            same.add(layer.name)
            trace.values[layer.name] = before.values[layer.name]
            for kept, found in ((trace.cells, before.cells), (trace.before, before.before)):
                if layer.name in found:
                    kept[layer.name] = found[layer.name]
        elif isinstance(layer, Recurrent):
            trace.recur(layer, batch.due(read).lengths)
        elif layer.kind in ANSWERS:
            trace.values[layer.name] = ANSWERS[layer.kind](layer, trace.read(layer))
        elif layer.kind in RECORDINGS:
            trace.values[layer.name] = RECORDINGS[layer.kind](layer, trace.read(layer), batch.due(read).lengths)
        else:
            trace.values[layer.name] = stepped(layer, [trace.values[n] for n in layer.inputs])
    return trace


def gates(layer: Recurrent, x: Floats, h_before: Floats) -> Floats:
    """The gates i f g o after their activations, each step on its own: (..., input_size), (..., hidden_size) -> (..., 4*hidden_size)."""
    return form(layer).gates(x, h_before)


def before_activation(layer: Recurrent, x: Floats, h_before: Floats) -> Floats:
    """The same before their activations."""
    return form(layer).before_activation(x, h_before)
