"""All layers of a network over many windows at once, with every value in between: what calibration and the report look into.

Integer layers are simulated in float32: weights times their scales, activations and integer cells rounded to their steps.
`reference_int8` and `reference_int8_static` have the exact arithmetic; nothing here is for production.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedModelError
from ..layers.dense_int8 import DenseInt8
from ..layers.dense_int8_static import DenseInt8Static
from ..layers.feedforward import Activation, Add, Dense, Embedding, Normalizer, Softmax
from ..layers.integers import GATE_BITS, LIMIT
from ..layers.lstm import LSTM
from ..layers.lstm_int8 import LSTMInt8
from ..layers.lstm_int8_static import LSTMInt8Static
from ..layers.record import Layer
from ..model import INPUT
from ..reference.functions import ACTIVATIONS, quantised
from .places import Place

Floats = NDArray[np.float32]

#: Records that are recurrent and whose gates can be looked into.
Recurrent: TypeAlias = LSTM | LSTMInt8 | LSTMInt8Static

#: Records whose activations are integers with fixed scales and zero points.
Static: TypeAlias = LSTMInt8Static | DenseInt8Static


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


@dataclass(frozen=True, eq=False)
class Trace:
    """What each layer gave: (windows, time, size), by layer name and for ``"input"``; the cells of recurrent layers beside."""

    values: dict[str, Floats]
    cells: dict[str, Floats] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)

    def inputs_of(self, layer: Layer) -> Floats:
        """What a layer reads: (windows, time, input_size)."""
        parts = [self.values[name] for name in layer.inputs]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def h_before(self, layer: Recurrent) -> Floats:
        """The h that each step of a recurrent layer began with: (windows, time, hidden_size)."""
        h = self.values[layer.name]
        return np.concatenate([np.broadcast_to(_start(layer)[0], h[:, :1].shape), h[:, :-1]], axis=1)


def run(layers: Sequence[Layer], batch: Batch, before: Trace | None = None) -> Trace:
    """Step all windows through `layers`; what a layer gave in `before` is kept where neither it nor what it reads has changed.

    Raises
    ------
    UnsupportedModelError
        If there is no rule for a type of layer.
    """
    trace = Trace({INPUT: batch.xs})
    same = {INPUT}
    for layer in layers:
        trace.layers[layer.name] = layer
        if before is not None and before.layers.get(layer.name) is layer and same.issuperset(layer.inputs):
            same.add(layer.name)
            trace.values[layer.name] = before.values[layer.name]
            if layer.name in before.cells:
                trace.cells[layer.name] = before.cells[layer.name]
        elif isinstance(layer, Recurrent):
            trace.values[layer.name], trace.cells[layer.name] = _recurrence(layer, trace.inputs_of(layer))
        elif type(layer) in _RULES:
            trace.values[layer.name] = _RULES[type(layer)](layer, [trace.values[n] for n in layer.inputs])
        else:
            raise UnsupportedModelError(f"{layer.label}: calibration has no rule for {type(layer).__name__}.")
    return trace


def gates(layer: Recurrent, x: Floats, h_before: Floats) -> Floats:
    """The gates i f g o after their activations, each step on its own: (..., input_size), (..., hidden_size) -> (..., 4*hidden_size)."""
    return _activated(before_activation(layer, x, h_before))


def before_activation(layer: Recurrent, x: Floats, h_before: Floats) -> Floats:
    """The same before their activations."""
    return _summed(layer, _from_x(layer, x), _rounded_h(layer, h_before) @ _recurrent_weights(layer).T)


def rounded(layer: Layer, x: Floats) -> Floats:
    """What the integer products of `layer` see of x (..., input_size): x itself where the layer reads float32."""
    if isinstance(layer, Static):
        return _on_grid(x, layer.input_scale, layer.input_zero_point)
    if getattr(layer, "scheme", "") != "int8-dynamic":
        return x
    scale = layer.input_scale  # type: ignore[attr-defined]
    steps = 1 / scale if scale is not None else LIMIT / np.maximum(np.abs(x).max(axis=-1, keepdims=True), np.float32(1e-30))
    return np.asarray(quantised(x, steps) / steps, np.float32)


def at_ends(layer: Static, y: Floats) -> NDArray[np.bool_]:
    """Which outputs of `layer` are its smallest or largest integer."""
    scale, zero_point = _output_grid(layer)
    return np.asarray(np.isin(np.rint(y / scale) + zero_point, (-128, 127)))


def _output_grid(layer: Static) -> tuple[Floats, int]:
    if isinstance(layer, LSTMInt8Static):
        return layer.hidden_scale, layer.hidden_zero_point
    return layer.output_scale, layer.output_zero_point


def _on_grid(x: Floats, scale: Floats, zero_point: int) -> Floats:
    """Rounded to int8 and back."""
    return np.asarray((np.clip(np.rint(x / scale) + zero_point, -128, 127) - zero_point) * scale, np.float32)


def _int16(x: Floats, bits: int) -> Floats:
    """Rounded to int16 with `bits` behind the point, and back."""
    one = np.float32(1 << bits)
    return np.asarray(np.clip(np.rint(x * one), -32768, 32767) / one)


def _summed(layer: Recurrent, from_x: Floats, from_h: Floats) -> Floats:
    if not isinstance(layer, LSTMInt8Static):
        return from_x + from_h
    return _int16(_int16(from_x, GATE_BITS) + _int16(from_h, GATE_BITS), GATE_BITS)


def _rounded_h(layer: Recurrent, h: Floats) -> Floats:
    if isinstance(layer, LSTMInt8Static):
        return _on_grid(h, *_output_grid(layer))
    if getattr(layer, "scheme", "") != "int8-dynamic":
        return h
    steps = layer.hidden_steps  # type: ignore[union-attr]
    return np.asarray(quantised(h, steps) / steps, np.float32)


def _recurrent_weights(layer: Recurrent) -> Floats:
    if isinstance(layer, LSTMInt8Static):
        products = _factors(layer, layer.mantissa_hh, layer.shift_hh) / (1 << GATE_BITS)
        return _float_rows(layer.weight_hh, products / layer.hidden_scale)
    return _float_rows(layer.weight_hh, layer.scale_hh) if isinstance(layer, LSTMInt8) else layer.weight_hh


def _from_x(layer: Recurrent, x: Floats) -> Floats:
    """The part of all pre-activations that does not recur."""
    if isinstance(layer, LSTMInt8Static):
        products = _factors(layer, layer.mantissa_ih, layer.shift_ih) / (1 << GATE_BITS)
        return np.asarray(rounded(layer, x) @ _float_rows(layer.weight_ih, products / layer.input_scale).T + layer.bias * products)
    weights, bias = layer.weight_ih, layer.bias
    if isinstance(layer, LSTMInt8):
        weights, bias = _float_rows(layer.weight_ih, layer.weight_scale_ih), layer.rounded_bias
    return np.asarray(rounded(layer, x) @ weights.T + bias)


def _float_rows(weight: NDArray[np.int8], scale: Floats) -> Floats:
    return np.asarray(weight * scale[:, None])


def _factors(layer: Static, mantissa: NDArray[np.int32], shift: NDArray[np.int8]) -> Floats:
    """What the sums of each row are multiplied by: (rows,)."""
    factors = np.ldexp(mantissa / (1 << 31), shift).astype(np.float32)
    return np.repeat(factors, layer.bias.size // factors.size)


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * z), np.float32)


def _activated(z: Floats) -> Floats:
    i, f, g, o = np.split(z, 4, axis=-1)
    return np.concatenate([_sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)], axis=-1)


def _start(layer: Recurrent) -> tuple[Floats, Floats]:
    """The h and c before the first step: (hidden_size,) each."""
    zeros = np.zeros(layer.hidden_size, np.float32)
    h, c = (zeros if layer.h0 is None else layer.h0), (zeros if layer.c0 is None else layer.c0)
    if isinstance(layer, LSTMInt8Static):
        h = h if layer.h0 is None else (h - np.float32(layer.hidden_zero_point)) * layer.hidden_scale
        c = c / np.float32(1 << layer.cell_bits)
    return h, c


def _updated(layer: Recurrent, z: Floats, c: Floats) -> tuple[Floats, Floats]:
    """The new h and c of gates before their activations."""
    i, f, g, o = np.split(_activated(z), 4, axis=-1)
    if not isinstance(layer, LSTMInt8Static):
        c = f * c + i * g
        return o * np.tanh(c), c
    bits = layer.cell_bits
    c = _int16(_int16(f * c, bits) + _int16(i * g, bits), bits)
    if layer.cell_clip is not None:
        limit = np.float32(layer.cell_clip / (1 << bits))
        c = np.clip(c, -limit, limit)
    return _on_grid(o * np.tanh(c), *_output_grid(layer)), c


def _recurrence(layer: Recurrent, x: Floats) -> tuple[Floats, Floats]:
    """The h and c of every step: (windows, time, hidden_size) each."""
    from_x = _from_x(layer, x)  # (windows, time, 4*hidden_size)
    weights = np.ascontiguousarray(_recurrent_weights(layer).T)
    windows, steps = x.shape[:2]
    hs, cs = np.empty((2, windows, steps, layer.hidden_size), np.float32)
    h, c = (np.broadcast_to(start, (windows, layer.hidden_size)) for start in _start(layer))
    for t in range(steps):
        h, c = _updated(layer, _summed(layer, from_x[:, t], _rounded_h(layer, h) @ weights), c)
        hs[:, t], cs[:, t] = h, c
    return hs, cs


def _joined(xs: list[Floats]) -> Floats:
    return np.concatenate(xs, axis=-1)


def _dense(layer: Dense | DenseInt8, xs: list[Floats]) -> Floats:
    weight = _float_rows(layer.weight, layer.scale) if isinstance(layer, DenseInt8) else layer.weight
    return np.asarray(rounded(layer, _joined(xs)) @ weight.T + layer.bias)


def _dense_static(layer: DenseInt8Static, xs: list[Floats]) -> Floats:
    products = _factors(layer, layer.mantissa, layer.shift) * layer.output_scale
    y = rounded(layer, _joined(xs)) @ _float_rows(layer.weight, products / layer.input_scale).T + layer.bias * products
    return _on_grid(y, *_output_grid(layer))


def _softmax(layer: Softmax, xs: list[Floats]) -> Floats:
    x = _joined(xs)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


#: Layers without a state: (windows, time, size) of each input -> (windows, time, output_size).
_RULES: dict[type[Layer], Callable[[Any, list[Floats]], Floats]] = {
    Dense: _dense,
    DenseInt8: _dense,
    DenseInt8Static: _dense_static,
    Softmax: _softmax,
    Activation: lambda layer, xs: np.asarray(ACTIVATIONS[layer.function](_joined(xs)), np.float32),  # type: ignore[arg-type]
    Embedding: lambda layer, xs: layer.weight[xs[0][..., 0].astype(np.int64)],
    Normalizer: lambda layer, xs: (_joined(xs) - layer.mean) / layer.scale,
    Add: lambda layer, xs: np.asarray(np.sum(xs, axis=0)),
}
