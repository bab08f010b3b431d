"""Keras' convolutions and pooling over maps: over the map that one timestep is, and over (time, features, channels)."""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import printable
from ...layers.map_conv import MapConv, MapConvTranspose
from ...layers.map_pool import MapPool
from ...layers.maps import MapLayer
from ...layers.record import MAX_SIZE
from ...layers.window import Window
from . import laying
from .build import Value
from .convolving import steps_after
from .feedforward import activated
from .kinds import Call, Kind, named
from .settings import Spec
from .weights import Slot


class _Windows:
    """How the windows of a layer lie on its input.

    Parameters
    ----------
    call : Call
    axes : int
        Of Keras' layer.
    size : tuple of int
        Of a window along each axis.
    pooled : bool
        Whether absent strides are as `size`, not 1.
    """

    def __init__(self, call: Call, axes: int, size: tuple[int, ...], *, pooled: bool = False) -> None:
        options, x = call.options, call.x
        options.must_be("data_format", "channels_last", None)
        self.size = _each(size, axes)
        given = options.take("strides", object, None)
        usual = self.size if pooled else (1,) * axes
        self.strides = usual if given is None else _each(tuple(given) if isinstance(given, list | tuple) else (given,), axes)
        self.dilation = _each(options.counts("dilation_rate", 1), axes)
        self.padding: Any = options.take("padding", str, "valid")
        self.name, self.shape, self.steps = x.name, x.features, x.steps
        self.over_time = x.time is True and len(x.features) == axes
        for name in ("size", "strides", "dilation"):
            found = getattr(self, name)
            if len(found) != axes or not all(type(n) is int and 1 <= n < 1 << 16 for n in found):
                raise call.refused(f"its {name} is {printable(found, 60)}, not {axes} whole number(s)")
        if self.padding not in ("same", "valid") or (not self.over_time and (x.time or len(x.features) != axes + 1)) or x.mask is not None:
            raise call.refused(
                f"it is imported on a map a timestep, or on (time, features, channels), without a mask; it is given {x.shape}"
            )
        if self.over_time:
            self._take_time(call)

    def _take_time(self, call: Call) -> None:
        """Lay the timesteps that a window meets side by side: the map's rows."""
        (taps, *size), (stride, *strides), (apart, *dilation) = self.size, self.strides, self.dilation
        if taps > 1 or stride > 1:
            frame = call.build.measured(call.name, call.x)
            record = Window(taps, stride=stride, dilation=apart, padding=self.padding, **call.build.at(f"{call.name}.window", frame))
            self.name = call.build.add(record)
            reach = 0 if self.padding == "same" else record.history
            self.steps = steps_after(self.steps, reach, stride)
        self.shape = (taps, *self.shape)
        width = sum(n or 0 for n in self.shape[1:2])
        count = -(-width // strides[0])
        around = max((count - 1) * strides[0] + (size[0] - 1) * dilation[0] + 1 - width, 0) if self.padding == "same" else 0
        self.padding = ((0, 0), (around // 2, around - around // 2))
        self.strides, self.dilation = (1, *strides), (1, *dilation)

    def add(self, call: Call, name: str, make: Callable[..., MapLayer]) -> Value:
        """The record, and what it gives."""
        how = {"shape": self.shape, "strides": self.strides, "dilation": self.dilation, "padding": self.padding}
        record = make(**how, **call.build.at(name, self.name))
        shape = record.answer_shape
        found = call.build.add(record)
        return Value(found, (self.steps, *shape[1:]), True) if self.over_time else replace(call.x, name=found, shape=shape)


def _each(numbers: tuple[int, ...], axes: int) -> tuple[int, ...]:
    """One number for each axis, where one may stand for all."""
    return tuple(numbers) * axes if len(numbers) == 1 else tuple(numbers)


def conv(axes: int) -> Callable[[Call], Value]:
    def make(call: Call) -> Value:
        options, filters, groups = call.options, call.options.count("filters"), call.options.count("groups", 1)
        windows = _Windows(call, axes, options.counts("kernel_size"))
        channels = windows.shape[-1] or 0
        if not groups or channels % groups:
            raise call.refused(f"it has {groups} groups of {channels} channels")
        kernel, bias = call.arrays.get("kernel", (*windows.size, channels // groups, filters)), call.bias(filters)
        y = windows.add(call, call.name, lambda **how: MapConv(kernel, bias, groups=groups, **how))
        return activated(call, call.activation(), call.name, y)

    return make


def _depthwise_name(spec: Spec) -> str:
    return "depthwise_kernel" if spec.version < 3 or spec.kind.startswith("Separable") else "kernel"


def _depthwise(axes: int) -> Callable[[Call], Value]:
    def make(call: Call) -> Value:
        windows, kernel = _depthwise_kernel(call, axes)
        bias, channels = call.bias(kernel.shape[-1]), windows.shape[-1] or 0
        y = windows.add(call, call.name, lambda **how: MapConv(kernel, bias, groups=channels, **how))
        return activated(call, call.activation(), call.name, y)

    return make


def _separable(axes: int) -> Callable[[Call], Value]:
    def make(call: Call) -> Value:
        windows, kernel = _depthwise_kernel(call, axes)
        filters, channels = call.options.count("filters"), windows.shape[-1] or 0
        pointwise, bias = call.arrays.get("pointwise_kernel", (*(1,) * axes, kernel.shape[-1], filters)), call.bias(filters)
        y = windows.add(call, f"{call.name}.depthwise", lambda **how: MapConv(kernel, groups=channels, **how))
        shape = y.features if len(y.features) == axes + 1 else (1, *y.features)
        record = MapConv(pointwise, bias, shape=shape, **call.build.at(call.name, y))
        return activated(call, call.activation(), call.name, y.with_features(call.build.add(record), (*y.features[:-1], filters)))

    return make


def _depthwise_kernel(call: Call, axes: int) -> tuple[_Windows, NDArray[Any]]:
    """Windows, and the kernel (rows, columns, 1, channels * multiplier) or (length, 1, channels * multiplier)."""
    call.options.must_be("groups", 1)
    windows, multiplier = _Windows(call, axes, call.options.counts("kernel_size")), call.options.count("depth_multiplier", 1)
    name = "depthwise_kernel" if axes == 1 else _depthwise_name(call.spec)
    kernel = call.arrays.get(name, (*windows.size, windows.shape[-1], multiplier))
    return windows, kernel.reshape(*windows.size, 1, -1)


def _transposed(axes: int) -> Callable[[Call], Value]:
    def make(call: Call) -> Value:
        options, x, filters = call.options, call.x, call.options.count("filters")
        options.must_be("data_format", "channels_last", None)
        options.must_be("output_padding", None)
        options.must_be("groups", 1)
        if x.time or len(x.features) != axes + 1 or x.mask is not None:
            raise call.refused(f"it is imported on the map of a timestep, inside of TimeDistributed; it is given {x.shape}")
        size, strides = _each(options.counts("kernel_size"), axes), _each(options.counts("strides", 1), axes)
        options.must_be("dilation_rate", 1, (1,) * axes, [1] * axes)
        same = options.take("padding", str, "valid") == "same"
        beyond = [taken - stride for taken, stride in zip(size, strides, strict=True)]
        cropping = [(max(n, 0) // 2, n - max(n, 0) // 2) if same else (0, min(n, 0)) for n in beyond]
        kernel = call.arrays.get("kernel", (*size, filters, x.features[-1]))
        turned, bias = np.swapaxes(kernel, -1, -2), call.bias(filters)
        record = MapConvTranspose(turned, bias, shape=x.features, strides=strides, cropping=cropping, **call.at(x))
        y = replace(x, name=call.build.add(record), shape=record.answer_shape)
        return activated(call, call.activation(), call.name, y)

    return make


def pool(axes: int, function: str) -> Callable[[Call], Value]:
    def make(call: Call) -> Value:
        windows = _Windows(call, axes, call.options.counts("pool_size", 2), pooled=True)
        if windows.over_time and windows.size[0] > 1 and call.spec.config.get("padding") == "same":
            raise call.refused("its padding is 'same', and a window reaches beyond the sequence's end")
        return windows.add(call, call.name, lambda **how: MapPool(function, windows.size, **how))

    return make


def global_pool(axes: int, function: str) -> Callable[[Call], Value]:
    def make(call: Call) -> Value:
        x = call.x
        call.options.must_be("data_format", "channels_last", None)
        kept = (1,) * axes if call.options.take("keepdims", bool, False) else ()
        if x.time or len(x.features) != axes + 1:
            raise call.refused(f"it is imported on the map of a timestep, inside of TimeDistributed; it is given {x.shape}")
        record = MapPool(function, x.features[:-1], shape=x.features, **call.at(x))
        return replace(x, name=call.build.add(record), shape=(*kept, *x.features[-1:]))

    return make


def _frame(call: Call) -> tuple[int, ...]:
    """The shape of its input, the map of a timestep with two axes."""
    x = call.x
    call.options.must_be("data_format", "channels_last", None)
    if x.time or len(x.features) != 3 or None in x.features:
        raise call.refused(f"it is imported on the map of a timestep, inside of TimeDistributed; it is given {x.shape}")
    if x.width > MAX_SIZE:
        raise call.refused(f"its map of {x.features} has more than {MAX_SIZE} values")
    return tuple(n or 0 for n in x.features)


def _pairs(call: Call, name: str) -> list[tuple[int, int]]:
    """What a setting says of both ends of two axes: one number for all, one for each axis, or one for each end."""
    value = call.options.take(name, object)
    each = value if isinstance(value, list) else [value] * 2
    found = [tuple(pair) if isinstance(pair, list) else (pair, pair) for pair in each]
    if len(found) != 2 or not all(len(p) == 2 and all(type(n) is int and 0 <= n < 1 << 16 for n in p) for p in found):
        raise call.refused(f"its {name} is {printable(value, 60)}")
    return [(before, after) for before, after in found]


def _zero_padding(call: Call) -> Value:
    """A convolution that multiplies each number by one."""
    shape, around = _frame(call), _pairs(call, "padding")
    one = np.ones((1, 1, 1, shape[-1]))
    record = MapConv(one, shape=shape, padding=around, groups=shape[-1], **call.at())
    return replace(call.x, name=call.build.add(record), shape=record.answer_shape)


def _cropping(call: Call) -> Value:
    shape = _frame(call)
    (top, bottom), (left, right) = _pairs(call, "cropping")
    kept = laying.places(call.x)[top : max(shape[0] - bottom, 0), left : max(shape[1] - right, 0)]
    return laying.gathered(call.build, call.name, [call.x], kept)


def _upsampling(call: Call) -> Value:
    shape, times = _frame(call), _each(call.options.counts("size", 2), 2)
    call.options.must_be("interpolation", "nearest")
    if len(times) != 2 or min(times) < 1 or prod(shape) * prod(times) > MAX_SIZE:
        raise call.refused(f"it makes a map of {shape} {times} times as large")
    return laying.gathered(call.build, call.name, [call.x], laying.places(call.x).repeat(times[0], 0).repeat(times[1], 1))


def _pool_frames(function: str) -> Callable[[Call], Value]:
    """``MaxPooling3D`` and its like over (time, rows, columns), where a window spans one timestep."""

    def make(call: Call) -> Value:
        x, options = call.sequence, call.options
        options.must_be("data_format", "channels_last", None)
        size = _each(options.counts("pool_size", 2), 3)
        strides = _each(options.counts("strides", size), 3)
        if len(x.features) != 3 or len(size) != 3 or len(strides) != 3 or size[0] != 1 or strides[0] != 1:
            raise call.refused(f"it is imported on a sequence of maps, with windows of one timestep; it has windows {size} on {x.shape}")
        padding = options.take("padding", str, "valid")
        record = MapPool(function, size[1:], shape=x.features, strides=strides[1:], padding=padding, **call.at())
        return x.with_features(call.build.add(record), record.answer_shape)

    return make


def _depthwise_slots(*more: str) -> Callable[[Spec], list[Slot]]:
    return lambda spec: named(_depthwise_name(spec), *more)(spec)


#: Classes of the two axes of a map.
KINDS = {
    "Conv2D": Kind(conv(2), named("kernel")),
    "Convolution2D": Kind(conv(2), named("kernel")),
    "DepthwiseConv2D": Kind(_depthwise(2), _depthwise_slots()),
    "SeparableConv2D": Kind(_separable(2), _depthwise_slots("pointwise_kernel")),
    "Conv1DTranspose": Kind(_transposed(1), named("kernel")),
    "Conv2DTranspose": Kind(_transposed(2), named("kernel")),
    "MaxPooling2D": Kind(pool(2, "max")),
    "AveragePooling2D": Kind(pool(2, "average")),
    "ZeroPadding2D": Kind(_zero_padding),
    "Cropping2D": Kind(_cropping),
    "UpSampling2D": Kind(_upsampling),
    "MaxPooling3D": Kind(_pool_frames("max")),
    "AveragePooling3D": Kind(_pool_frames("average")),
    "GlobalMaxPooling2D": Kind(global_pool(2, "max")),
    "GlobalAveragePooling2D": Kind(global_pool(2, "average")),
}

#: Makers, by class of one axis, for tensors that have no time: the map of one timestep.
ON_FRAMES = {
    "Conv1D": conv(1),
    "DepthwiseConv1D": _depthwise(1),
    "SeparableConv1D": _separable(1),
    "MaxPooling1D": pool(1, "max"),
    "AveragePooling1D": pool(1, "average"),
    "GlobalMaxPooling1D": global_pool(1, "max"),
    "GlobalAveragePooling1D": global_pool(1, "average"),
}
