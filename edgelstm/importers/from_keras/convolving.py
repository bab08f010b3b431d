"""Keras' convolutions and pooling along time."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.convolution import Conv1D
from ...layers.feedforward import Add
from ...layers.pooling import AveragePool1D, GlobalAveragePool1D, GlobalMaxPool1D, MaxPool1D
from ...layers.recording import Reverse
from .build import Value
from .feedforward import activated
from .kinds import Call, Kind, named


def _conv1d(call: Call) -> Value:
    x, _ = call.padded
    filters, taps, groups = call.options.count("filters"), call.options.count("kernel_size"), call.options.count("groups", 1)
    if not groups or x.width % groups:
        raise call.refused(f"it has {groups} groups of {x.width} channels")
    kernel = call.arrays.get("kernel", (taps, x.width // groups, filters))
    y = _convolved(call, kernel.transpose(2, 1, 0), _bias(call, filters), groups)
    return activated(call, call.activation(), call.name, y)


def _depthwise(call: Call) -> Value:
    """Each channel on its own, `depth_multiplier` answers a channel."""
    weight = _depthwise_weight(call)
    y = _convolved(call, weight, _bias(call, len(weight)), call.padded[0].width)
    return activated(call, call.activation(), call.name, y)


def _separable(call: Call) -> Value:
    """A depthwise convolution, then all channels of a timestep together."""
    weight, filters = _depthwise_weight(call), call.options.count("filters")
    pointwise = call.arrays.get("pointwise_kernel", (1, len(weight), filters)).transpose(2, 1, 0)
    y = _convolved(call, weight, None, call.padded[0].width)
    record = Conv1D(pointwise, _bias(call, filters), **call.build.at(f"{call.name}.pointwise", y))
    return activated(call, call.activation(), call.name, y.with_features(call.build.add(record), (filters,)))


def _depthwise_weight(call: Call) -> NDArray[Any]:
    width, taps, multiplier = call.padded[0].width, call.options.count("kernel_size"), call.options.count("depth_multiplier", 1)
    kernel = call.arrays.get("depthwise_kernel", (taps, width, multiplier))
    return kernel.transpose(1, 2, 0).reshape(width * multiplier, 1, taps)


def _bias(call: Call, filters: int) -> NDArray[Any] | None:
    return call.arrays.get("bias", (filters,)) if call.options.take("use_bias", bool, True) else None


def _convolved(call: Call, weight: NDArray[Any], bias: NDArray[Any] | None, groups: int) -> Value:
    """The convolution's records; weight: (filters, channels of a group, taps)."""
    (x, zeros), options = call.padded, call.options
    options.must_be("data_format", "channels_last", None)
    stride, dilation = options.count("strides", 1), options.count("dilation_rate", 1)
    padding = options.take("padding", str, "valid")
    reach = (weight.shape[2] - 1) * dilation
    before, after = _surrounding(call, padding, zeros, reach, stride, x.steps)
    steps = _steps(x.steps, reach - before - after, stride)
    if after:
        name = _both_sides(call, x, _spread(weight, dilation), bias, before, groups, stride)
    else:
        how = "causal" if before else "valid"
        name = call.build.add(Conv1D(weight, bias, stride=stride, dilation=dilation, groups=groups, padding=how, **call.at(x)))
    return Value(name, (steps, len(weight)), True)


def _surrounding(call: Call, padding: str, zeros: tuple[int, int], reach: int, stride: int, steps: int | None) -> tuple[int, int]:
    """Timesteps of zeros before and behind the sequence: as many as the window reaches, or none."""
    if any(zeros) and (padding != "valid" or sum(zeros) != reach):
        raise call.refused(
            f"{sum(zeros)} zeros stand around its input, and its window reaches over {reach} steps; edgelstm imports equal numbers"
        )
    if padding == "same" and stride > 1:
        if steps is None:
            raise call.refused("how its padding 'same' lies depends on the number of timesteps, which the file leaves open")
        total = max((-(-steps // stride) - 1) * stride + reach + 1 - steps, 0)
        return total // 2, reach - total // 2
    return {"valid": zeros, "causal": (reach, 0), "same": (reach // 2, reach - reach // 2)}[padding]


def _spread(weight: NDArray[Any], dilation: int) -> NDArray[Any]:
    """A dilated kernel with zeros between its taps."""
    spread = np.zeros((*weight.shape[:2], (weight.shape[2] - 1) * dilation + 1))
    spread[:, :, ::dilation] = weight
    return spread


def _both_sides(call: Call, x: Value, weight: NDArray[Any], bias: NDArray[Any] | None, before: int, groups: int, stride: int) -> str:
    """``y[t] = sum over j of weight[j] x[t - before + j]``: taps up to the present, and those of the future along the reversed sequence."""
    build, name = call.build, call.name
    future = np.concatenate([weight[:, :, :before:-1], np.zeros((*weight.shape[:2], 1))], axis=2)
    past = build.add(Conv1D(weight[:, :, : before + 1], bias, groups=groups, **build.at(f"{name}.past", x)))
    turned = build.add(Reverse(**build.at(f"{name}.turned", x)))
    ahead = build.add(Conv1D(future, groups=groups, **build.at(f"{name}.ahead", turned)))
    back = build.add(Reverse(**build.at(f"{name}.back", ahead)))
    both = build.add(Add(**build.at(name, past, back)))
    if stride == 1:
        return both
    return build.add(
        Conv1D(np.ones((len(weight), 1, 1)), groups=len(weight), stride=stride, padding="valid", **build.at(f"{name}.strided", both))
    )


def looks_ahead(kind: str, settings: dict[str, Any]) -> bool:
    """Whether a layer of such settings answers from later timesteps: zeros stand behind the sequence."""
    taps, padding = settings.get("kernel_size"), settings.get("padding")
    if kind == "ZeroPadding1D":
        return padding not in (0, [0, 0]) and not (isinstance(padding, list) and padding[1:] == [0])
    return padding == "same" and "kernel_size" in settings and taps not in (1, [1])


def _steps(steps: int | None, reach: int, stride: int) -> int | None:
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
        if padding not in ("valid", "same") or (padding == "same" and size > 1 and not even):
            raise call.refused(f"its padding is {padding!r}, and a window reaches beyond the sequence's end")
        if any(zeros) and (kind is MaxPool1D or zeros != (size - 1, 0) or padding != "valid"):
            raise call.refused(f"{zeros} zeros stand around its input; edgelstm imports {size - 1} before it and an average")
        if any(zeros):
            mean = np.full((x.width, 1, size), 1 / size)
            record: Conv1D | MaxPool1D | AveragePool1D = Conv1D(mean, stride=stride, groups=x.width, padding="causal", **call.at(x))
        else:
            record = kind(size, stride, **call.at(x))
        return Value(call.build.add(record), (_steps(x.steps, 0 if any(zeros) else size - 1, stride), *x.features), True)

    return Kind(make)


def _zero_padding(call: Call) -> Value:
    x, counts = call.sequence, call.options.counts("padding")
    call.options.must_be("data_format", "channels_last", None)
    return replace(x, zeros=counts if len(counts) == 2 else (counts[0], counts[0]))


def _global(kind: type[GlobalMaxPool1D] | type[GlobalAveragePool1D]) -> Kind:
    def make(call: Call) -> Value:
        x = call.sequence
        call.options.must_be("data_format", "channels_last", None)
        call.options.must_be("keepdims", False)
        if x.mask is not None:
            raise call.refused("it pools a masked sequence, which edgelstm does not import")
        return call.build.ended(call.name, replace(x, name=call.build.add(kind(**call.at()))))

    return Kind(make)


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
