"""Keras' layers of one axis that leave rows out, repeat them or weight each by its own kernel: along time, and along the rows of a map."""

from collections.abc import Callable

import numpy as np

from ...layers.convolution import Conv1D
from ...layers.grouped_dense import GroupedDense
from ...layers.map_conv import MapConv
from ...layers.record import MAX_SIZE
from . import laying
from .build import Value
from .feedforward import activated
from .kinds import Call, Kind, named


def _both_ends(call: Call, name: str) -> tuple[int, int]:
    """What a setting says of both ends of the one axis."""
    counts = call.options.counts(name, 1)
    if len(counts) not in (1, 2):
        raise call.refused(f"its {name} is {list(counts)}")
    return counts[0], counts[-1]


def _rows(call: Call) -> Value:
    """Its only input, a map of rows."""
    x = call.x
    call.options.must_be("data_format", "channels_last", None)
    if x.time is not False or len(x.features) != 2 or None in x.features:
        raise call.refused(f"it is imported on a fixed number of rows or timesteps; it is given a tensor of shape {x.shape}")
    return x


def _cropped_time(call: Call) -> Value:
    """A convolution that reads one row: an answer is that row, or, where one is left at the end, what the sequence ends with."""
    x, (before, after) = call.sequence, _both_ends(call, "cropping")
    left = None if x.steps is None else x.steps - before - after
    if x.mask is not None or len(x.features) != 1 or (left is not None and left < 1):
        raise call.refused(f"it leaves out {before} and {after} timesteps of a tensor of shape {x.shape}")
    if left == 1 and not after:
        y = call.build.ended(call.name, x)
        return Value(y.name, (1, x.width), False, over=x.steps)
    taken = np.zeros((x.width, 1, before + after + 1))
    taken[:, :, before] = 1
    return Value(call.build.add(Conv1D(taken, groups=x.width, padding="valid", **call.at())), (left, x.width), True)


def _cropped_rows(call: Call) -> Value:
    x, (before, after) = _rows(call), _both_ends(call, "cropping")
    return laying.gathered(call.build, call.name, [x], laying.places(x)[before : max((x.shape[0] or 0) - after, 0)])


def _cropping(call: Call) -> Value:
    return _cropped_time(call) if call.x.time else _cropped_rows(call)


def _repeated_rows(call: Call) -> Value:
    """``UpSampling1D``: each row several times."""
    x, times = _rows(call), call.options.count("size", 2)
    if not times or x.width * times > MAX_SIZE:
        raise call.refused(f"it makes a tensor of {x.shape} {times} times as long")
    return laying.gathered(call.build, call.name, [x], laying.places(x).repeat(times, 0))


def padded_rows(call: Call) -> Value:
    """``ZeroPadding1D``: a convolution that multiplies each number by one."""
    x, around = _rows(call), _both_ends(call, "padding")
    record = MapConv(np.ones((1, 1, x.shape[-1] or 0)), shape=x.shape, padding=[around], groups=x.shape[-1] or 0, **call.at())
    return x.with_features(call.build.add(record), record.answer_shape)


def _local(call: Call) -> Value:
    """``LocallyConnected1D``: a convolution with a kernel of its own at each place, (places, taps * channels, filters)."""
    x, filters, taps = _rows(call), call.options.count("filters"), call.options.count("kernel_size")
    stride = call.options.count("strides", 1)
    call.options.must_be("padding", "valid")
    rows = laying.places(x)
    if not 1 <= taps <= len(rows) or not stride:
        raise call.refused(f"its windows of {taps} rows, {stride} apart, do not fit a tensor of shape {x.shape}")
    wanted = np.stack([rows[at : at + taps].ravel() for at in range(0, len(rows) - taps + 1, stride)])
    kernel = call.arrays.get("kernel", (*wanted.shape, filters))
    bias = call.arrays.get("bias", (len(wanted), filters)).ravel() if call.options.take("use_bias", bool, True) else None
    windows = laying.gathered(call.build, f"{call.name}.windows", [x], wanted)
    record = GroupedDense(kernel.transpose(0, 2, 1), bias, **call.at(windows))
    return activated(call, call.activation(), call.name, x.with_features(call.build.add(record), (len(wanted), filters)))


KINDS = {
    "Cropping1D": Kind(_cropping),
    "UpSampling1D": Kind(_repeated_rows),
    "LocallyConnected1D": Kind(_local, named("kernel")),
}

#: Makers, by class of one axis, for tensors that have no time.
ON_ROWS: dict[str, Callable[[Call], Value]] = {"ZeroPadding1D": padded_rows}
