"""Float64 NumPy twin of every layer, exact integers where a layer has them: slow, obvious, and the oracle of all tests.

It is not for production: no buffers are kept and nothing is fused. Each kind's file has its `TWINS`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..layers import part
from ..layers.record import Layer
from ..model import INPUT, Model
from .functions import State, Twin, Vector


def twin(layer: Layer) -> Twin:
    """How a layer is stepped here."""
    found: Twin = part(__name__, layer.kind).TWINS[layer.kind]
    return found


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
    values: dict[str, Vector | None] = {INPUT: np.asarray(x, np.float64).reshape(model.input_size)}
    for layer in model.layers:
        read = [value for name in layer.inputs if (value := values[name]) is not None]
        values[layer.name] = None
        if read:
            values[layer.name], state[layer.name] = twin(layer).step(layer, read, state[layer.name])
    return values[model.layers[-1].name]


def run(model: Model, xs: Sequence[ArrayLike] | NDArray[Any], state: dict[str, State] | None = None) -> NDArray[np.float64]:
    """Many timesteps: (time, input_size) -> (answers due, output_size) float64, from the initial state unless `state` is given."""
    state = initial_state(model) if state is None else state
    answers = [y for x in xs if (y := step(model, x, state)) is not None]
    return np.array(answers).reshape(len(answers), model.output_size)
