"""Convolutions and pooling: channels come last here, if ``data_format`` does not say otherwise, and second in ONNX.

Definitions: https://www.tensorflow.org/api_docs/python/tf/raw_ops.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..from_onnx.calls import Array, Call
from ..from_onnx.folding import bounded
from ..graph.tracing import Flow, Value
from .values import Handler, Spaced, one, onnx, plain


class _Frame(NamedTuple):
    """An input (batch, channels, axes …), which of height and width it keeps, and whether channels come last in the graph."""

    x: Value
    kept: list[int]
    last: bool


def _frame(call: Call, sizes: tuple[int, int]) -> _Frame:
    x, last = call.value(0), call.attribute("data_format", "NHWC") == "NHWC"
    if len(x.shape) != 4:
        call.refuse(f"its input has {len(x.shape)} dimensions, not 4")
    x = one(call, "Transpose", x, perm=[0, 3, 1, 2]) if last else x
    single = [axis for axis in (0, 1) if x.shape[2 + axis] == 1 == sizes[axis]][:1]
    if single:
        x = one(call, "Squeeze", x, np.array([2 + single[0]]))
    return _Frame(x, [axis for axis in (0, 1) if axis not in single], last)


def _back(call: Call, found: Value, frame: _Frame) -> list[Value]:
    gone = [axis for axis in (0, 1) if axis not in frame.kept]
    found = one(call, "Unsqueeze", found, np.array([2 + gone[0]])) if gone else found
    return onnx(call, "Transpose", found, perm=[0, 2, 3, 1]) if frame.last else [found]


def _pair(call: Call, name: str) -> tuple[int, int]:
    """Height and width of a list over all four axes."""
    given = call.attribute(name) or [1, 1, 1, 1]
    last = call.node.attributes.get("data_format", "NHWC") == "NHWC"
    if len(given) != 4 or given[0] != 1 or given[3 if last else 1] != 1:
        call.refuse(f"its {name} are {given}, which is not imported")
    return (given[1], given[2]) if last else (given[2], given[3])


def _window(call: Call, frame_axes: list[int], strides: tuple[int, int]) -> dict[str, Any]:
    """Strides and padding along the axes that are kept."""
    padding, given = call.attribute("padding"), call.attribute("explicit_paddings") or []
    found: dict[str, Any] = {"strides": [strides[axis] for axis in frame_axes]}
    if padding != "EXPLICIT":
        return found | {"auto_pad": {"SAME": "SAME_UPPER"}.get(padding, padding)}
    last = call.node.attributes.get("data_format", "NHWC") == "NHWC"
    first = 1 if last else 2
    around = [given[2 * (first + axis) : 2 * (first + axis) + 2] for axis in frame_axes]
    return found | {"pads": [pair[0] for pair in around] + [pair[1] for pair in around]}


def _space_to_batch(call: Call) -> list[Value]:
    """SpaceToBatchND, which stands before a convolution with dilation: pads, and deals rows out."""
    x, block, widths = call.flow(0), call.constant(1).ravel(), call.constant(2)
    around = np.zeros((len(x.shape), 2), np.int64)
    around[1 : 1 + len(block)] = widths
    padded = one(call, "Pad", x, around.T.ravel(), np.zeros((), np.float32))
    every = [1, *(int(n) for n in block), *[1] * (len(x.shape) - 1 - len(block))]
    if not isinstance(padded, Flow) or any(n < 1 or size % n for n, size in zip(every, padded.shape, strict=True)):
        call.refuse(f"deals rows out by {every}, which does not divide their number")
    return [Spaced(inner=padded, block=tuple(every))]


def _batch_to_space(call: Call) -> list[Value]:
    """BatchToSpaceND, which lays the rows out again and cuts some off."""
    x, block, crops = call.value(0), call.constant(1).ravel().tolist(), call.constant(2)
    if not isinstance(x, Spaced) or list(x.block[1 : 1 + len(block)]) != block or max(x.block) != max(block):
        call.refuse("lays rows out that SpaceToBatchND did not deal out so")
    cut = [slice(None), *(slice(int(a), size - int(b)) for (a, b), size in zip(crops, x.inner.shape[1:], strict=False))]
    return [Flow(x.inner.ids[tuple(cut)])]


def moved(handler: Handler, block: Callable[[Call, tuple[int, ...]], Sequence[int]]) -> Handler:
    """A handler that gives an axis more or less, and does so to rows that are dealt out."""

    def run(call: Call) -> Sequence[Value]:
        x = call.value(0)
        if not isinstance(x, Spaced):
            return handler(call)
        axes = tuple(block(call, x.block))
        call.values[0] = x.inner
        (found,) = handler(call)
        return [Spaced(inner=found, block=axes)] if isinstance(found, Flow) else [found]

    return run


def _convolved(call: Call, weight: Array, groups: int) -> list[Value]:
    """weight: (outputs, channels / groups, height, width)."""
    strides, dilations, x = _pair(call, "strides"), _pair(call, "dilations"), call.value(0)
    if isinstance(x, Spaced):
        if strides != (1, 1) or dilations != (1, 1) or call.node.attributes.get("padding") != "VALID":
            call.refuse("convolves rows that are dealt out, with strides or padding, which is not imported")
        call.values[0], dilations = x.inner, (x.block[1], x.block[2])
    sizes = (weight.shape[2], weight.shape[3])
    frame = _frame(call, sizes)
    kernel = weight if len(frame.kept) == 2 else weight.reshape(*weight.shape[:2], sizes[frame.kept[0]])
    given = _window(call, frame.kept, strides)
    found = one(call, "Conv", frame.x, kernel, group=groups, dilations=[dilations[axis] for axis in frame.kept], **given)
    made = _back(call, found, frame)
    return [Spaced(inner=made[0], block=x.block)] if isinstance(x, Spaced) and isinstance(made[0], Flow) else made


def _conv(call: Call) -> list[Value]:
    weight = call.constant(1)
    x = call.value(0)
    channels = (x.inner if isinstance(x, Spaced) else x).shape[-1 if call.node.attributes.get("data_format", "NHWC") == "NHWC" else 1]
    if weight.ndim != 4 or not weight.shape[2] or channels % weight.shape[2]:
        call.refuse(f"its weights have shape {weight.shape} for {channels} channels")
    if isinstance(x, np.ndarray) and not x.any() and call.node.attributes.get("padding") in ("SAME", "VALID"):
        return [_zeros(call, x, weight)]
    return _convolved(call, weight.transpose(3, 2, 0, 1), channels // weight.shape[2])


def _zeros(call: Call, x: Array, weight: Array) -> Array:
    """What a convolution makes of zeros: as many, as the states of ConvLSTM layers begin."""
    last = call.attribute("data_format", "NHWC") == "NHWC"
    strides, dilations, same = _pair(call, "strides"), _pair(call, "dilations"), call.attribute("padding") == "SAME"
    call.attribute("explicit_paddings")
    first, sizes = 1 if last else 2, list(x.shape)
    for axis in (0, 1):
        span = 1 if same else dilations[axis] * (weight.shape[axis] - 1) + 1
        sizes[first + axis] = max(0, -((span - 1 - x.shape[first + axis]) // strides[axis]))
    sizes[3 if last else 1] = weight.shape[3]
    bounded(call, tuple(sizes))
    return np.zeros(sizes, np.float32)


def _depthwise(call: Call) -> list[Value]:
    weight = call.constant(1)  # (height, width, channels, multiplier)
    if weight.ndim != 4:
        call.refuse(f"its weights have shape {weight.shape}")
    height, width, channels, multiplier = weight.shape
    return _convolved(call, weight.reshape(height, width, 1, channels * multiplier).transpose(3, 2, 0, 1), channels)


def _pool(op: str) -> Handler:
    def pool(call: Call) -> list[Value]:
        sizes, strides = _pair(call, "ksize"), _pair(call, "strides")
        frame = _frame(call, sizes)
        given = _window(call, frame.kept, strides)
        return _back(call, one(call, op, frame.x, kernel_shape=[sizes[axis] for axis in frame.kept], **given), frame)

    return plain(pool)


#: By operator.
SLIDING: dict[str, Handler] = {
    "Conv2D": plain(_conv, Spaced),
    "DepthwiseConv2dNative": plain(_depthwise, Spaced),
    "SpaceToBatchND": plain(_space_to_batch),
    "BatchToSpaceND": plain(_batch_to_space, Spaced),
    "MaxPool": _pool("MaxPool"),
    "AvgPool": _pool("AveragePool"),
}
