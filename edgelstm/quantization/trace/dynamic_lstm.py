"""LSTM layers whose products are of whole numbers over many windows at once."""

import numpy as np

from .lstm import Float
from .rounding import Floats


class Levels(Float):
    """A layer that reads levels and, behind them, their scale."""

    def weights_hh(self) -> Floats:
        return np.asarray(self.layer.weight_hh * self.layer.scale_hh[:, None])

    def from_x(self, x: Floats) -> Floats:
        return np.asarray(x[..., :-1] @ self.layer.weight_ih.T * (x[..., -1:] * self.layer.scale_ih) + self.layer.bias)

    def rounded_h(self, h: Floats) -> Floats:
        low, high = np.minimum(h.min(axis=-1, keepdims=True), 0), np.maximum(h.max(axis=-1, keepdims=True), 0)
        scale = (high - low) / np.float32(255)
        scale = np.where(scale > 0, scale, np.float32(1))
        zero = np.rint(np.clip(-low / scale, 0, 255))
        return np.asarray((np.clip(np.rint(h / scale) + zero, 0, 255) - zero) * scale)


FORMS = {"dynamic_lstm": Levels}
