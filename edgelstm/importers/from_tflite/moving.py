"""Operators that move numbers or keep them as they are, as nodes of ONNX. Options by their number in ``schema.fbs``."""

from typing import Any

import numpy as np

from ..from_onnx.calls import Call
from ..from_onnx.writer import Ref
from ..graph.tracing import Flow, Value
from .file import Operator
from .scope import Handler, Scope

#: The end of an axis.
_END = 1 << 62

#: The domain of nodes that ONNX has not.
DOMAIN = "tflite"


def _reshape(s: Scope, operator: Operator) -> Ref:
    x = s.ref(operator, 0)
    rank = len(operator.outputs[0].shape)
    if s.has(operator, 1):
        return s.writer.one("Reshape", x, s.ref(operator, 1), rank=rank, allowzero=1)
    shape = [int(n) for n in operator.options.vector(0, "<i4", 8)]
    return s.writer.one("Reshape", x, s.writer.ints(shape), rank=len(shape), allowzero=1)


def _transpose(s: Scope, operator: Operator) -> Ref:
    x = s.ref(operator, 0)
    return s.writer.one("Transpose", x, perm=[s.axis(a, x.rank) for a in s.ints(operator, 1)])


def _squeeze(s: Scope, operator: Operator) -> Ref:
    x, axes = s.ref(operator, 0), [int(n) for n in operator.options.vector(0, "<i4", 8)]
    axes = [s.axis(a, x.rank) for a in axes] or [a for a, n in enumerate(operator.operand(0).shape) if n == 1]
    return s.writer.one("Squeeze", x, s.writer.ints(axes), rank=x.rank - len(axes)) if axes else x


def _expand(s: Scope, operator: Operator) -> Ref:
    x = s.ref(operator, 0)
    axis = s.axis(s.ints(operator, 1)[0], x.rank + 1)
    return s.writer.one("Unsqueeze", x, s.writer.ints([axis]), rank=x.rank + 1)


def _concatenation(s: Scope, operator: Operator) -> Ref:
    parts = [s.ref(operator, index) for index in range(len(operator.inputs))]
    axis = s.axis(operator.options.number(0, "i"), parts[0].rank)
    return s.fused(s.writer.one("Concat", *parts, axis=axis), operator.options.number(1, "b"))


def _split(s: Scope, operator: Operator) -> list[Ref]:
    x = s.ref(operator, 1)
    axis, count = s.axis(s.ints(operator, 0)[0], x.rank), len(operator.outputs)
    size = operator.operand(1).shape[axis]
    if not count or size % count:
        s.refuse(f"it splits {size} numbers into {count} parts")
    return s.writer.several("Split", [x, s.writer.ints([size // count] * count)], count, [x.rank] * count, axis=axis)


def _split_v(s: Scope, operator: Operator) -> list[Ref]:
    x, sizes = s.ref(operator, 0), s.ints(operator, 1)
    axis = s.axis(s.ints(operator, 2)[0], x.rank)
    size = operator.operand(0).shape[axis]
    sizes = [size - sum(sizes) - 1 if n == -1 else n for n in sizes]
    if len(sizes) != len(operator.outputs):
        s.refuse(f"it splits into {sizes} and has {len(operator.outputs)} outputs")
    return s.writer.several("Split", [x, s.writer.ints(sizes)], len(sizes), [x.rank] * len(sizes), axis=axis)


def _pack(s: Scope, operator: Operator) -> Ref:
    parts = [s.ref(operator, index) for index in range(len(operator.inputs))]
    rank = parts[0].rank + 1
    axis = s.axis(operator.options.number(1, "i"), rank)
    parts = [s.writer.one("Unsqueeze", part, s.writer.ints([axis]), rank=rank) for part in parts]
    return s.writer.one("Concat", *parts, axis=axis)


def _unpack(s: Scope, operator: Operator) -> list[Ref]:
    x, count = s.ref(operator, 0), len(operator.outputs)
    axis = s.axis(operator.options.number(1, "i"), x.rank)
    parts = s.writer.several("Split", [x, s.writer.ints([1] * count)], count, [x.rank] * count, axis=axis)
    return [s.writer.one("Squeeze", part, s.writer.ints([axis]), rank=x.rank - 1) for part in parts]


def _gather(s: Scope, operator: Operator) -> Ref:
    x, index = s.ref(operator, 0), s.ref(operator, 1)
    if operator.options.number(1, "i"):
        s.refuse("it gathers for each sequence of a batch apart (batch_dims), which is not imported")
    axis = s.axis(operator.options.number(0, "i"), x.rank)
    return s.writer.one("Gather", x, index, rank=x.rank - 1 + index.rank, axis=axis)


def _lookup(s: Scope, operator: Operator) -> Ref:
    index, table = s.ref(operator, 0), s.writer.constant(s.array(operator, 1))
    return s.writer.one("Gather", table, index, rank=index.rank + table.rank - 1, axis=0)


def _pad(s: Scope, operator: Operator) -> Ref:
    x, widths = s.ref(operator, 0), s.array(operator, 1)
    if widths.shape != (x.rank, 2):
        s.refuse(f"its widths have shape {widths.shape}")
    value = s.array(operator, 2) if s.has(operator, 2) else np.zeros((), np.float32)
    pads = s.writer.ints([int(n) for n in widths.T.ravel()])
    return s.writer.one("Pad", x, pads, s.writer.constant(value), rank=x.rank)


def _mirror_pad(s: Scope, operator: Operator) -> Ref:
    if operator.options.number(0, "b"):
        s.refuse("it pads symmetrically, the edge included, which is not imported")
    x, widths = s.ref(operator, 0), s.array(operator, 1)
    return s.writer.one("Pad", x, s.writer.ints([int(n) for n in widths.T.ravel()]), rank=x.rank, mode="reflect")


def _reverse(s: Scope, operator: Operator) -> Ref:
    x = s.ref(operator, 0)
    for axis in s.ints(operator, 1):
        bounds = [s.writer.ints([n]) for n in (-1, -_END, s.axis(axis, x.rank), -1)]
        x = s.writer.one("Slice", x, *bounds, rank=x.rank)
    return x


def _tile(s: Scope, operator: Operator) -> Ref:
    return s.writer.one("Tile", s.ref(operator, 0), s.ref(operator, 1), rank=s.ref(operator, 0).rank)


def _broadcast(s: Scope, operator: Operator) -> Ref:
    return s.writer.one("Expand", s.ref(operator, 0), s.ref(operator, 1), rank=len(operator.outputs[0].shape))


def _shape(s: Scope, operator: Operator) -> Ref:
    return s.writer.one("Shape", s.ref(operator, 0), rank=1)


def _fill(s: Scope, operator: Operator) -> Ref:
    return s.writer.one("Expand", s.ref(operator, 1), s.ref(operator, 0), rank=len(operator.outputs[0].shape))


def _same(s: Scope, operator: Operator) -> Ref:
    """Another type for the same numbers."""
    return s.ref(operator, 0)


def _cast(s: Scope, operator: Operator) -> Ref:
    number = {"float32": 1, "int32": 6, "int64": 7, "bool": 9, "float16": 1, "float64": 1}.get(operator.outputs[0].type)
    if number is None:
        s.refuse(f"it converts to {operator.outputs[0].type}, which is not imported")
    return s.writer.one("Cast", s.ref(operator, 0), to=number)


def _sliced(s: Scope, operator: Operator) -> Ref:
    """STRIDED_SLICE and SLICE, whose bounds may be computed from shapes."""
    inputs = [s.ref(operator, index) for index in range(len(operator.inputs))]
    masks = [int(operator.options.number(field, "i")) for field in range(5)] if operator.kind == "STRIDED_SLICE" else []
    return s.writer.native(operator.kind, DOMAIN, inputs, len(operator.outputs[0].shape), masks=masks)


def strided_slice(call: Call) -> list[Value]:
    """``data[begin:end:stride]`` with TensorFlow's masks: begin, end, ellipsis, new axis, shrink."""
    begin_mask, end_mask, ellipsis, new_axis, shrink = call.attribute("masks")
    cut: list[Any] = []
    for i, (begin, end, stride) in enumerate(zip(*(call.ints(index, "") or [] for index in (1, 2, 3)), strict=True)):
        bit = 1 << i
        if ellipsis & bit:
            cut.append(Ellipsis)
        elif new_axis & bit:
            cut.append(None)
        elif shrink & bit:
            cut.append(begin)
        else:
            cut.append(slice(None if begin_mask & bit else begin, None if end_mask & bit else end, stride))
    return [_cut(call, tuple(cut))]


def sliced(call: Call) -> list[Value]:
    """``data[begin:begin + size]``, where a size of -1 reaches to the end."""
    call.attribute("masks")
    starts, sizes = (call.ints(index, "") or [] for index in (1, 2))
    return [_cut(call, tuple(slice(a, None if n == -1 else a + n) for a, n in zip(starts, sizes, strict=True)))]


def _cut(call: Call, cut: tuple[Any, ...]) -> Value:
    data = call.value(0)
    return Flow(np.asarray(data.ids[cut]), data.integer) if isinstance(data, Flow) else np.asarray(data[cut])


#: By operator.
MOVING: dict[str, Handler] = {
    "RESHAPE": _reshape,
    "TRANSPOSE": _transpose,
    "SQUEEZE": _squeeze,
    "EXPAND_DIMS": _expand,
    "CONCATENATION": _concatenation,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "PACK": _pack,
    "UNPACK": _unpack,
    "GATHER": _gather,
    "EMBEDDING_LOOKUP": _lookup,
    "PAD": _pad,
    "PADV2": _pad,
    "MIRROR_PAD": _mirror_pad,
    "REVERSE_V2": _reverse,
    "TILE": _tile,
    "BROADCAST_TO": _broadcast,
    "SHAPE": _shape,
    "FILL": _fill,
    "QUANTIZE": _same,
    "DEQUANTIZE": _same,
    "CAST": _cast,
    "STRIDED_SLICE": _sliced,
    "SLICE": _sliced,
}
