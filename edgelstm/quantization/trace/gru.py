"""GRU and Elman layers over many windows at once. They keep h alone: there is no cell beside it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedModelError
from ...layers.integers import LIMIT
from ...reference.functions import activation
from ...reference.gru import before_functions
from .lstm import Float
from .rounding import Floats, float_rows, rounded, to_steps


class HiddenAlone(Float):
    """A layer whose state is h. What follows says how one step is taken: `stepped`."""

    def start(self) -> tuple[Floats, ...]:  # type: ignore[override]
        """The h before the first step: (hidden_size,)."""
        return (np.zeros(self.layer.hidden_size, np.float32) if self.layer.h0 is None else self.layer.h0,)

    def over(self, x: Floats) -> tuple[Floats, None]:  # type: ignore[override]
        """The h of every step of x (windows, time, input_size): (windows, time, hidden_size)."""
        from_x = self.from_x(x)
        windows, steps = x.shape[:2]
        hs = np.empty((windows, steps, self.layer.hidden_size), np.float32)
        h = np.broadcast_to(self.start()[0], hs[:, 0].shape)
        for t in range(steps):
            h = hs[:, t] = self.stepped(from_x[:, t], h)
        return hs, None

    def stepped(self, from_x: Floats, h: Floats) -> Floats:
        """The h after one step, given input products and the h before."""
        raise UnsupportedModelError(f"{self.layer.label}: calibration has no step for layers of this kind; keep it in f32.")

    def rounded_x(self, x: Floats) -> Floats:
        """What input products see of x."""
        return x

    def bounded(self, z: Floats) -> Floats:
        """Pre-activations within the layer's clip."""
        return z if self.layer.gate_clip is None else np.clip(z, -self.layer.gate_clip, self.layer.gate_clip)

    def function(self, name: str, z: Floats) -> Floats:
        """An activation, by the field that names it."""
        function: Callable[[Any], Any] = activation(getattr(self.layer, name))
        return np.asarray(function(z), np.float32)


class Gated(HiddenAlone):
    """A GRU layer in float32."""

    def from_x(self, x: Floats) -> Floats:
        """Input products and what of the biases r does not multiply: (..., 3*hidden_size)."""
        bias = self.layer.bias_ih + self.layer.bias_hh
        if self.layer.reset_after:
            bias[2 * self.layer.hidden_size :] = self.layer.bias_ih[2 * self.layer.hidden_size :]
        return np.asarray(self.rounded_x(x) @ self.weights_ih().T + bias)

    def gates(self, x: Floats, h_before: Floats) -> Floats:
        r, z, n = np.split(self.before_activation(x, h_before), 3, axis=-1)
        gates = [self.function("gate_activation", gate) for gate in (r, z)]
        return np.concatenate([*gates, self.function("cell_activation", n)], axis=-1)

    def before_activation(self, x: Floats, h_before: Floats) -> Floats:
        """The gates r z n: (..., input_size), (..., hidden_size) -> (..., 3*hidden_size)."""
        return np.concatenate(self._before(self.from_x(x), h_before), axis=-1)

    def _before(self, from_x: Floats, h: Floats) -> tuple[Floats, Floats, Floats]:
        hidden = self.layer.hidden_size
        weights, (x_r, x_z, x_n) = self.weights_hh(), np.split(from_x, 3, axis=-1)
        seen = self.rounded_h(h)
        h_r, h_z = np.split(seen @ weights[: 2 * hidden].T, 2, axis=-1)
        r, z = self.bounded(x_r + h_r), self.bounded(x_z + h_z)
        reset = self.function("gate_activation", r)
        if self.layer.reset_after:
            h_n = reset * (seen @ weights[2 * hidden :].T + self.layer.bias_hh[2 * hidden :])
        else:
            h_n = self.rounded_h(reset * h) @ weights[2 * hidden :].T
        return r, z, self.bounded(x_n + h_n)

    def stepped(self, from_x: Floats, h: Floats) -> Floats:
        _, z, n = self._before(from_x, h)
        candidate = self.function("cell_activation", n)
        return np.asarray(candidate + self.function("gate_activation", z) * (h - candidate))


class Normed(Gated):
    """A GRU layer with layer normalisation."""

    def from_x(self, x: Floats) -> Floats:
        return np.asarray(x @ self.weights_ih().T)

    def _before(self, from_x: Floats, h: Floats) -> tuple[Floats, Floats, Floats]:
        r, z, n = (np.asarray(part, np.float32) for part in before_functions(self.layer, *(np.asarray(a, np.float64) for a in (from_x, h))))
        return r, z, n


def gated(layer: Any) -> Gated:
    """A GRU layer in float32."""
    return Gated(layer) if layer.norm is None else Normed(layer)


class Elman(HiddenAlone):
    """An Elman layer in float32."""

    def from_x(self, x: Floats) -> Floats:
        return np.asarray(self.rounded_x(x) @ self.weights_ih().T + self.layer.bias)

    def before_activation(self, x: Floats, h_before: Floats) -> Floats:
        """What the function is applied to: (..., input_size), (..., hidden_size) -> (..., hidden_size)."""
        return self.bounded(super().before_activation(x, h_before))

    def stepped(self, from_x: Floats, h: Floats) -> Floats:
        z = self.summed(from_x, self.rounded_h(h) @ self.weights_hh().T)
        return self.function("activation", self.bounded(z))

    def gates(self, x: Floats, h_before: Floats) -> Floats:
        return self.function("activation", self.before_activation(x, h_before))


class Int8Weights(HiddenAlone):
    """What both share in int8: weights, and x and h where the scheme rounds them."""

    def weights_ih(self) -> Floats:
        return float_rows(self.layer.weight_ih, self.layer.scale_ih)

    def weights_hh(self) -> Floats:
        return float_rows(self.layer.weight_hh, self.layer.scale_hh)

    def rounded_x(self, x: Floats) -> Floats:
        return rounded(self.layer, x)

    def rounded_h(self, h: Floats) -> Floats:
        return to_steps(h, self.layer.hidden_steps) if self.layer.scheme == "int8-dynamic" else h

    def clipped(self, h: Floats) -> NDArray[np.bool_] | None:
        return np.asarray(np.abs(h) * self.layer.hidden_steps > LIMIT + 0.5) if self.layer.scheme == "int8-dynamic" else None


class GatedInt8(Int8Weights, Gated):
    """A GRU layer with int8 weights."""


class ElmanInt8(Int8Weights, Elman):
    """An Elman layer with int8 weights."""


FORMS: dict[str, Callable[[Any], Float]] = {"gru": gated, "gru_half": Gated, "rnn": Elman, "gru_int8": GatedInt8, "rnn_int8": ElmanInt8}
