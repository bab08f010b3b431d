"""Records of the layers around recurrent ones: small, and every float model loads some of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..errors import ShapeError, printable
from . import activations
from .record import MAX_SIZE, Array, Layer, PerChannel, checked_array, require_shape

#: Most rows of a table, which indices in float32 still tell apart, and most numbers, whose offsets stay inside 32 bits.
MAX_ROWS, MAX_TABLE = 1 << 21, 1 << 27


@dataclass(eq=False, repr=False)
class Dense(Layer):
    """Fully connected layer: ``y = weight x + bias``.

    Parameters
    ----------
    weight : (output_size, input_size)
    bias : (output_size,), optional
    """

    kind: ClassVar[str] = "dense"
    weight: Array
    bias: Array = None

    def _check(self) -> None:
        self._check_matrix("weight")
        bias = np.zeros(self.weight.shape[0], np.float32) if self.bias is None else self.bias
        self._set("bias", checked_array(self.label, "bias", bias, 1))
        require_shape(self.label, "bias", self.bias, self.weight.shape[:1], f"weight has shape {self.weight.shape}")

    @property
    def input_width(self) -> int:
        return int(self.weight.shape[1])

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, self.weight.shape[1], f"weight has shape {self.weight.shape}")
        return int(self.weight.shape[0])


class DenseHalf(Dense):
    """A fully connected layer with weights in half precision, in float32 arithmetic. Formula: `Dense`.

    Parameters
    ----------
    weight : (output_size, input_size) float16
        Rounded as `layers.halves.half_matrix` says.
    bias : (output_size,), optional
    """

    kind: ClassVar[str] = "dense_half"
    forms: ClassVar[tuple[str, ...]] = ("f16-weight",)
    float_kind: ClassVar[str] = "dense"
    halves: ClassVar[bool] = True


@dataclass(eq=False, repr=False)
class Activation(Layer):
    """One function on every value.

    Parameters
    ----------
    function : activation word
        One that `layers.activations` lists: ``"relu"``, ``"gelu"``, ``"leaky_relu(0.1)"``, ``"hard_sigmoid(0.2, 0.5)"``, …
    """

    kind: ClassVar[str] = "activation"
    channelwise: ClassVar[bool] = True
    function: str

    def _check(self) -> None:
        self._set("function", activations.checked(f"{self.label}: function", self.function))

    @property
    def within_one(self) -> bool:
        return activations.within_one(self.function)

    def output_size(self, sizes: Sequence[int]) -> int:
        return sum(sizes)


@dataclass(eq=False, repr=False)
class Softmax(Layer):
    """``exp(x) / sum(exp(x))`` over all values, or over each group of them.

    Parameters
    ----------
    groups : int, optional
        Groups of neighbouring values, which divide their number: the rows of a map.
    """

    kind: ClassVar[str] = "softmax"
    groups: int = 1

    def _check(self) -> None:
        if type(self.groups) is not int or not 1 <= self.groups <= MAX_SIZE:
            raise ShapeError(f"{self.label}: groups must be a whole number from 1 to {MAX_SIZE}; got {printable(repr(self.groups), 60)}.")

    @property
    def probabilities(self) -> bool:
        return self.groups == 1

    @property
    def within_one(self) -> bool:
        return True

    def output_size(self, sizes: Sequence[int]) -> int:
        if sum(sizes) % self.groups:
            raise ShapeError(f"{self.label}: groups must divide the {sum(sizes)} values; got {self.groups}.")
        return sum(sizes)


@dataclass(eq=False, repr=False)
class LogSoftmax(Layer):
    """``x - log(sum(exp(x)))`` over all values: the logarithm of `Softmax`."""

    kind: ClassVar[str] = "log_softmax"

    def output_size(self, sizes: Sequence[int]) -> int:
        return sum(sizes)


@dataclass(eq=False, repr=False)
class Embedding(Layer):
    """A table: it reads one index a step, the output is the table's row.

    The index is the model's input, or one of its inputs, which a `Slice` takes out of it; nothing that a layer computes is an index.

    Parameters
    ----------
    weight : (vocabulary_size, output_size)
        At most 2^21 rows, and 2^27 numbers.
    """

    kind: ClassVar[str] = "embedding"
    takes_index: ClassVar[bool] = True
    weight: Array

    def _check(self) -> None:
        self._set("weight", checked_array(self.label, "weight", self.weight, 2, MAX_ROWS))
        rows, width = self.weight.shape
        if width > MAX_SIZE or rows * width > MAX_TABLE:
            raise ShapeError(f"{self.label}: weight has shape {self.weight.shape}; tables beyond {MAX_TABLE} numbers are not supported.")

    @property
    def input_width(self) -> int:
        return 1

    @property
    def multiply_accumulates(self) -> int:
        return 0

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, 1, "it looks up one index a step")
        return int(self.weight.shape[1])


@dataclass(eq=False, repr=False)
class Normalizer(PerChannel):
    """Physical units to what the network was trained on: ``(x - mean) / scale``, as scikit-learn's StandardScaler.

    Parameters
    ----------
    mean, scale : (input_size,)
        Scale must not be zero.
    """

    kind: ClassVar[str] = "normalizer"
    per_channel: ClassVar[str] = "mean"
    channelwise: ClassVar[bool] = True
    mean: Array
    scale: Array

    def _check(self) -> None:
        self._set("mean", checked_array(self.label, "mean", self.mean, 1))
        self._set("scale", checked_array(self.label, "scale", self.scale, 1))
        require_shape(self.label, "scale", self.scale, self.mean.shape, f"mean has shape {self.mean.shape}")
        with np.errstate(divide="ignore", over="ignore"):
            if not np.isfinite(np.float32(1) / self.scale).all():
                raise ShapeError(f"{self.label}: scale must not be zero; give a constant channel the scale 1.")


@dataclass(eq=False, repr=False)
class Add(Layer):
    """Sum of several inputs of one width: a skip connection."""

    kind: ClassVar[str] = "add"
    channelwise: ClassVar[bool] = True
    inputs: tuple[str, ...] = field(default=(), kw_only=True)

    def _check(self) -> None:
        if len(self.inputs) < 2:
            raise ShapeError(f"{self.label} must name the two or more layers that it sums; got {printable(self.inputs, 60)}.")

    def output_size(self, sizes: Sequence[int]) -> int:
        if len(set(sizes)) != 1:
            raise ShapeError(f"{self.label} sums inputs of one width; it is given {', '.join(map(str, sizes))}.")
        return sizes[0]
