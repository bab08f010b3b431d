"""NumPy: the formula as one would write it first, and the same with one product and buffers made beforehand."""

from collections.abc import Callable
from typing import Any

import numpy as np
from grid import Case
from numpy.typing import NDArray

from peers import Contender, stepwise

VERSION = np.__version__

Step = Callable[[NDArray[np.float32]], NDArray[Any]]


def _naive(case: Case) -> Step:
    layers = [[layer.weight_ih, layer.weight_hh, layer.bias] for layer in case.layers]
    hidden = case.row.hidden_size
    states = [[np.zeros(hidden, np.float32), np.zeros(hidden, np.float32)] for _ in layers]
    dense, bias = case.dense.weight, case.dense.bias

    def sigmoid(z: NDArray[Any]) -> Any:
        return 1 / (1 + np.exp(-z))

    def step(x: NDArray[Any]) -> Any:
        for (weight_ih, weight_hh, b), state in zip(layers, states, strict=True):
            h, c = state
            i, f, g, o = np.split(weight_ih @ x + weight_hh @ h + b, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            x = sigmoid(o) * np.tanh(c)
            state[:] = x, c
        return dense @ x + bias

    return step


class _TunedLayer:
    """Sigmoid by tanh: ``sigmoid(z) = tanh(z/2)/2 + 1/2``, the inner half folded into the weights, one tanh for all four gates."""

    def __init__(self, layer: Any) -> None:
        hidden, width = layer.hidden_size, layer.input_size
        halves = np.repeat(np.array([0.5, 0.5, 1, 0.5], np.float32), hidden)
        self.weight = np.asfortranarray(np.concatenate([layer.weight_ih, layer.weight_hh], 1) * halves[:, None])  # (4*hidden, K)
        self.bias = layer.bias * halves
        self.half = halves.copy()
        self.shift = np.float32(1) - halves
        self.shift[2 * hidden : 3 * hidden] = 0
        self.xh = np.zeros(width + hidden, np.float32)
        self.x, self.h = self.xh[:width], self.xh[width:]
        self.z = np.zeros(4 * hidden, np.float32)
        self.i, self.f, self.g, self.o = (self.z[k * hidden : (k + 1) * hidden] for k in range(4))
        self.c = np.zeros(hidden, np.float32)

    def step(self, x: NDArray[Any]) -> NDArray[Any]:
        z, c, h = self.z, self.c, self.h
        self.x[:] = x
        np.dot(self.weight, self.xh, out=z)
        np.add(z, self.bias, out=z)
        np.tanh(z, out=z)
        np.multiply(z, self.half, out=z)
        np.add(z, self.shift, out=z)
        np.multiply(self.f, c, out=c)
        np.multiply(self.i, self.g, out=self.i)
        np.add(c, self.i, out=c)
        np.tanh(c, out=h)
        np.multiply(h, self.o, out=h)
        return h


def _tuned(case: Case) -> Step:
    steps = [_TunedLayer(layer).step for layer in case.layers]
    dense, bias, y = case.dense.weight, case.dense.bias, np.zeros(1, np.float32)

    def step(x: NDArray[Any]) -> NDArray[Any]:
        for layer in steps:
            x = layer(x)
        np.dot(dense, x, out=y)
        np.add(y, bias, out=y)
        return y

    return step


def contenders(case: Case) -> list[Contender]:
    return [stepwise("NumPy naive", _naive(case), case), stepwise("NumPy tuned", _tuned(case), case)]
