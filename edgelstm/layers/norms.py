"""Records of layers that scale a vector by its own size, each timestep by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import ShapeError, UnsupportedModelError, printable
from .record import MAX_SIZE, Array, Layer, PerChannel, checked_array, require_shape

#: What `LayerNorm` takes one mean and variance of a group for.
OVER = ("step", "recording")


def _whole(owner: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SIZE:
        raise ShapeError(f"{owner}: {name} must be a whole number from 1 to {MAX_SIZE}; got {printable(repr(value), 60)}.")
    return value


def _epsilon(owner: str, value: Any) -> float:
    """A number that keeps a quotient finite, in float32 too."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1e-30 <= value <= 1e6:
        raise ShapeError(f"{owner}: epsilon must be a number from 1e-30 to 1e6; got {printable(repr(value), 60)}.")
    return float(value)


@dataclass(eq=False, repr=False)
class LayerNorm(PerChannel):
    """``(x - mean(x)) / sqrt(variance(x) + epsilon) weight + bias`` over each group of channels (Ba, Kiros and Hinton 2016).

    One group is the layer normalisation of all frameworks, and the instant layer normalisation of DTLN (Westhausen and Meyer 2020);
    several are group normalisation (Wu and He 2018) of one timestep. The variance is that of the population.

    Over a recording it is the group normalisation of convolutions along time, and with a group a channel instance normalisation
    (Ulyanov, Vedaldi and Lempitsky 2016).

    Parameters
    ----------
    weight : (input_size,)
    bias : (input_size,), optional
    epsilon : float, optional
    groups : int, optional
        Groups of neighbouring channels, which divide input_size.
    over : {"step", "recording"}, optional
        Whether each row has its own mean and variance, or all rows of a recording have one, so that it must be there whole.
    """

    kind: ClassVar[str] = "layer_norm"
    weight: Array
    bias: Array = None
    epsilon: float = 1e-5
    groups: int = 1
    over: str = "step"

    def _check(self) -> None:
        self._set("weight", checked_array(self.label, "weight", self.weight, 1))
        bias = np.zeros(self.weight.shape, np.float32) if self.bias is None else self.bias
        self._set("bias", checked_array(self.label, "bias", bias, 1))
        require_shape(self.label, "bias", self.bias, self.weight.shape, f"weight has shape {self.weight.shape}")
        self._set("epsilon", _epsilon(self.label, self.epsilon))
        if self.weight.size % _whole(self.label, "groups", self.groups):
            raise ShapeError(f"{self.label}: groups must divide the {self.weight.size} channels; got {self.groups}.")
        if self.over not in OVER:
            raise UnsupportedModelError(f"{self.label}: over {printable(repr(self.over), 60)} is not one of {', '.join(OVER)}.")

    @property
    def whole(self) -> bool:
        return self.over == "recording"


@dataclass(eq=False, repr=False)
class RMSNorm(PerChannel):
    """``x / sqrt(mean(x^2) + epsilon) weight`` (Zhang and Sennrich 2019).

    Parameters
    ----------
    weight : (input_size,)
    epsilon : float, optional
    """

    kind: ClassVar[str] = "rms_norm"
    weight: Array
    epsilon: float = 1e-6

    def _check(self) -> None:
        self._set("weight", checked_array(self.label, "weight", self.weight, 1))
        self._set("epsilon", _epsilon(self.label, self.epsilon))


@dataclass(eq=False, repr=False)
class UnitNormalization(Layer):
    """``x / sqrt(max(sum(x^2), epsilon))``: a vector of length one, as ``keras.layers.UnitNormalization``.

    ``torch.nn.functional.normalize`` bounds the length itself: its eps is the square root of this epsilon.

    Parameters
    ----------
    epsilon : float, optional
    """

    kind: ClassVar[str] = "unit_normalization"
    epsilon: float = 1e-12

    def _check(self) -> None:
        self._set("epsilon", _epsilon(self.label, self.epsilon))

    def output_size(self, sizes: Sequence[int]) -> int:
        return sum(sizes)
