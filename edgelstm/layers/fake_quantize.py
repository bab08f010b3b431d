"""Records of layers that round activations as an integer runtime does, and give the rounded values as floats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import ShapeError, UnsupportedModelError, printable
from .record import Array, Layer, PerChannel, checked_array, require_shape

#: What `DynamicFakeQuantize` takes one scale for.
OVER = ("recording", "step")

#: Most levels above or below zero: those of 16 bits. Smallest scale: float32 divides by it.
MOST_LEVELS, SMALLEST_SCALE = 65535, 1e-30


@dataclass(eq=False, repr=False)
class FakeQuantize(PerChannel):
    """``y = scale * min(max(round(x / scale), low), high)``, halves to even: QuantizeLinear of ONNX, and back.

    Parameters
    ----------
    scale : (input_size,)
        Above 0.
    low, high : (input_size,)
        Whole numbers: the lowest and the highest level, less the zero point.
    """

    kind: ClassVar[str] = "fake_quantize"
    per_channel: ClassVar[str] = "scale"
    channelwise: ClassVar[bool] = True
    rounds: ClassVar[bool] = True
    scale: Array
    low: Array
    high: Array

    def _check(self) -> None:
        for name in ("scale", "low", "high"):
            self._set(name, checked_array(self.label, name, getattr(self, name), 1))
            require_shape(self.label, name, getattr(self, name), self.scale.shape, f"scale has shape {self.scale.shape}")
        if (self.scale < SMALLEST_SCALE).any():
            raise ShapeError(f"{self.label}: scale must not be below {SMALLEST_SCALE:g}; got {self.scale.min():g}.")
        _check_levels(self)


@dataclass(eq=False, repr=False)
class Requantize(PerChannel):
    """``y = min(max(round(multiplier * x), low), high)``, halves to even: sums of integer products as the levels of the next layer.

    Parameters
    ----------
    multiplier : (input_size,)
    low, high : (input_size,)
        Whole numbers: the lowest and the highest level, less the zero point.
    """

    kind: ClassVar[str] = "requantize"
    per_channel: ClassVar[str] = "multiplier"
    channelwise: ClassVar[bool] = True
    rounds: ClassVar[bool] = True
    multiplier: Array
    low: Array
    high: Array

    def _check(self) -> None:
        for name in ("multiplier", "low", "high"):
            self._set(name, checked_array(self.label, name, getattr(self, name), 1))
            require_shape(self.label, name, getattr(self, name), self.multiplier.shape, f"multiplier has shape {self.multiplier.shape}")
        _check_levels(self)


@dataclass(eq=False, repr=False)
class DynamicFakeQuantize(Layer):
    """Values rounded to 256 levels over their own range, which holds 0: DynamicQuantizeLinear of ONNX, and back.

    ``scale = (highest - lowest) / 255``, ``zero = round(-lowest / scale)``,
    ``y = scale * (min(max(round(x / scale) + zero, 0), 255) - zero)`` in float32, halves to even
    (https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html).

    Parameters
    ----------
    over : {"recording", "step"}
        Whether all rows of a recording have one range, so that it must be there whole, or each row has its own.
    levels : bool
        Whether it gives ``y / scale`` in place of y, and scale behind them.
    """

    kind: ClassVar[str] = "dynamic_fake_quantize"
    rounds: ClassVar[bool] = True
    over: str = "recording"
    levels: bool = False

    def _check(self) -> None:
        if self.over not in OVER:
            raise UnsupportedModelError(f"{self.label}: over {printable(repr(self.over), 60)} is not one of {', '.join(OVER)}.")
        if not isinstance(self.levels, bool):
            raise UnsupportedModelError(f"{self.label}: levels must be true or false; got {printable(repr(self.levels), 60)}.")

    def options(self) -> dict[str, Any]:
        """Without `levels` where it is False."""
        return {name: value for name, value in super().options().items() if name != "levels" or value}

    @property
    def whole(self) -> bool:
        return self.over == "recording"

    def output_size(self, sizes: Sequence[int]) -> int:
        return sum(sizes) + self.levels


def _check_levels(layer: "FakeQuantize | Requantize") -> None:
    levels = np.stack([layer.low, layer.high])
    if (levels != np.rint(levels)).any() or np.abs(levels).max() > MOST_LEVELS or (layer.low > layer.high).any():
        raise ShapeError(f"{layer.label}: low and high must be whole numbers within {MOST_LEVELS}, low not above high.")
