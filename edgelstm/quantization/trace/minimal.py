"""Minimal recurrent layers and sLSTM layers over many windows at once, in float32."""

import numpy as np

from .gru import HiddenAlone
from .lstm import Float, sigmoid
from .rounding import Floats


class MinGRU(HiddenAlone):
    """A minimal GRU."""

    def from_x(self, x: Floats) -> Floats:
        return np.asarray(x @ self.layer.weight_ih.T + self.layer.bias)

    def before_activation(self, x: Floats, h_before: Floats) -> Floats:
        return self.from_x(x)

    def gates(self, x: Floats, h_before: Floats) -> Floats:
        *gates, n = np.split(self.from_x(x), len(self.layer.gates), axis=-1)
        return np.concatenate([*map(sigmoid, gates), self.function("candidate", n)], axis=-1)

    def stepped(self, from_x: Floats, h: Floats) -> Floats:
        z, n = np.split(from_x, 2, axis=-1)
        return np.asarray(h + sigmoid(z) * (self.function("candidate", n) - h))


class MinLSTM(MinGRU):
    """A minimal LSTM."""

    def stepped(self, from_x: Floats, h: Floats) -> Floats:
        f, i, n = np.split(from_x, 3, axis=-1)
        share = np.exp(-np.logaddexp(0, np.logaddexp(0, -i) - np.logaddexp(0, -f)))
        return np.asarray(h + share * (self.function("candidate", n) - h), np.float32)


class SLSTM(Float):
    """An sLSTM; its h needs the whole state, so that gates of single steps are those of the h before."""

    def start(self) -> tuple[Floats, Floats]:
        zeros = np.zeros(self.layer.hidden_size, np.float32)
        return zeros, zeros

    def weights_hh(self) -> Floats:
        """Heads side by side: (4*hidden_size, hidden_size)."""
        hidden, size = self.layer.hidden_size, self.layer.head_size
        weights = np.zeros((4, hidden, hidden), np.float32)
        for first in range(0, hidden, size):
            head = slice(first, first + size)
            weights[:, head, head] = self.layer.weight_hh.reshape(4, hidden, size)[:, head]
        return weights.reshape(4 * hidden, hidden)

    def gates(self, x: Floats, h_before: Floats) -> Floats:
        i, f, z, o = np.split(self.before_activation(x, h_before), 4, axis=-1)
        return np.concatenate([i, sigmoid(f), np.tanh(z), sigmoid(o)], axis=-1)

    def over(self, x: Floats) -> tuple[Floats, Floats]:
        from_x, weights = self.from_x(x), np.ascontiguousarray(self.weights_hh().T)
        hs, cs = np.empty((2, *x.shape[:2], self.layer.hidden_size), np.float32)
        h, c, n, m = np.zeros((4, *hs[:, 0].shape), np.float32)
        m -= np.float32(1e30)
        for t in range(x.shape[1]):
            i, f, z, o = np.split(from_x[:, t] + h @ weights, 4, axis=-1)
            kept = m - np.logaddexp(0, -f)
            m = np.maximum(i, kept)
            new, old = np.exp(i - m), np.exp(kept - m)
            c, n = old * c + new * np.tanh(z), old * n + new
            h = sigmoid(o) * c / n
            hs[:, t], cs[:, t] = h, c
        return hs, cs


FORMS: dict[str, type[Float]] = {"min_gru": MinGRU, "min_lstm": MinLSTM, "slstm": SLSTM}
