"""Keras' convolutions and pooling over the map of one timestep, and over time and frequency of a spectrogram at once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from ...layers.convolution import Conv1D
from ...layers.map_conv import MapConv
from ...layers.map_pool import MapPool
from ...layers.maps import axes
from ...layers.pooling import AveragePool1D, MaxPool1D
from .build import Value, steps_after
from .feedforward import activated
from .kinds import Call, Kind, named

#: The most numbers of a spectrogram's kernel once it is written out for all frequencies.
_MAX_WRITTEN_OUT = 1 << 24


def each(numbers: tuple[int, ...], count: int) -> tuple[int, ...]:
    """One number for each axis, where one may stand for all."""
    return numbers * count if len(numbers) == 1 else numbers


def _settings(call: Call, count: int) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    """Strides, dilation and padding of so many axes."""
    options = call.options
    options.must_be("data_format", "channels_last", None)
    return each(options.counts("strides", 1), count), each(options.counts("dilation_rate", 1), count), options.take("padding", str, "valid")


def frame(call: Call, count: int) -> Value | None:
    """Its input where each timestep is a map of so many axes and channels, on which alone the layer works."""
    x = call.inputs[0] if len(call.inputs) == 1 else None
    return x if x is not None and x.time is not None and not any(x.zeros) and len(x.features) == count + 1 else None


def convolution(call: Call, count: int) -> Value:
    """A convolution over the map of a timestep."""
    x, options = call.x, call.options
    strides, dilation, padding = _settings(call, count)
    filters, size, groups = options.count("filters"), each(options.counts("kernel_size"), count), options.count("groups", 1)
    kernel = call.arrays.get("kernel", (*size, (x.features[-1] or 0) // max(1, groups), filters))
    record = MapConv(
        kernel, call.bias(filters), shape=x.features, strides=strides, dilation=dilation, padding=padding, groups=groups, **call.at()
    )
    y = x.with_features(call.build.add(record), record.output_shape([record.shape]))
    return activated(call, call.activation(), call.name, y)


def _conv2d(call: Call) -> Value:
    if frame(call, 2) is not None:
        return convolution(call, 2)
    if frame(call, 1) is not None and call.x.time:
        return _spectrogram(call)
    raise call.refused(
        f"it is imported on maps, one a timestep, and on (time, frequency, channels); it is given shape {call.inputs[0].shape}"
    )


def _spectrogram(call: Call) -> Value:
    """Along time, with the kernel written out for each frequency: a matrix a tap, zero where the window does not lie."""
    x, options = call.x, call.options
    strides, dilation, padding = _settings(call, 2)
    options.must_be("groups", 1)
    filters, (taps, height) = options.count("filters"), each(options.counts("kernel_size"), 2)
    channels, width = x.features[-1] or 0, x.width
    kernel = call.arrays.get("kernel", (taps, height, channels, filters))
    (axis,) = axes(call.spec.label, [x.features[0] or 0], [height], strides[1:], dilation[1:], padding)
    if axis.places * filters * width * taps > _MAX_WRITTEN_OUT:
        raise call.refused(f"its kernel would have more than {_MAX_WRITTEN_OUT} numbers, written out for all {x.features[0]} frequencies")
    weight = np.zeros((axis.places, filters, axis.size, channels, taps), np.float32)
    for place in range(axis.places):
        for tap in range(height):
            at = place * axis.stride - axis.before + tap * axis.dilation
            if 0 <= at < axis.size:
                weight[place, :, at] = kernel[:, tap].transpose(2, 1, 0)
    bias = call.bias(filters)
    record = Conv1D(
        weight.reshape(axis.places * filters, width, taps),
        None if bias is None else np.tile(bias, axis.places),
        stride=strides[0],
        dilation=dilation[0],
        padding=padding,
        **call.at(),
    )
    steps = steps_after(x.steps, record.history if padding == "valid" else 0, strides[0])
    y = Value(call.build.add(record), (steps, axis.places, filters), True)
    return activated(call, call.activation(), call.name, y)


def pooling(call: Call, function: str, count: int) -> Value:
    """Pooling over the map of a timestep."""
    x, options = call.x, call.options
    options.must_be("data_format", "channels_last", None)
    size = each(options.counts("pool_size", 2), count)
    strides = each(options.counts("strides", size if len(size) > 1 else size[0]), count)
    record = MapPool(function, size, shape=x.features, strides=strides, padding=options.take("padding", str, "valid"), **call.at())
    return x.with_features(call.build.add(record), record.output_shape([record.shape]))


def _pool2d(function: str) -> Kind:
    def make(call: Call) -> Value:
        if frame(call, 2) is not None:
            return pooling(call, function, 2)
        if frame(call, 1) is not None and call.x.time:
            return _pooled_with_time(call, function, 1)
        raise call.refused(
            f"it is imported on maps, one a timestep, and on (time, frequency, channels); it is given shape {call.inputs[0].shape}"
        )

    return Kind(make)


def _pool3d(function: str) -> Kind:
    def make(call: Call) -> Value:
        if frame(call, 2) is None or not call.x.time:
            raise call.refused(f"it is imported on a sequence of maps; it is given shape {call.inputs[0].shape}")
        return _pooled_with_time(call, function, 2)

    return Kind(make)


def _pooled_with_time(call: Call, function: str, count: int) -> Value:
    """Over the map of each timestep first, then over timesteps: the largest of the largest, the mean of means of one size."""
    x, options = call.x, call.options
    options.must_be("data_format", "channels_last", None)
    size = each(options.counts("pool_size", 2), count + 1)
    strides = each(options.counts("strides", size), count + 1)
    padding = options.take("padding", str, "valid")
    if padding != "valid" and any(
        stride != width or (length or 0) % width for stride, width, length in zip(strides, size, x.shape, strict=False)
    ):
        raise call.refused("its padding is 'same', and windows reach beyond the edges")
    y = x
    if prod(size[1:]) > 1 or prod(strides[1:]) > 1:
        record = MapPool(function, size[1:], shape=x.features, strides=strides[1:], **call.build.at(f"{call.name}.map", x))
        y = x.with_features(call.build.add(record), record.output_shape([record.shape]))
    if size[0] == strides[0] == 1:
        return y
    kinds: dict[str, type[MaxPool1D] | type[AveragePool1D]] = {"max": MaxPool1D, "average": AveragePool1D}
    name = call.build.add(kinds[function](size[0], strides[0], **call.build.at(call.name, y)))
    return replace(y, name=name, shape=(steps_after(x.steps, size[0] - 1, strides[0]), *y.features))


def global_pooling(call: Call, function: str, count: int) -> Value:
    """One number a channel, of the whole map of a timestep."""
    x = call.x
    call.options.must_be("data_format", "channels_last", None)
    call.options.must_be("keepdims", False)
    sizes: Sequence[int] = [size or 0 for size in x.features[:-1]]
    record = MapPool(function, sizes if count > 1 else sizes[0], shape=x.features, **call.at())
    return x.with_features(call.build.add(record), x.features[-1:])


def _global2d(function: str) -> Kind:
    def make(call: Call) -> Value:
        if frame(call, 2) is None or call.x.time:
            raise call.refused(f"it is imported on the map of a timestep; it is given shape {call.inputs[0].shape}")
        return global_pooling(call, function, 2)

    return Kind(make)


def on_frames(along_time: Callable[[Call], Value], on_map: Callable[[Call], Value]) -> Callable[[Call], Value]:
    """A class that works along time, or, within one timestep, along the axis of its map."""
    return lambda call: on_map(call) if frame(call, 1) is not None and call.x.time is False else along_time(call)


KINDS = {
    "Conv2D": Kind(_conv2d, named("kernel")),
    "Convolution2D": Kind(_conv2d, named("kernel")),
    "MaxPooling2D": _pool2d("max"),
    "AveragePooling2D": _pool2d("average"),
    "MaxPooling3D": _pool3d("max"),
    "AveragePooling3D": _pool3d("average"),
    "GlobalMaxPooling2D": _global2d("max"),
    "GlobalAveragePooling2D": _global2d("average"),
}
