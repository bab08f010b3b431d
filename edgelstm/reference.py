"""Float64 NumPy twin of every layer: slow, obvious, and the oracle of all tests.

It is not for production: no buffers are kept and nothing is fused.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UnsupportedModelError
from ..layers.feedforward import Activation, Add, Dense, Embedding, Normalizer, Softmax
from ..layers.lstm import LSTM
from ..model import INPUT, Model

if TYPE_CHECKING:
    from ..layers.dense_int8 import DenseInt8
    from ..layers.dense_int8_static import DenseInt8Static
    from ..layers.lstm_int8 import LSTMInt8
    from ..layers.lstm_int8_static import LSTMInt8Static

Vector = NDArray[np.float64]
State = dict[str, tuple[Vector, ...]]


def sigmoid(x: Vector) -> Vector:
    """``1 / (1 + exp(-x))``, without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


#: What each name of `layers.ACTIVATIONS` means.
ACTIVATIONS: dict[str, Callable[[Vector], Vector]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
}


def softmax(x: Vector) -> Vector:
    """``exp(x) / sum(exp(x))``, shifted by the largest value first."""
    e: Vector = np.exp(x - x.max())
    return np.asarray(e / e.sum())


def lstm_step(layer: "LSTM | LSTMInt8", x: Vector, h: Vector, c: Vector) -> tuple[Vector, Vector]:
    """One step. x: (input_size,); h, c: (hidden_size,); returns the new h and c. Formula: `layers.LSTM`."""
    if layer.kind == "lstm_int8":
        from .. import reference_int8

        z = reference_int8.lstm_preactivations(cast("LSTMInt8", layer), x, h)  # (4*hidden_size,)
    else:
        z = layer.weight_ih.astype(np.float64) @ x + layer.weight_hh.astype(np.float64) @ h + layer.bias  # (4*hidden_size,)
    i, f, g, o = np.split(z, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def _lstm(layer: "LSTM | LSTMInt8", xs: list[Vector], state: State) -> Vector:
    h, c = lstm_step(layer, np.concatenate(xs), *state[layer.name])
    state[layer.name] = h, c
    return h


def _lstm_int8_static(layer: "LSTMInt8Static", xs: list[Vector], state: State) -> Vector:
    from .. import reference_int8_static

    h, state[layer.name] = reference_int8_static.lstm(layer, np.concatenate(xs), *state[layer.name])
    return h


def _dense_int8_static(layer: "DenseInt8Static", xs: list[Vector], state: State) -> Vector:
    from .. import reference_int8_static

    return reference_int8_static.dense(layer, np.concatenate(xs))


def _dense_int8(layer: "DenseInt8", xs: list[Vector], state: State) -> Vector:
    from .. import reference_int8

    return reference_int8.dense(layer, np.concatenate(xs))


def _dense(layer: Dense, xs: list[Vector], state: State) -> Vector:
    return np.asarray(layer.weight.astype(np.float64) @ np.concatenate(xs) + layer.bias)


def _activation(layer: Activation, xs: list[Vector], state: State) -> Vector:
    return ACTIVATIONS[layer.function](np.concatenate(xs))


def _softmax(layer: Softmax, xs: list[Vector], state: State) -> Vector:
    return softmax(np.concatenate(xs))


def _embedding(layer: Embedding, xs: list[Vector], state: State) -> Vector:
    row: Vector = layer.weight[int(xs[0][0])].astype(np.float64)
    return row


def _normalizer(layer: Normalizer, xs: list[Vector], state: State) -> Vector:
    units: Vector = (np.concatenate(xs) - layer.mean.astype(np.float64)) / layer.scale.astype(np.float64)
    return units


def _add(layer: Add, xs: list[Vector], state: State) -> Vector:
    return np.asarray(np.sum(xs, axis=0))


#: By kind of layer: (layer, inputs, state) -> output.
_STEP: dict[str, Callable[[Any, list[Vector], State], Vector]] = {
    "lstm": _lstm,
    "lstm_int8": _lstm,
    "lstm_int8_static": _lstm_int8_static,
    "dense": _dense,
    "dense_int8": _dense_int8,
    "dense_int8_static": _dense_int8_static,
    "activation": _activation,
    "softmax": _softmax,
    "embedding": _embedding,
    "normalizer": _normalizer,
    "add": _add,
}


def initial_state(model: Model) -> State:
    """Every recurrent layer's state before the first step, by layer name: (h, c), of `LSTMInt8Static` in integers."""
    state: State = {}
    for layer in model.layers:
        if layer.kind == "lstm_int8_static":
            from .. import reference_int8_static

            state[layer.name] = reference_int8_static.lstm_initial(cast("LSTMInt8Static", layer))
        elif layer.kind in ("lstm", "lstm_int8"):
            recurrent = cast("LSTM | LSTMInt8", layer)
            zero = np.zeros(recurrent.hidden_size)
            starts = (recurrent.h0, recurrent.c0)
            state[layer.name] = tuple(zero if start is None else start.astype(np.float64) for start in starts)
    return state


def step(model: Model, x: ArrayLike, state: State) -> Vector:
    """One timestep of the whole model.

    Parameters
    ----------
    x : (input_size,)
    state : as `initial_state` made it; changed in place.

    Returns
    -------
    (output_size,) float64
    """
    values: dict[str, Vector] = {INPUT: np.asarray(x, np.float64).reshape(model.input_size)}
    for layer in model.layers:
        if layer.kind not in _STEP:
            raise UnsupportedModelError(f"{layer.label}: the reference has no rule for {type(layer).__name__}.")
        values[layer.name] = _STEP[layer.kind](layer, [values[n] for n in layer.inputs], state)
    return values[model.layers[-1].name]


def run(model: Model, xs: Sequence[ArrayLike] | NDArray[Any], state: State | None = None) -> NDArray[np.float64]:
    """Many timesteps: (time, input_size) -> (time, output_size) float64, from the initial state unless `state` is given."""
    state = initial_state(model) if state is None else state
    return np.array([step(model, x, state) for x in xs]).reshape(len(xs), model.output_size)
