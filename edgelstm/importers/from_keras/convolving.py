"""Keras' convolutions and pooling along time."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.attention import AttentionPool
from ...layers.convolution import Conv1D
from ...layers.feedforward import Dense
from ...layers.pooling import AveragePool1D, GlobalAveragePool1D, GlobalMaxPool1D, MaxPool1D
from . import laying, weighting
from .build import Value
from .feedforward import activated
from .kinds import Call, Kind, named


def _conv1d(call: Call) -> Value:
    x, _ = call.padded
    filters, taps, groups = call.options.count("filters"), call.options.count("kernel_size"), call.options.count("groups", 1)
    if not groups or x.width % groups:
        raise call.refused(f"it has {groups} groups of {x.width} channels")
    kernel = call.arrays.get("kernel", (taps, x.width // groups, filters))
    y = _convolved(call, kernel.transpose(2, 1, 0), call.bias(filters), groups)
    return activated(call, call.activation(), call.name, y)


def _depthwise(call: Call) -> Value:
    """Each channel on its own, `depth_multiplier` answers a channel."""
    weight = _depthwise_weight(call)
    y = _convolved(call, weight, call.bias(len(weight)), call.padded[0].width)
    return activated(call, call.activation(), call.name, y)


def _separable(call: Call) -> Value:
    """A depthwise convolution, then all channels of a timestep together."""
    weight, filters = _depthwise_weight(call), call.options.count("filters")
    pointwise = call.arrays.get("pointwise_kernel", (1, len(weight), filters)).transpose(2, 1, 0)
    y = _convolved(call, weight, None, call.padded[0].width)
    record = Conv1D(pointwise, call.bias(filters), **call.build.at(f"{call.name}.pointwise", y))
    return activated(call, call.activation(), call.name, y.with_features(call.build.add(record), (filters,)))


def _depthwise_weight(call: Call) -> NDArray[Any]:
    call.options.must_be("groups", 1)
    width, taps, multiplier = call.padded[0].width, call.options.count("kernel_size"), call.options.count("depth_multiplier", 1)
    kernel = call.arrays.get("depthwise_kernel", (taps, width, multiplier))
    return kernel.transpose(1, 2, 0).reshape(width * multiplier, 1, taps)


def _convolved(call: Call, weight: NDArray[Any], bias: NDArray[Any] | None, groups: int) -> Value:
    """The convolution's record; weight: (filters, channels of a group, taps)."""
    (x, zeros), options = call.padded, call.options
    options.must_be("data_format", "channels_last", None)
    stride, dilation = options.count("strides", 1), options.count("dilation_rate", 1)
    padding = options.take("padding", str, "valid")
    if any(zeros) and padding != "valid":
        raise call.refused(f"{sum(zeros)} zeros stand around its input, and its own padding {padding!r} adds more")
    record = Conv1D(weight, bias, stride=stride, dilation=dilation, groups=groups, padding=zeros if any(zeros) else padding, **call.at(x))
    reach = 0 if padding != "valid" else record.history - sum(zeros)
    return Value(call.build.add(record), (steps_after(x.steps, reach, stride), len(weight)), True)


def steps_after(steps: int | None, reach: int, stride: int) -> int | None:
    """Answers to so many timesteps."""
    return None if steps is None else max(0, steps - reach - 1) // stride + (steps > reach)


def _pool(kind: type[MaxPool1D] | type[AveragePool1D]) -> Kind:
    def make(call: Call) -> Value:
        (x, zeros), options = call.padded, call.options
        options.must_be("data_format", "channels_last", None)
        size = options.count("pool_size", 2)
        stride = options.count("strides", size)
        padding = options.take("padding", str, "valid")
        even = x.steps is not None and stride == size and x.steps % size == 0
        ahead = padding == "same" and size > 1 and not even  # windows reach beyond the sequence's end
        if padding not in ("valid", "same") or (ahead and not (kind is MaxPool1D and call.build.whole)):
            raise call.refused(f"its padding is {padding!r}, and a window reaches beyond the sequence's end")
        if any(zeros) and (kind is MaxPool1D or zeros != (size - 1, 0) or padding != "valid"):
            raise call.refused(f"{zeros} zeros stand around its input; edgelstm imports {size - 1} before it and an average")
        if any(zeros):
            mean = np.full((x.width, 1, size), 1 / size)
            record: Conv1D | MaxPool1D | AveragePool1D = Conv1D(mean, stride=stride, groups=x.width, padding="causal", **call.at(x))
        else:
            record = kind(size, stride, "same" if ahead else "valid", **call.at(x))
        return Value(call.build.add(record), (steps_after(x.steps, 0 if any(zeros) or ahead else size - 1, stride), *x.features), True)

    return Kind(make)


def _zero_padding(call: Call) -> Value:
    x, counts = call.sequence, call.options.counts("padding")
    call.options.must_be("data_format", "channels_last", None)
    return replace(x, zeros=counts if len(counts) == 2 else (counts[0], counts[0]))


def over_all(call: Call, kind: type[GlobalMaxPool1D] | type[GlobalAveragePool1D]) -> Value:
    """The largest, or the mean, of all timesteps."""
    x, build = call.sequence, call.build
    if x.scores and kind is GlobalAveragePool1D:
        return weighting.mean(call)
    x = weighting.settled(build, call.spec.label, x)
    past_padding = x.mask is not None and kind is GlobalAveragePool1D
    pooled = _mean_of_unmasked(call, x) if past_padding else build.add(kind(**call.at(x)))
    return build.ended(call.name, replace(x, name=pooled))


def _global(kind: type[GlobalMaxPool1D] | type[GlobalAveragePool1D]) -> Kind:
    def make(call: Call) -> Value:
        kept = call.options.take("keepdims", bool, False)
        if call.options.take("data_format", str, "channels_last") == "channels_first":
            return _over_features(call, "max" if kind is GlobalMaxPool1D else "average", kept)
        y = over_all(call, kind)
        return replace(y, shape=(1, *y.shape)) if kept else y

    return Kind(make, attends=kind is GlobalAveragePool1D)


def _over_features(call: Call, function: str, kept: bool) -> Value:
    """The largest, or the mean, of what each timestep has: what Keras takes for channels are the timesteps, side by side."""
    x = call.sequence
    if x.steps is None or x.mask is not None or len(x.features) != 1:
        raise call.refused(f"it goes over the features of a tensor of shape {x.shape}; edgelstm imports a fixed number of vectors there")
    pooled = laying.pooled(call.build, call.name, x, 0, function)
    return replace(laying.laid(call.build, pooled), shape=(x.steps, 1) if kept else (x.steps,))


def _mean_of_unmasked(call: Call, x: Value) -> str:
    """Attention with one score for all timesteps, past padding."""
    assert x.mask is not None
    build = call.build
    score = build.add(Dense(np.zeros((1, x.width)), **build.at(f"{call.name}.score", x)))
    return build.add(AttentionPool(mask="repeat", **build.at(call.name, x, score, build.mask(x.mask))))


KINDS = {
    "Conv1D": Kind(_conv1d, named("kernel")),
    "Convolution1D": Kind(_conv1d, named("kernel")),
    "DepthwiseConv1D": Kind(_depthwise, named("depthwise_kernel")),
    "SeparableConv1D": Kind(_separable, named("depthwise_kernel", "pointwise_kernel")),
    "ZeroPadding1D": Kind(_zero_padding),
    "MaxPooling1D": _pool(MaxPool1D),
    "AveragePooling1D": _pool(AveragePool1D),
    "GlobalMaxPooling1D": _global(GlobalMaxPool1D),
    "GlobalAveragePooling1D": _global(GlobalAveragePool1D),
}
