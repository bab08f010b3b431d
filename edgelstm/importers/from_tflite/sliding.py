"""Convolutions and pooling as nodes of ONNX: channels come last here and second there. Options by their number in ``schema.fbs``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..from_onnx.writer import Ref
from .file import Operator
from .scope import Handler, Scope

_PADDING = ("SAME_UPPER", "VALID")


def _padding(s: Scope, operator: Operator) -> str:
    number = operator.options.number(0, "b")
    if not 0 <= number < len(_PADDING):
        s.refuse(f"its padding has the number {number}")
    return _PADDING[number]


def _channels_first(s: Scope, operator: Operator, sizes: tuple[int, int]) -> tuple[Ref, list[int]]:
    """The input (batch, channels, axes …), and which of height and width it keeps: an axis of length 1 goes."""
    x, shape = s.ref(operator, 0), operator.operand(0).shape
    if len(shape) != 4:
        s.refuse(f"its input has {len(shape)} dimensions, not 4")
    out = operator.outputs[0].shape
    single = [axis for axis in (0, 1) if shape[1 + axis] == 1 == sizes[axis] and 1 + axis not in operator.operand(0).dynamic]
    single = [axis for axis in single if len(out) == 4 and out[1 + axis] == 1][:1]
    kept = [axis for axis in (0, 1) if axis not in single]
    if single:
        x = s.writer.one("Squeeze", x, s.writer.ints([1 + single[0]]), rank=3)
    return s.writer.one("Transpose", x, perm=[0, x.rank - 1, *range(1, x.rank - 1)]), kept


def _channels_last(s: Scope, x: Ref, kept: list[int]) -> Ref:
    out = s.writer.one("Transpose", x, perm=[0, *range(2, x.rank), 1])
    gone = [axis for axis in (0, 1) if axis not in kept]
    return s.writer.one("Unsqueeze", out, s.writer.ints([1 + gone[0]]), rank=4) if gone else out


def _convolved(
    s: Scope, operator: Operator, weight: NDArray[Any], groups: int, strides: tuple[int, int], dilations: tuple[int, int]
) -> Ref:
    """weight: (outputs, channels / groups, height, width); strides and dilations: height, width."""
    sizes = (int(weight.shape[2]), int(weight.shape[3]))
    x, kept = _channels_first(s, operator, sizes)
    kernel = weight if len(kept) == 2 else weight.reshape(*weight.shape[:2], sizes[kept[0]])
    inputs = [x, s.writer.constant(np.ascontiguousarray(kernel))]
    if s.has(operator, 2):
        inputs.append(s.writer.constant(s.array(operator, 2)))
    out = s.writer.one(
        "Conv",
        *inputs,
        rank=x.rank,
        group=groups,
        auto_pad=_padding(s, operator),
        strides=[strides[axis] for axis in kept],
        dilations=[dilations[axis] for axis in kept],
    )
    return _channels_last(s, out, kept)


def _conv(s: Scope, operator: Operator) -> Ref:
    weight, channels, number = s.array(operator, 1), operator.operand(0).shape[-1], operator.options.number
    if weight.ndim != 4 or not weight.shape[3] or channels % weight.shape[3]:
        s.refuse(f"its weights have shape {weight.shape} for {channels} channels")
    strides, dilations = (number(2, "i", 1), number(1, "i", 1)), (number(5, "i", 1), number(4, "i", 1))
    out = _convolved(s, operator, weight.transpose(0, 3, 1, 2), channels // weight.shape[3], strides, dilations)
    return s.fused(out, number(3, "b"))


def _depthwise(s: Scope, operator: Operator) -> Ref:
    weight, channels, number = s.array(operator, 1), operator.operand(0).shape[-1], operator.options.number
    if weight.ndim != 4 or weight.shape[0] != 1 or not channels or weight.shape[3] % channels:
        s.refuse(f"its weights have shape {weight.shape} for {channels} channels")
    strides, dilations = (number(2, "i", 1), number(1, "i", 1)), (number(6, "i", 1), number(5, "i", 1))
    out = _convolved(s, operator, weight.transpose(3, 0, 1, 2), channels, strides, dilations)
    return s.fused(out, number(4, "b"))


def _pool(op: str) -> Handler:
    def write(s: Scope, operator: Operator) -> Ref:
        number = operator.options.number
        sizes, strides = (number(4, "i"), number(3, "i")), (number(2, "i", 1), number(1, "i", 1))
        if min(sizes) < 1:
            s.refuse(f"its window has the sizes {sizes}")
        x, kept = _channels_first(s, operator, sizes)
        given: dict[str, Any] = {"kernel_shape": [sizes[axis] for axis in kept], "strides": [strides[axis] for axis in kept]}
        out = s.writer.one(op, x, rank=x.rank, auto_pad=_padding(s, operator), **given)
        return s.fused(_channels_last(s, out, kept), number(5, "b"))

    return write


def _transposed(s: Scope, operator: Operator) -> Ref:
    """TRANSPOSE_CONV: what its answers' shape leaves out is cut from both ends, the odd one from the last."""
    weight, number = s.array(operator, 1), operator.options.number
    x, shape, out = s.ref(operator, 2), operator.operand(2).shape, operator.outputs[0].shape
    if weight.ndim != 4 or len(shape) != 4 or len(out) != 4:
        s.refuse(f"its weights have shape {weight.shape}, its input {shape}")
    strides = (number(2, "i", 1), number(1, "i", 1))
    cut = [(n - 1) * stride + k - m for n, m, k, stride in zip(shape[1:3], out[1:3], weight.shape[1:3], strides, strict=True)]
    inputs = [s.writer.one("Transpose", x, perm=[0, 3, 1, 2]), s.writer.constant(np.ascontiguousarray(weight.transpose(3, 0, 1, 2)))]
    if s.has(operator, 3):
        inputs.append(s.writer.constant(s.array(operator, 3)))
    given: dict[str, Any] = {"pads": [*(max(n, 0) // 2 for n in cut), *(max(n, 0) - max(n, 0) // 2 for n in cut)]}
    given |= {"output_padding": [max(-n, 0) for n in cut], "strides": list(strides)}
    made = s.writer.one("ConvTranspose", *inputs, rank=4, **given)
    return s.fused(s.writer.one("Transpose", made, perm=[0, 2, 3, 1]), number(3, "b"))


def _nearest(s: Scope, operator: Operator) -> Ref:
    """RESIZE_NEAREST_NEIGHBOR, whose options are align_corners and half_pixel_centers."""
    x, sizes = s.ref(operator, 0), s.ints(operator, 1)
    aligned, halves = operator.options.number(0, "B"), operator.options.number(1, "B")
    where, nearest = ("half_pixel", "round_prefer_ceil") if halves else ("asymmetric", "floor")
    where, nearest = ("align_corners", "round_prefer_ceil") if aligned else (where, nearest)
    how = {"coordinate_transformation_mode": where, "nearest_mode": nearest, "axes": [1, 2]}
    return s.writer.one("Resize", x, None, None, s.writer.ints(sizes), rank=x.rank, **how)


#: By operator.
SLIDING: dict[str, Handler] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "MAX_POOL_2D": _pool("MaxPool"),
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "TRANSPOSE_CONV": _transposed,
    "RESIZE_NEAREST_NEIGHBOR": _nearest,
}
