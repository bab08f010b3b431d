"""Float64 NumPy twin of every layer, exact integers where a layer has them: slow, obvious, and the oracle of all tests.

It is not for production: no buffers are kept and nothing is fused. Each kind's file has its `TWINS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..layers import part
from ..layers.order import INPUT
from ..layers.record import Layer
from ..layers.recurrent import RESET, Recurrent
from ..model import Model
from .functions import Rows, State, Twin, Vector, masked, restarting

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def twin(layer: Layer) -> Twin:
    """How a layer is stepped here."""
    found: Twin = part(__name__, layer.kind).TWINS[layer.kind]
    if layer.mask is None:
        return found
    return restarting(found) if layer.mask == RESET else masked(found)


def initial_state(model: Model) -> dict[str, State]:
    """Every layer's state before the first step, by layer name."""
    return {layer.name: twin(layer).start(layer) for layer in model.layers}


def step(model: Model, x: ArrayLike, state: dict[str, State]) -> Vector | None:
    """One timestep of the whole model.

    Parameters
    ----------
    x : (input_size,)
    state : as `initial_state` made it; changed in place.

    Returns
    -------
    (output_size,) float64
        None where no answer is due.
    """
    return _stepped(_stepping(model), np.asarray(x, np.float64).reshape(model.input_size), state)


def _stepping(model: Model) -> list[tuple[Layer, Callable[..., Any]]]:
    """The layers, and what steps each."""
    return [(layer, twin(layer).step) for layer in model.layers]


def _stepped(layers: list[tuple[Layer, Callable[..., Any]]], x: Vector, state: dict[str, State]) -> Vector | None:
    """What `step` gives."""
    values: dict[str, Vector | None] = {INPUT: x}
    answer = None
    for layer, advanced in layers:
        read = [value for name in layer.inputs if (value := values[name]) is not None]
        answer = None
        if read:
            answer, state[layer.name] = advanced(layer, read, state[layer.name])
        values[layer.name] = answer
    for layer, _ in layers:
        if layer.of and (value := values[layer.of]) is not None:
            state[layer.name] = (value,)
    return answer


def run(model: Model, xs: Sequence[ArrayLike] | NDArray[Any], state: dict[str, State] | None = None) -> NDArray[np.float64]:
    """Many timesteps: (time, input_size) -> (answers due, output_size) float64, from the initial state unless `state` is given.

    Of a model that cannot step, xs is one whole recording, from the initial state; the answer is one row where the model sums it up.
    """
    rows = np.asarray(xs, np.float64).reshape(len(xs), model.input_size)
    if not model.streams:
        return whole(model, rows)
    state, layers = initial_state(model) if state is None else state, _stepping(model)
    answers = [y for x in rows if (y := _stepped(layers, x, state)) is not None]
    return np.array(answers).reshape(len(answers), model.output_size)


def whole(model: Model, xs: Rows) -> Rows:
    """A whole recording, layer by layer: (time, input_size) -> (rows, output_size)."""
    return values_of(model, xs)[model.layers[-1].name]


def values_of(model: Model, xs: Rows) -> dict[str, Rows]:
    """What every layer gives for a whole recording (time, input_size): (rows, width), by name."""
    from ..layers.loops import is_loop, together  # a start, which steps a probe, never needs it

    values: dict[str, Rows] = {INPUT: xs}
    for group in together(model.layers):
        if is_loop(group):
            values |= around(group, values)
            continue
        (layer,) = group
        read = [values[name] for name in layer.inputs]
        if layer.answers == 0 and model.rows_of(layer.inputs[0]):
            count = model.wire_of(layer.inputs[0]).due(len(xs))
            read = [np.repeat(x[-1:], count, axis=0) for x in read]
        values[layer.name] = over(layer, read)
    return values


def around(loop: Sequence[Layer], values: Mapping[str, Rows]) -> dict[str, Rows]:
    """The layers of a loop over all rows of what they read of others, from their initial states: (rows, width), by name."""
    steps = [(layer, twin(layer).step) for layer in loop]
    state = {layer.name: twin(layer).start(layer) for layer in loop}
    found: dict[str, list[Any]] = {layer.name: [] for layer in loop}
    for t in range(len(values[loop[0].inputs[0]])):
        for layer, advanced in steps:
            read = [found[name][t] if name in found else values[name][t] for name in layer.inputs]
            y, state[layer.name] = advanced(layer, read, state[layer.name])
            found[layer.name].append(y)
        for layer in loop:
            if layer.of:
                state[layer.name] = (found[layer.of][t] if layer.of in found else values[layer.of][t],)
    return {name: np.array(rows) for name, rows in found.items()}


def over(layer: Layer, xs: list[Rows]) -> Rows:
    """One layer over all rows of its inputs, from its initial state; from the last row on where it is reversed."""
    known = twin(layer)
    if known.whole is not None:
        return known.whole(layer, xs)
    turn = -1 if isinstance(layer, Recurrent) and layer.reverse else 1
    state, rows = known.start(layer), []
    for read in zip(*(x[::turn] for x in xs), strict=True):
        y, state = known.step(layer, list(read), state)
        if y is not None:
            rows.append(y)
    return np.array(rows).reshape(len(rows), layer.output_size([x.shape[1] for x in xs]))[::turn]
