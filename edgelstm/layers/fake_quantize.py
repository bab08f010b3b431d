"""Records of layers that round activations as an integer runtime does, and give the rounded values as floats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import ShapeError, UnsupportedModelError, printable
from .record import Array, Layer, PerChannel, checked_array, require_shape

#: What `DynamicFakeQuantize` takes one scale for.
OVER = ("recording", "step")

#: What it may give.
GIVES = ("numbers", "levels", "scale")

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
    gives : {"numbers", "levels", "scale"}
        y, ``y / scale``, or scale alone.
    """

    kind: ClassVar[str] = "dynamic_fake_quantize"
    rounds: ClassVar[bool] = True
    over: str = "recording"
    gives: str = "numbers"

    def _check(self) -> None:
        if self.over not in OVER:
            raise UnsupportedModelError(f"{self.label}: over {printable(repr(self.over), 60)} is not one of {', '.join(OVER)}.")
        if self.gives not in GIVES:
            raise UnsupportedModelError(f"{self.label}: gives {printable(repr(self.gives), 60)} is not one of {', '.join(GIVES)}.")

    def options(self) -> dict[str, Any]:
        """Without `gives` where it is "numbers"."""
        return {name: value for name, value in super().options().items() if name != "gives" or value != "numbers"}

    @property
    def whole(self) -> bool:
        return self.over == "recording"

    def output_size(self, sizes: Sequence[int]) -> int:
        return 1 if self.gives == "scale" else sum(sizes)


@dataclass(eq=False, repr=False)
class Rescale(Layer):
    """Sums of products of levels as numbers: ``y = x * (s * scale) + bias``, of which each operation rounds to float32.

    It names two inputs: the layer that gives x, and the one that gives s, what a level of x stands for.

    Parameters
    ----------
    scale : (size,)
        What a level of the weights stands for.
    bias : (size,), optional
    """

    kind: ClassVar[str] = "rescale"
    scale: Array
    bias: Array = None

    def _check(self) -> None:
        self._set("scale", checked_array(self.label, "scale", self.scale, 1))
        self._set("bias", checked_array(self.label, "bias", np.zeros_like(self.scale) if self.bias is None else self.bias, 1))
        require_shape(self.label, "bias", self.bias, self.scale.shape, f"scale has shape {self.scale.shape}")

    @property
    def input_width(self) -> int:
        return int(self.scale.size) + 1

    def output_size(self, sizes: Sequence[int]) -> int:
        if list(sizes) != [self.scale.size, 1]:
            raise ShapeError(f"{self.label}: reads {self.scale.size} sums and their scale, two inputs; got {list(sizes)} values.")
        return int(self.scale.size)


def _check_levels(layer: "FakeQuantize | Requantize") -> None:
    levels = np.stack([layer.low, layer.high])
    if (levels != np.rint(levels)).any() or np.abs(levels).max() > MOST_LEVELS or (layer.low > layer.high).any():
        raise ShapeError(f"{layer.label}: low and high must be whole numbers within {MOST_LEVELS}, low not above high.")
