"""Keras' layers whose timesteps are maps: images, spectrogram frames, rows of sensors."""

from dataclasses import replace
from math import prod

import numpy as np

from ...layers.conv_lstm import ConvLSTM
from ...layers.convolution import Conv1D
from ...layers.map_conv import MapConv
from ...layers.recording import Reverse
from .build import Value
from .convolving import steps_after
from .feedforward import activated
from .kinds import Call, Kind, named
from .settings import Spec
from .weights import Slot


def _conv_lstm(axes: int) -> Kind:
    """``ConvLSTM1D`` and ``ConvLSTM2D``: maps of so many axes."""

    def make(call: Call) -> Value:
        x, options, arrays = call.sequence, call.options, call.arrays.below("cell")
        if len(x.features) != axes + 1 or x.mask is not None:
            raise call.refused(f"it is imported on maps of {axes + 1} dimensions a timestep without a mask; it is given shape {x.shape}")
        options.must_be("data_format", "channels_last", None)
        if options.take("go_backwards", bool, False):
            x = replace(x, name=call.build.add(Reverse(**call.at(call.build.measured(call.name, x), name=f"{call.name}.backwards"))))
        options.drop("zero_output_for_mask")  # there is no mask
        filters, size = options.count("filters"), _each(options.counts("kernel_size"), axes)
        kernel = arrays.get("kernel", (*size, x.features[-1], 4 * filters))
        recurrent = arrays.get("recurrent_kernel", (*size, filters, 4 * filters))
        cell = call.cell_activation("activation", "tanh")
        record = ConvLSTM(
            kernel,
            recurrent,
            arrays.get("bias", (4 * filters,)) if options.take("use_bias", bool, True) else None,
            shape=x.features,
            strides=_each(options.counts("strides", 1), axes),
            dilation=_each(options.counts("dilation_rate", 1), axes),
            padding=options.take("padding", str, "valid"),
            gate_activation=call.cell_activation("recurrent_activation", "?"),
            cell_activation=cell,
            output_activation=cell,
            **call.at(x),
        )
        y = x.with_features(call.build.add(record), record.output_shape([record.shape]))
        return y if options.take("return_sequences", bool, False) else call.build.ended(call.name, y)

    return Kind(make, _slots)


def _conv3d(call: Call) -> Value:
    """A convolution over time and maps: what each place in time makes of a map, and the sums of these over time."""
    x, options, filters = call.sequence, call.options, call.options.count("filters")
    options.must_be("data_format", "channels_last", None)
    options.must_be("groups", 1)
    (taps, *size), (stride, *strides), (apart, *dilation) = (
        _each(options.counts(name, default), 3) for name, default in (("kernel_size", ...), ("strides", 1), ("dilation_rate", 1))
    )
    padding = options.take("padding", str, "valid")
    if len(x.features) != 3 or x.mask is not None or padding not in ("same", "valid"):
        raise call.refused(f"it is imported on a sequence of maps, (time, rows, columns, channels), without a mask; it is given {x.shape}")
    kernel = call.arrays.get("kernel", (taps, *size, x.features[-1], filters))
    parts = np.moveaxis(kernel, 0, -1).reshape(*size, -1, filters * taps)  # what is summed stands together
    record = MapConv(parts, shape=x.features, strides=strides, dilation=dilation, padding=padding, **call.at(name=f"{call.name}.maps"))
    shape = (*record.answer_shape[:-1], filters)
    sums = np.tile(np.eye(taps), (prod(shape), 1, 1))  # (rows * columns * filters, taps of the maps, taps in time)
    bias = call.bias(filters)
    over_time = Conv1D(
        sums,
        None if bias is None else np.tile(bias, prod(shape[:-1])),
        stride=stride,
        dilation=apart,
        groups=len(sums),
        padding=padding,
        **call.at(call.build.add(record)),
    )
    steps = steps_after(x.steps, 0 if padding == "same" else over_time.history, stride)
    y = Value(call.build.add(over_time), (steps, *shape), True)
    return activated(call, call.activation(), call.name, y)


def _slots(spec: Spec) -> list[Slot]:
    names = ("kernel", "recurrent_kernel", *(("bias",) if spec.flag("use_bias", True) else ()))
    return [Slot(("cell",), name) for name in names]


def _each(numbers: tuple[int, ...], axes: int) -> tuple[int, ...]:
    """One number for each axis, where one may stand for all."""
    return numbers * axes if len(numbers) == 1 else numbers


KINDS = {"Conv3D": Kind(_conv3d, named("kernel")), "ConvLSTM1D": _conv_lstm(1), "ConvLSTM2D": _conv_lstm(2)}
