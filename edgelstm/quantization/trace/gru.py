"""GRU and Elman layers over many windows at once. They keep h alone: there is no cell beside it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...reference.functions import ACTIVATIONS
from .lstm import Float
from .rounding import Floats


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
        raise NotImplementedError

    def bounded(self, z: Floats) -> Floats:
        """Pre-activations within the layer's clip."""
        return z if self.layer.gate_clip is None else np.clip(z, -self.layer.gate_clip, self.layer.gate_clip)

    def function(self, name: str, z: Floats) -> Floats:
        """An activation, by the field that names it."""
        function: Callable[[Any], Any] = ACTIVATIONS[getattr(self.layer, name)]
        return np.asarray(function(z), np.float32)


class Gated(HiddenAlone):
    """A GRU layer in float32."""

    def from_x(self, x: Floats) -> Floats:
        """Input products and what of the biases r does not multiply: (..., 3*hidden_size)."""
        bias = self.layer.bias_ih + self.layer.bias_hh
        if self.layer.reset_after:
            bias[2 * self.layer.hidden_size :] = self.layer.bias_ih[2 * self.layer.hidden_size :]
        return np.asarray(x @ self.layer.weight_ih.T + bias)

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


class Elman(HiddenAlone):
    """An Elman layer in float32."""

    def stepped(self, from_x: Floats, h: Floats) -> Floats:
        z = self.summed(from_x, self.rounded_h(h) @ self.weights_hh().T)
        return self.function("activation", self.bounded(z))

    def gates(self, x: Floats, h_before: Floats) -> Floats:
        return self.function("activation", self.bounded(self.before_activation(x, h_before)))


FORMS: dict[str, type[Float]] = {"gru": Gated, "rnn": Elman}
