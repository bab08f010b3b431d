"""LSTM layers over many windows at once: one class for each form of numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.integers import GATE_BITS, LIMIT
from ...reference.cells import advance, normalised
from ...reference.functions import activation
from .rounding import Floats, at_ends, factors, float_rows, int16, on_grid, rounded, to_steps


class Float:
    """A layer in float32. Other forms change what they hold or round in another way."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    @property
    def cell_steps(self) -> tuple[int, int] | None:
        """Bits behind the point of a cell in integers, and the largest; None where it is float32."""
        return None

    def start(self) -> tuple[Floats, Floats]:
        """The h and c before the first step: (projection_size,) and (hidden_size,)."""
        sizes = self.layer.weight_hh.shape[1], self.layer.hidden_size
        starts = zip((self.layer.h0, self.layer.c0), sizes, strict=True)
        h, c = (np.zeros(size, np.float32) if start is None else start for start, size in starts)
        return h, c

    def weights_hh(self) -> Floats:
        """What h is multiplied by: (4*hidden_size, projection_size)."""
        return np.asarray(self.layer.weight_hh, np.float32)

    def from_x(self, x: Floats) -> Floats:
        """The part of all pre-activations that does not recur: (..., input_size) -> (..., 4*hidden_size)."""
        return np.asarray(x @ self.weights_ih().T + self.layer.bias)

    def weights_ih(self) -> Floats:
        """What x is multiplied by: (rows, input_size)."""
        return np.asarray(self.layer.weight_ih, np.float32)

    def rounded_h(self, h: Floats) -> Floats:
        """What recurrent products see of h."""
        return h

    def summed(self, from_x: Floats, from_h: Floats) -> Floats:
        """Gates before their activations."""
        return from_x + from_h

    def updated(self, z: Floats, c: Floats) -> tuple[Floats, Floats]:
        """The new h and c of gates before their activations."""
        if getattr(self.layer, "variant", ()):
            return self.with_options(z, np.zeros(z.shape[-1], np.float32), c)
        i, f, g, o = np.split(activated(z), 4, axis=-1)
        c = f * c + i * g
        return o * np.tanh(c), c

    def with_options(self, z: Floats, bias: Floats, c: Floats) -> tuple[Floats, Floats]:
        """The same of a cell that is no plain one; z without the bias where that comes behind a norm."""
        wide = (np.asarray(part, np.float64) for part in (z, bias, c))
        h, new = advance(self.layer, *wide)
        return np.asarray(h, np.float32), np.asarray(new, np.float32)

    def clipped(self, h: Floats) -> NDArray[np.bool_] | None:
        """Which h lie at or beyond the ends of their integers; None where h is never rounded."""
        return None

    def before_activation(self, x: Floats, h_before: Floats) -> Floats:
        """The gates i f g o of single steps, without peepholes: (..., input_size), (..., projection_size) -> (..., 4*hidden_size)."""
        return self.summed(self.from_x(x), self.rounded_h(h_before) @ self.weights_hh().T)

    def gates(self, x: Floats, h_before: Floats) -> Floats:
        """The same after their activations."""
        z = self.before_activation(x, h_before)
        return self._activated(z) if getattr(self.layer, "variant", ()) else activated(z)

    def _activated(self, z: Floats) -> Floats:
        """Gates of a cell with options after its activations; the gate that another gives is made of it."""
        i, f, o = self.layer.gate_activations
        words = (i, f, self.layer.cell_activation, o)
        most = self.layer.gate_limit or np.inf
        parts = [activation(word)(np.clip(part, -most, most)) for word, part in zip(words, np.split(z, 4, axis=-1), strict=True)]
        if self.layer.derived_gate is not None:
            parts[self.layer.derived_gate] = 1 - parts[1 - self.layer.derived_gate]
        return np.asarray(np.concatenate(parts, axis=-1), np.float32)

    def over(self, x: Floats) -> tuple[Floats, Floats]:
        """The h and c of every step of x (windows, time, input_size): (windows, time, projection_size), (windows, time, hidden_size)."""
        from_x = self.from_x(x)  # (windows, time, 4*hidden_size)
        weights = np.ascontiguousarray(self.weights_hh().T)
        windows, steps = x.shape[:2]
        h, c = (np.broadcast_to(start, (windows, start.size)) for start in self.start())
        hs, cs = (np.empty((windows, steps, start.size), np.float32) for start in self.start())
        for t in range(steps):
            h, c = self.updated(self.summed(from_x[:, t], self.rounded_h(h) @ weights), c)
            hs[:, t], cs[:, t] = h, c
        return hs, cs


class Normalised(Float):
    """A layer in float32 whose gates are normalised: the bias comes behind the norm."""

    def from_x(self, x: Floats) -> Floats:
        return self._apart(np.asarray(x @ self.weights_ih().T), self.layer.norm_weight)

    def summed(self, from_x: Floats, from_h: Floats) -> Floats:
        return from_x + self._apart(from_h, self.layer.norm_weight_hh)

    def updated(self, z: Floats, c: Floats) -> tuple[Floats, Floats]:
        return self.with_options(z, self.layer.bias, c)

    def before_activation(self, x: Floats, h_before: Floats) -> Floats:
        z = np.asarray(super().before_activation(x, h_before), np.float64)
        if self.layer.norm != "torch":
            gates = [normalised(part, self.layer.norm_epsilon) for part in np.split(z, 4, axis=-1)]
            z = np.concatenate(gates, axis=-1) * self.layer.norm_weight
        return np.asarray(z + self.layer.bias, np.float32)

    def _apart(self, products: Floats, weight: Floats) -> Floats:
        """Products of x or of h, normalised where they are so apart."""
        if self.layer.norm != "torch":
            return products
        return np.asarray(normalised(np.asarray(products, np.float64), self.layer.norm_epsilon) * weight, np.float32)


class Int8Weights(Float):
    """A layer with int8 weights and a float32 cell; x and h are rounded where its scheme does so."""

    def weights_hh(self) -> Floats:
        return float_rows(self.layer.weight_hh, self.layer.scale_hh)

    def from_x(self, x: Floats) -> Floats:
        weights = float_rows(self.layer.weight_ih, self.layer.weight_scale_ih)
        return np.asarray(rounded(self.layer, x) @ weights.T + self.layer.rounded_bias)

    def rounded_h(self, h: Floats) -> Floats:
        return to_steps(h, self.layer.hidden_steps) if self._rounds_h else h

    def clipped(self, h: Floats) -> NDArray[np.bool_] | None:
        return np.asarray(np.abs(h) * self.layer.hidden_steps > LIMIT + 0.5) if self._rounds_h else None

    @property
    def _rounds_h(self) -> bool:
        return bool(self.layer.scheme == "int8-dynamic")


class Integers(Float):
    """A layer in integers alone."""

    @property
    def cell_steps(self) -> tuple[int, int]:
        return self.layer.cell_bits, self.layer.cell_clip or 32767

    def start(self) -> tuple[Floats, Floats]:
        h, c = super().start()
        h = h if self.layer.h0 is None else (h - np.float32(self.layer.hidden_zero_point)) * self.layer.hidden_scale
        return h, c / np.float32(1 << self.layer.cell_bits)

    def weights_hh(self) -> Floats:
        products = self._products(self.layer.mantissa_hh, self.layer.shift_hh)
        return float_rows(self.layer.weight_hh, products / self.layer.hidden_scale)

    def from_x(self, x: Floats) -> Floats:
        products = self._products(self.layer.mantissa_ih, self.layer.shift_ih)
        weights = float_rows(self.layer.weight_ih, products / self.layer.input_scale)
        bias = np.float32(0) if self.layer.norm_weight is not None else self.layer.bias * products
        return np.asarray(rounded(self.layer, x) @ weights.T + bias)

    def rounded_h(self, h: Floats) -> Floats:
        return on_grid(h, *self.layer.output_grid)

    def summed(self, from_x: Floats, from_h: Floats) -> Floats:
        return int16(int16(from_x, GATE_BITS) + int16(from_h, GATE_BITS), GATE_BITS)

    def updated(self, z: Floats, c: Floats) -> tuple[Floats, Floats]:
        parts, bits = np.split(z, 4, axis=-1), self.layer.cell_bits
        i, f = (sigmoid(self._normalised(self._seen(parts[k], k, c), k)) for k in range(2))
        i, f = (1 - f if self.layer.coupled == "i=1-f" else i), (1 - i if self.layer.coupled == "f=1-i" else f)
        c = int16(int16(f * c, bits) + int16(i * np.tanh(self._normalised(parts[2], 2)), bits), bits)
        if self.layer.cell_clip is not None:
            limit = np.float32(self.layer.cell_clip / (1 << bits))
            c = np.clip(c, -limit, limit)
        o = sigmoid(self._normalised(self._seen(parts[3], 2, c), 3))
        return self._given(o * np.tanh(c)), c

    def _seen(self, z: Floats, k: int, c: Floats) -> Floats:
        """A gate and what its peephole, the k-th, lets through of the cell."""
        if self.layer.peephole is None:
            return z
        one = factors(self.layer.mantissa_peephole, self.layer.shift_peephole, 3)[k] * np.float32(2.0 ** (self.layer.cell_bits - GATE_BITS))
        return int16(z + int16(self.layer.peephole[k] * one * c, GATE_BITS), GATE_BITS)

    def _normalised(self, z: Floats, gate: int) -> Floats:
        """A gate normalised over its units."""
        if self.layer.norm_weight is None:
            return z
        weight, bias = (np.split(part, 4)[gate] for part in (self.layer.norm_weight, self.layer.bias))
        one = factors(self.layer.mantissa_norm, self.layer.shift_norm, 4)[gate] / np.float32(1 << GATE_BITS)
        same = normalised(np.asarray(z, np.float64), 2.0 ** (-2 * GATE_BITS))
        return int16(np.asarray((same * weight + bias / 1024) * one, np.float32), GATE_BITS)

    def _given(self, gated: Floats) -> Floats:
        """h: what is gated, or its projection."""
        layer = self.layer
        if layer.weight_hr is None:
            return on_grid(gated, *layer.output_grid)
        step = np.float32(2.0**-30) / factors(layer.mantissa_out, layer.shift_out, 1)
        inner = (np.clip(np.rint(gated / step) + layer.gated_zero_point, -128, 127) - layer.gated_zero_point).astype(np.float32)
        each = factors(layer.mantissa_hr, layer.shift_hr, layer.projection_size)
        r = on_grid((inner @ layer.weight_hr.T.astype(np.float32) + layer.bias_hr) * each * layer.hidden_scale, *layer.output_grid)
        if layer.projection_clip is None:
            return r
        ends = (
            np.float32(end - layer.hidden_zero_point) * layer.hidden_scale[0] for end in (-layer.projection_clip, layer.projection_clip)
        )
        return np.asarray(np.clip(r, *ends))

    def clipped(self, h: Floats) -> NDArray[np.bool_]:
        return at_ends(self.layer, h)

    def _products(self, mantissa: NDArray[np.int32], shift: NDArray[np.int8]) -> Floats:
        """What an integer product stands for in a pre-activation, by row: (4*hidden_size,)."""
        return np.asarray(factors(mantissa, shift, self.layer.bias.size) / (1 << GATE_BITS))


def activated(z: Floats) -> Floats:
    """Gates i f g o after their activations."""
    i, f, g, o = np.split(z, 4, axis=-1)
    return np.concatenate([sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)], axis=-1)


def sigmoid(z: Floats) -> Floats:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * z), np.float32)


def float_form(layer: Any) -> Float:
    """A layer in float32."""
    return Normalised(layer) if layer.norm else Float(layer)


FORMS: dict[str, Callable[[Any], Float]] = {
    "lstm": float_form,
    "lstm_half": float_form,
    "lstm_int8": Int8Weights,
    "lstm_int8_static": Integers,
}
