"""Models that are no row of the grid: maps, a convolution along time, and two published nets. It times nothing and knows no engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from grid import BLOCK, CHECKED, Draw
from numpy.typing import NDArray

import edgelstm as el
from edgelstm import reference


@dataclass(frozen=True)
class Net:
    """A model filled with numbers.

    Parameters
    ----------
    row : str
        Its name in `NETS`.
    layers : records
    inputs : (BLOCK, input_size) float32, uniform in [-1, 1]
    """

    row: str
    layers: tuple[Any, ...]
    inputs: NDArray[np.float32]

    @cached_property
    def model(self) -> el.Model:
        """The net as edgelstm holds it."""
        return el.Model(self.layers)

    @cached_property
    def answers(self) -> NDArray[np.float64]:
        """(CHECKED,) first outputs of the float64 reference, from the initial state."""
        answers: NDArray[np.float64] = reference.run(self.model, self.inputs[:CHECKED])[:, 0]
        return answers

    @property
    def multiply_accumulates(self) -> int:
        """Of one step, without those with the zeros around a map."""
        return sum(_products(layer) for layer in self.layers)


def _products(layer: Any) -> int:
    if not isinstance(layer, el.ConvLSTM):
        return int(layer.multiply_accumulates)
    *sizes, inputs = layer.shape
    *window, channels, gates = layer.recurrent_kernel.shape
    read = (int(np.convolve(np.ones(size), np.ones(taps), "same").sum()) for size, taps in zip(sizes, window, strict=True))
    return int(prod(read) * (inputs + channels) * gates)


def _conv_lstm(draw: Draw, shape: tuple[int, int, int], channels: int) -> list[Any]:
    kernels = (draw(3, 3, inputs, 4 * channels) for inputs in (shape[-1], channels))
    record: Any = el.ConvLSTM
    return [record(*kernels, draw(4 * channels), shape=shape)]


def _conv1d(draw: Draw) -> list[Any]:
    return [el.Conv1D(draw(64, 64, 3), draw(64))]


def _peephole_net(draw: Draw) -> list[Any]:
    """LSTM of 500 units with peepholes that gives out 200 values."""
    weights = draw(2000, 20), draw(2000, 200), draw(2000)
    return [el.LSTM(*weights, peephole=draw(3, 500), weight_hr=draw(200, 500))]


def _gru_net(draw: Draw) -> list[Any]:
    """GRU of 400 units, then Dense layers of 128 and 256 values."""
    gru = el.GRU(draw(1200, 20), draw(1200, 400), draw(1200), draw(1200))
    return [gru, el.Dense(draw(128, 400), draw(128)), el.Activation("relu"), el.Dense(draw(256, 128), draw(256))]


def _fourier(size: int) -> NDArray[np.float64]:
    """(size, 1, size + 2): Hann's window times cosines and sines."""
    turns = 2 * np.pi / size * np.outer(np.arange(size), np.arange(size // 2 + 1))
    window = 0.5 - 0.5 * np.cos(2 * np.pi / size * np.arange(size))
    found: NDArray[np.float64] = (window[:, None] * np.concatenate([np.cos(turns), -np.sin(turns)], axis=1))[:, None]
    return found


def _silero_vad(draw: Draw) -> list[Any]:
    """Speech in 512 samples, of which the chunk before lends 64: examples/voice/silero_vad.toml."""
    indices = [*range(448, 1024), *range(1022, 958, -1)]
    layers: list[Any] = [el.Normalizer(np.zeros(512), np.ones(512)), el.Window(2), el.Gather(indices)]
    layers += [el.MapConv(_fourier(256), shape=(640, 1), strides=128), el.Magnitude(129)]
    for length, inputs, outputs, stride in ((4, 129, 128, 1), (4, 128, 64, 2), (2, 64, 64, 2), (1, 64, 128, 1)):
        kernel, bias = draw(3, inputs, outputs), draw(outputs)
        layers += [el.MapConv(kernel, bias, shape=(length, inputs), strides=stride, padding=((1, 1),)), el.Activation("relu")]
    layers += [el.LSTM(draw(512, 128), draw(512, 128), draw(512)), el.Activation("relu")]
    return [*layers, el.Dense(draw(1, 128), draw(1)), el.Activation("sigmoid")]


def _mask(draw: Draw, inputs: int, outputs: int) -> list[Any]:
    """Two LSTM layers of 128 units, and a mask."""
    lstms = [el.LSTM(draw(512, size), draw(512, 128), draw(512)) for size in (inputs, 128)]
    return [*lstms, el.Dense(draw(outputs, 128), draw(outputs)), el.Activation("sigmoid", name="mask")]


def _dtln_second(draw: Draw) -> list[Any]:
    """512 samples as 256 features, which are masked, and back."""
    features = el.Dense(draw(256, 512), name="features")
    normed = el.LayerNorm(draw(256), draw(256), epsilon=1e-7, name="normed")
    return [features, normed, *_mask(draw, 256, 256), el.Mul(inputs=("features", "mask")), el.Dense(draw(512, 256))]


#: By name: the shape of a sample, the width that weights are drawn for, and what makes the layers.
NETS: dict[str, tuple[Sequence[int], int, Callable[[Draw], list[Any]]]] = {
    "ConvLSTM 8x8x1 -> 16, 3x3": ((8, 8, 1), 9 * 17, lambda draw: _conv_lstm(draw, (8, 8, 1), 16)),
    "ConvLSTM 32x32x3 -> 8, 3x3": ((32, 32, 3), 9 * 11, lambda draw: _conv_lstm(draw, (32, 32, 3), 8)),
    "Conv1D 64 -> 64, 3 taps": ((64,), 3 * 64, _conv1d),
    "LSTM 500, peepholes, projection 200, of 20 features": ((20,), 500, _peephole_net),
    "GRU 400, Dense 128, Dense 256, of 20 features": ((20,), 400, _gru_net),
    "silero_vad, 512 samples": ((512,), 128, _silero_vad),
    "DTLN's first net, a hop": ((257,), 128, lambda draw: _mask(draw, 257, 257)),
    "DTLN's second net, a hop": ((512,), 128, _dtln_second),
}

#: Microseconds a packet on a Pixel 4, features included, that arXiv:2005.06720 gives for nets of these layers.
PUBLISHED = {
    "LSTM 500, peepholes, projection 200, of 20 features": (462, 474),
    "GRU 400, Dense 128, Dense 256, of 20 features": (485, 531),
}


def make_net(name: str) -> Net:
    """The same numbers for the same name, on every machine."""
    return _drawn(name, *NETS[name])


def dense_net(units: int) -> Net:
    """A Dense layer of as many outputs as inputs."""
    return _drawn(f"Dense {units}", (units,), units, lambda draw: [el.Dense(draw(units, units), draw(units))])


def _drawn(name: str, shape: Sequence[int], width: int, make: Callable[[Draw], list[Any]]) -> Net:
    rng = np.random.default_rng(list(name.encode()))

    def draw(*sizes: int) -> NDArray[np.float32]:
        return rng.uniform(-1 / np.sqrt(width), 1 / np.sqrt(width), sizes).astype(np.float32)

    layers = tuple(make(draw))
    return Net(name, layers, rng.uniform(-1, 1, (BLOCK, prod(shape))).astype(np.float32))
