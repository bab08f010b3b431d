"""Twin of the convolutional LSTM."""

import numpy as np

from ..layers.conv_lstm import ConvLSTM, ConvLSTMInt8
from .functions import State, Twin, Vector, activation
from .maps import convolved

#: What a cell without bound is held within.
HELD = 2.0**60


def step(layer: ConvLSTM, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: the map's values; state: h and c, maps of the output's shape. Formula: `layers.conv_lstm.ConvLSTM`."""
    return _step(layer, xs, state, (np.ones(1), np.ones(1)))


def step_int8(layer: ConvLSTMInt8, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """The same with kernels in steps of their outputs' scales."""
    return _step(layer, xs, state, (layer.scale.astype(np.float64), layer.recurrent_scale.astype(np.float64)))


def _step(layer: ConvLSTM, xs: list[Vector], state: State, scales: tuple[Vector, Vector]) -> tuple[Vector, State]:
    h, c = state  # (rows, columns, channels) each
    gate, cell, output = (activation(getattr(layer, f"{name}_activation")) for name in ("gate", "cell", "output"))
    p_i, p_f, p_o = peepholes(layer)
    z = scales[0] * convolved(np.concatenate(xs), layer.kernel, layer.windows)
    z = z + scales[1] * convolved(h, layer.recurrent_kernel, layer.recurrent_windows)
    z_i, z_f, z_g, z_o = np.split(z + layer.bias, 4, axis=2)
    c = np.clip(gate(z_f + p_f * c) * c + gate(z_i + p_i * c) * cell(z_g), -HELD, HELD)
    h = np.clip(gate(z_o + p_o * c) * output(c), -HELD, HELD)
    return h.ravel(), (h, c)


def peepholes(layer: ConvLSTM) -> Vector:
    """p_i, p_f and p_o, as maps or as what is the same at all their places."""
    if layer.peephole is None:
        return np.zeros((3, 1, 1, 1))
    shape = (3, *_map(layer)) if layer.peephole.ndim > 2 else (3, 1, 1, layer.channels)
    return np.asarray(layer.peephole, np.float64).reshape(shape)


def start(layer: ConvLSTM) -> State:
    return tuple(
        np.zeros(_map(layer)) if given is None else given.astype(np.float64).reshape(_map(layer)) for given in (layer.h0, layer.c0)
    )


def _map(layer: ConvLSTM) -> tuple[int, ...]:
    """The output map's shape; of one with one axis, as a single row."""
    shape = layer.answer_shape
    return shape if len(shape) == 3 else (1, *shape)


TWINS = {"conv_lstm": Twin(step, start), "conv_lstm_int8": Twin(step_int8, start)}
