"""Twins of the minimal recurrent layers."""

import numpy as np

from ..layers.minimal import MinGRU, Minimal, MinLSTM
from .functions import State, Twin, Vector, activation, sigmoid


def from_x(layer: Minimal, xs: list[Vector]) -> Vector:
    """Pre-activations: (gates*hidden_size,)."""
    return np.asarray(layer.weight_ih.astype(np.float64) @ np.concatenate(xs) + layer.bias)


def min_gru(layer: MinGRU, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: h, (hidden_size,)."""
    z, n = np.split(from_x(layer, xs), 2)
    h = (1 - sigmoid(z)) * state[0] + sigmoid(z) * activation(layer.candidate)(n)
    return h, (h,)


def min_lstm(layer: MinLSTM, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. xs: vectors of input_size values together; state: h, (hidden_size,)."""
    f, i, n = np.split(from_x(layer, xs), 3)
    share = np.exp(-np.logaddexp(0, np.logaddexp(0, -i) - np.logaddexp(0, -f)))  # i / (f + i) of the sigmoids, where both vanish too
    h = (1 - share) * state[0] + share * activation(layer.candidate)(n)
    return h, (h,)


def start(layer: Minimal) -> State:
    """h before the first step: (hidden_size,)."""
    return (np.zeros(layer.hidden_size) if layer.h0 is None else layer.h0.astype(np.float64),)


TWINS = {"min_gru": Twin(min_gru, start), "min_lstm": Twin(min_lstm, start)}
