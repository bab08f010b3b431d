"""The record of a convolutional LSTM."""

from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar

import numpy as np

from ..errors import ShapeError
from . import activations
from .integers import int8_matrix, positive
from .maps import Axis, MapLayer, axes, map_shape, numbers, padding
from .record import Array, checked_array, require_shape


@dataclass(eq=False, repr=False)
class ConvLSTM(MapLayer):
    """Convolutional LSTM over maps of one or two axes (Shi et al. 2015), in the layout of ``keras.layers.ConvLSTM1D`` and ``ConvLSTM2D``.

    ``z = kernel * x + recurrent_kernel * h + bias``, split in the order i f g o, where * is a convolution: the first with strides,
    dilation and padding, the second so that the map keeps its shape. Then, value by value,

    1. ``i = gate(z_i + p_i c)``, ``f = gate(z_f + p_f c)``, of the old cell;
    2. ``c = f c + i cell(z_g)``;
    3. ``o = gate(z_o + p_o c)``, of the new cell; ``h = o output(c)``.

    A cell whose functions have no bound is held within +-2^60, which no trained network comes near.

    Parameters
    ----------
    kernel : (rows, columns, input_channels, 4*channels) or (length, input_channels, 4*channels)
    recurrent_kernel : (rows, columns, channels, 4*channels) or (length, channels, 4*channels)
    bias : (4*channels,), optional
    h0, c0 : (map_rows, map_columns, channels) or (map_length, channels), optional
        State before the first step, in the shape of the output map. Zero where absent.
    shape : whole numbers
        Of the input map: (rows, columns, input_channels) or (length, input_channels). A sample is such a map in C order.
    strides, dilation : whole numbers
        For each axis; one may stand for all.
    padding : "same", "valid" or pairs of zeros before and after
        For each axis.
    peephole : (3, channels) or (3, map_rows, map_columns, channels) or (3, map_length, channels), optional
        p_i p_f p_o: for each channel, or for each value of the output map.
    gate_activation, cell_activation, output_activation : activation word
    """

    kind: ClassVar[str] = "conv_lstm"
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    kernel: Array
    recurrent_kernel: Array
    bias: Array = None
    h0: Array = None
    c0: Array = None
    shape: Any = field(kw_only=True)
    strides: Any = 1
    dilation: Any = 1
    padding: Any = "same"
    peephole: Array = None
    gate_activation: str = "sigmoid"
    cell_activation: str = "tanh"
    output_activation: str = "tanh"

    def _check(self) -> None:
        self._set("shape", map_shape(self.label, self.shape))
        rank = len(self.shape) - 1
        for name in ("kernel", "recurrent_kernel"):
            self._set(name, self._kernel(name, rank + 2))
        *window, channels, gates = self.recurrent_kernel.shape
        if gates != 4 * channels:
            raise ShapeError(f"{self.label}: recurrent_kernel must end in (channels, 4*channels); got shape {self.recurrent_kernel.shape}.")
        because = f"the map has shape {self.shape} and recurrent_kernel {self.recurrent_kernel.shape}"
        require_shape(self.label, "kernel", self.kernel, (*window, self.shape[-1], gates), because)
        bias = np.zeros(gates, np.float32) if self.bias is None else self.bias
        self._set("bias", checked_array(self.label, "bias", bias, 1))
        require_shape(self.label, "bias", self.bias, (gates,), because)
        for name in ("strides", "dilation"):
            self._set(name, numbers(self.label, name, getattr(self, name), rank))
        self._set("padding", padding(self.label, self.padding, rank))
        self._check_maps(f"the output map has shape {map_shape(self.label, self.answer_shape)}")
        for name in ("gate_activation", "cell_activation", "output_activation"):
            self._set(name, activations.checked(f"{self.label}: {name}", getattr(self, name)))

    def _kernel(self, name: str, axes: int) -> Array:
        """A kernel of so many axes, checked."""
        return checked_array(self.label, name, getattr(self, name), axes)

    def _check_maps(self, because: str) -> None:
        """What has the output map's shape, or is absent."""
        for name in ("h0", "c0"):
            if (value := getattr(self, name)) is not None:
                self._set(name, checked_array(self.label, name, value, len(self.shape)))
                require_shape(self.label, name, getattr(self, name), self.answer_shape, because)
        if self.peephole is not None:
            shape = (3, self.channels) if np.ndim(self.peephole) == 2 else (3, *self.answer_shape)
            self._set("peephole", checked_array(self.label, "peephole", self.peephole, len(shape)))
            require_shape(self.label, "peephole", self.peephole, shape, because)

    @property
    def channels(self) -> int:
        """Channels of the output map."""
        return int(self.recurrent_kernel.shape[-2])

    @property
    def windows(self) -> list[Axis]:
        """How the kernel lies on the input map."""
        return axes(self.label, self.shape, self.kernel.shape[:-2], self.strides, self.dilation, self.padding)

    @property
    def recurrent_windows(self) -> list[Axis]:
        """How the recurrent kernel lies on h."""
        ones = (1,) * (len(self.shape) - 1)
        return axes(self.label, self.answer_shape, self.recurrent_kernel.shape[:-2], ones, ones, "same")

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """Shape of h and c, and of the output map."""
        return (*(axis.places for axis in self.windows), self.channels)

    @property
    def within_one(self) -> bool:
        return activations.within_one(self.gate_activation) and activations.within_one(self.output_activation)

    @property
    def multiply_accumulates(self) -> int:
        """Those of all windows, zeros of the padding included."""
        return int(self.kernel.size + self.recurrent_kernel.size) * prod(self.answer_shape[:-1])


@dataclass(eq=False, repr=False)
class ConvLSTMInt8(ConvLSTM):
    """A convolutional LSTM with int8 kernels, a scale for each of their outputs, and float32 arithmetic. Formula: `ConvLSTM`.

    Parameters
    ----------
    kernel : (rows, columns, input_channels, 4*channels) or (length, input_channels, 4*channels) int8
    recurrent_kernel : (rows, columns, channels, 4*channels) or (length, channels, 4*channels) int8
    scale, recurrent_scale : (4*channels,)
        A weight is its integer times the scale of its output.
    bias : (4*channels,), optional
    h0, c0 : (map_rows, map_columns, channels) or (map_length, channels), optional
    shape : whole numbers
    strides, dilation : whole numbers
    padding : "same", "valid" or pairs of zeros before and after
    peephole : (3, channels) or (3, map_rows, map_columns, channels) or (3, map_length, channels), optional
    gate_activation, cell_activation, output_activation : activation word
        As `ConvLSTM` has them, in float32.
    """

    kind: ClassVar[str] = "conv_lstm_int8"
    forms: ClassVar[tuple[str, ...]] = ("int8-weight",)
    float_kind: ClassVar[str] = "conv_lstm"
    scale: Array = field(kw_only=True)
    recurrent_scale: Array = field(kw_only=True)

    def _check(self) -> None:
        super()._check()
        for name in ("scale", "recurrent_scale"):
            self._set(name, checked_array(self.label, name, getattr(self, name), 1))
            because = f"recurrent_kernel has shape {self.recurrent_kernel.shape}"
            require_shape(self.label, name, getattr(self, name), (4 * self.channels,), because)
            positive(self.label, name, getattr(self, name))

    def _kernel(self, name: str, axes: int) -> Array:
        given = np.asarray(getattr(self, name))
        if given.ndim != axes:
            raise ShapeError(f"{self.label}: {name} must have {axes} axes; got shape {given.shape}.")
        return int8_matrix(self.label, name, given.reshape(-1, given.shape[-1])).reshape(given.shape)
