"""Records of convolutions over the map that one timestep is."""

from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar

import numpy as np

from ..errors import ShapeError, printable
from .maps import Axis, MapLayer, axes, map_shape, numbers, padding
from .record import Array, checked_array, require_shape


class _Convolution(MapLayer):
    """What convolutions share: a kernel, a bias, strides and dilation with a number for each axis."""

    strides: Any
    dilation: Any
    kernel: Array
    bias: Array

    def _check_steps(self) -> None:
        """Of the map, the kernel, strides and dilation."""
        self._set("shape", map_shape(self.label, self.shape))
        rank = len(self.shape) - 1
        self._set("kernel", checked_array(self.label, "kernel", self.kernel, rank + 2))
        for name in ("strides", "dilation"):
            self._set(name, numbers(self.label, name, getattr(self, name), rank))

    def _check_bias(self, outputs: int) -> None:
        self._set("bias", checked_array(self.label, "bias", np.zeros(outputs, np.float32) if self.bias is None else self.bias, 1))
        require_shape(self.label, "bias", self.bias, (outputs,), f"kernel has shape {self.kernel.shape}")


@dataclass(eq=False, repr=False)
class MapConv(_Convolution):
    """Convolution over the map of each timestep: ``keras.layers.Conv2D`` on a frame, ``Conv1D`` along its features.

    It remembers nothing: convolutions over time are another kind.

    Parameters
    ----------
    kernel : (rows, columns, input_channels / groups, channels) or (length, input_channels / groups, channels)
        As a cross-correlation, which all frameworks compute.
    bias : (channels,), optional
    shape : whole numbers
        Of the input map: (rows, columns, input_channels) or (length, input_channels). A sample is such a map in C order.
    strides, dilation : whole numbers
        For each axis; one may stand for all.
    padding : "same", "valid" or pairs of zeros before and after
        For each axis.
    groups : int
        Group k of the input's channels gives group k of the output's.
    """

    kind: ClassVar[str] = "map_conv"
    kernel: Array
    bias: Array = None
    shape: Any = field(kw_only=True)
    strides: Any = 1
    dilation: Any = 1
    padding: Any = "valid"
    groups: int = 1

    def _check(self) -> None:
        self._check_steps()
        self._set("padding", padding(self.label, self.padding, len(self.shape) - 1))
        groups, outputs = numbers(self.label, "groups", self.groups, 1)[0], self.kernel.shape[-1]
        if self.shape[-1] % groups or outputs % groups:
            raise ShapeError(f"{self.label}: groups must divide the {self.shape[-1]} and {outputs} channels; got {groups}.")
        shape = (*self.kernel.shape[:-2], self.shape[-1] // groups, outputs)
        require_shape(self.label, "kernel", self.kernel, shape, f"the map has {self.shape[-1]} channels in {groups} group(s)")
        self._check_bias(outputs)
        map_shape(self.label, self.answer_shape)

    @property
    def windows(self) -> list[Axis]:
        """How the kernel lies on the map."""
        return axes(self.label, self.shape, self.kernel.shape[:-2], self.strides, self.dilation, self.padding)

    @property
    def answer_shape(self) -> tuple[int, ...]:
        return (*(axis.places for axis in self.windows), int(self.kernel.shape[-1]))

    @property
    def multiply_accumulates(self) -> int:
        """Those of all windows, zeros of the padding included."""
        return int(self.kernel.size) * prod(self.answer_shape[:-1])


@dataclass(eq=False, repr=False)
class MapConvTranspose(_Convolution):
    """Transposed convolution over the map of each timestep: ``keras.layers.Conv2DTranspose``, ``torch.nn.ConvTranspose1d`` on a frame.

    Every value of the map, times the kernel, is added where its window lies: place i to the places ``i stride + j dilation`` of a map
    of ``(size - 1) stride + (window - 1) dilation + 1``, of which `cropping` cuts both ends.

    Parameters
    ----------
    kernel : (rows, columns, input_channels, channels) or (length, input_channels, channels)
    bias : (channels,), optional
    shape : whole numbers
        Of the input map: (rows, columns, input_channels) or (length, input_channels).
    strides, dilation : whole numbers
        For each axis; one may stand for all.
    cropping : pairs of places cut before and after
        For each axis; a negative number adds places that the bias alone reaches. PyTorch: (padding, padding - output_padding).
    """

    kind: ClassVar[str] = "map_conv_transpose"
    kernel: Array
    bias: Array = None
    shape: Any = field(kw_only=True)
    strides: Any = 1
    dilation: Any = 1
    cropping: Any = None

    def _check(self) -> None:
        self._check_steps()
        rank, outputs = len(self.shape) - 1, int(self.kernel.shape[-1])
        pairs = ((0, 0),) * rank if self.cropping is None else self.cropping
        if not isinstance(pairs, (list, tuple)) or len(pairs) != rank or not all(map(_is_pair, pairs)):
            raise ShapeError(
                f"{self.label}: cropping must be {rank} pair(s) of whole numbers, places before and after; "
                f"got {printable(repr(self.cropping), 60)}."
            )
        self._set("cropping", tuple((int(before), int(after)) for before, after in pairs))
        shape = (*self.kernel.shape[:-2], self.shape[-1], outputs)
        require_shape(self.label, "kernel", self.kernel, shape, f"the map has {self.shape[-1]} channels")
        self._check_bias(outputs)
        if min(self.answer_shape) < 1:
            raise ShapeError(f"{self.label}: cropping {self.cropping} leaves nothing of the map; its shape would be {self.answer_shape}.")
        map_shape(self.label, self.answer_shape)

    @property
    def windows(self) -> list[Axis]:
        """How the kernel, turned, lies on the map with ``stride - 1`` zeros between its places: as a convolution does."""
        found = []
        each = (self.shape[:-1], self.kernel.shape[:-2], self.strides, self.dilation, self.cropping)
        for size, taken, stride, apart, (before, after) in zip(*each, strict=True):
            span = (taken - 1) * apart
            places = (size - 1) * stride + span + 1 - before - after
            found.append(Axis((size - 1) * stride + 1, int(taken), 1, apart, span - before, places))
        return found

    @property
    def answer_shape(self) -> tuple[int, ...]:
        return (*(axis.places for axis in self.windows), int(self.kernel.shape[-1]))

    @property
    def multiply_accumulates(self) -> int:
        return int(self.kernel.size * prod(self.shape[:-1]))


def _is_pair(value: Any) -> bool:
    whole = (isinstance(n, int) and not isinstance(n, bool) and abs(n) < 1 << 16 for n in value) if isinstance(value, (list, tuple)) else ()
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(whole)
