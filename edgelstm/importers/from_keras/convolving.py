"""Keras' convolutions and pooling along time."""

from dataclasses import replace

from ...layers.convolution import Conv1D
from ...layers.pooling import AveragePool1D, GlobalAveragePool1D, GlobalMaxPool1D, MaxPool1D
from .build import Value
from .feedforward import activated
from .kinds import Call, Kind, named


def _conv1d(call: Call) -> Value:
    x, options = call.sequence, call.options
    options.must_be("data_format", "channels_last", None)
    filters, taps = options.count("filters"), options.count("kernel_size")
    stride, dilation, groups = options.count("strides", 1), options.count("dilation_rate", 1), options.count("groups", 1)
    padding = options.take("padding", str, "valid")
    if not groups or x.width % groups or padding not in ("valid", "causal", "same"):
        raise call.refused(f"it has {groups} groups of {x.width} channels and the padding {padding!r}")
    kernel = call.arrays.get("kernel", (taps, x.width // groups, filters))
    bias = call.arrays.get("bias", (filters,)) if options.take("use_bias", bool, True) else None
    if padding == "same" and taps > 1:
        raise call.refused("its padding is 'same', which needs later samples")
    record = Conv1D(
        kernel.transpose(2, 1, 0),
        bias,
        stride=stride,
        dilation=dilation,
        groups=groups,
        padding="valid" if padding == "same" else padding,
        **call.at(x),
    )
    reach = (taps - 1) * dilation if padding == "valid" else 0
    y = Value(call.build.add(record), (_steps(x.steps, reach, stride), filters), True)
    return activated(call, call.activation(), call.name, y)


def _steps(steps: int | None, reach: int, stride: int) -> int | None:
    """Answers to so many timesteps."""
    return None if steps is None else max(0, steps - reach - 1) // stride + (steps > reach)


def _pool(kind: type[MaxPool1D] | type[AveragePool1D]) -> Kind:
    def make(call: Call) -> Value:
        x, options = call.sequence, call.options
        options.must_be("data_format", "channels_last", None)
        size = options.count("pool_size", 2)
        stride = options.count("strides", size)
        padding = options.take("padding", str, options.take("border_mode", str, "valid"))
        even = x.steps is not None and stride == size and x.steps % size == 0
        if padding not in ("valid", "same") or (padding == "same" and size > 1 and not even):
            raise call.refused(f"its padding is {padding!r}, and a window reaches beyond the sequence's end")
        name = call.build.add(kind(size, stride, **call.at(x)))
        return Value(name, (_steps(x.steps, size - 1, stride), *x.features), True)

    return Kind(make)


def _global(kind: type[GlobalMaxPool1D] | type[GlobalAveragePool1D]) -> Kind:
    def make(call: Call) -> Value:
        x = call.sequence
        call.options.must_be("data_format", "channels_last", None)
        call.options.must_be("keepdims", False)
        if x.mask is not None:
            raise call.refused("it pools a masked sequence, which edgelstm does not import")
        return call.build.ended(call.name, replace(x, name=call.build.add(kind(**call.at(x)))))

    return Kind(make)


KINDS = {
    "Conv1D": Kind(_conv1d, named("kernel")),
    "Convolution1D": Kind(_conv1d, named("kernel")),
    "MaxPooling1D": _pool(MaxPool1D),
    "AveragePooling1D": _pool(AveragePool1D),
    "GlobalMaxPooling1D": _global(GlobalMaxPool1D),
    "GlobalAveragePooling1D": _global(GlobalAveragePool1D),
}
