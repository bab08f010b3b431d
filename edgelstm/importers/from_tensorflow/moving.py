"""Operators that move numbers or keep them as they are, and those that compute shapes.

Definitions: https://www.tensorflow.org/api_docs/python/tf/raw_ops.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..from_onnx.calls import Call
from ..from_onnx.folding import bounded
from ..graph.expressions import Input
from ..graph.tracing import Flow, Value
from .lists import row
from .sliding import moved
from .values import Count, Dead, Drawn, Handler, Rows, Spaced, Whole, like, one, onnx, plain

#: The end of an axis.
_END = 1 << 62


def _same(call: Call) -> list[Value]:
    return [call.value(index) for index in range(len(call.node.outputs))]


def _checked(call: Call) -> list[Value]:
    """An operator that says something of its input and passes it on."""
    for name in ("message", "shape"):
        call.attribute(name)
    return [call.value(0)]


def _cast(call: Call) -> list[Value]:
    dtype, x = call.attribute("DstT"), call.value(0)
    call.attribute("Truncate")
    if isinstance(x, Count | Drawn | Whole):
        return [x]
    number = {"float": 1, "int": 7, "bool": 9}.get(dtype.kind)
    if number is None:
        call.refuse(f"converts to the type of number {int(dtype)}, which is not imported")
    if isinstance(x, Flow) and dtype.kind == "int" and not x.integer and _samples(call, x):
        return [Whole(x.ids)]
    return onnx(call, "Cast", x, to=number)


def _samples(call: Call, x: Flow) -> bool:
    wire = call.tracer.space.wire_of(x.ids)
    return wire is not None and isinstance(wire.source, Input)


def _reshape(call: Call) -> list[Value]:
    x = call.value(0)
    return [like(x, one(call, "Reshape", x, call.constant(1).astype(np.int64), allowzero=1))]


def _transpose(call: Call) -> list[Value]:
    return onnx(call, "Transpose", call.value(0), perm=[int(n) for n in call.constant(1)])


def _squeeze(call: Call) -> list[Value]:
    x = call.value(0)
    axes = [call.axis(a, len(x.shape)) for a in call.attribute("squeeze_dims") or call.attribute("axis") or []]
    axes = axes or [axis for axis, n in enumerate(x.shape) if n == 1]
    return onnx(call, "Squeeze", x, np.array(axes, np.int64)) if axes else [x]


def _expand(call: Call) -> list[Value]:
    x = call.value(0)
    axis = call.axis(int(call.constant(1).item()), len(x.shape) + 1)
    return onnx(call, "Unsqueeze", x, np.array([axis], np.int64))


def _less(call: Call, block: tuple[int, ...]) -> list[int]:
    """By axis, what is left of something that holds a number for each, behind a Squeeze of named axes."""
    if not (named := call.node.attributes.get("squeeze_dims")):
        call.refuse("takes axes away from rows that are dealt out, and does not name them")
    axes = [call.axis(a, len(block)) for a in named]
    return [n for axis, n in enumerate(block) if axis not in axes]


def _more(call: Call, block: tuple[int, ...]) -> list[int]:
    axis = call.axis(int(call.constant(1).item()), len(block) + 1)
    return [*block[:axis], 1, *block[axis:]]


def _concat(call: Call) -> list[Value]:
    """ConcatV2, whose axis comes last, and Concat, where it comes first."""
    call.attribute("N")
    last = call.node.op == "ConcatV2"
    axis = int(call.constant(len(call.values) - 1 if last else 0).item())
    parts = [call.value(index) for index in (range(len(call.values) - 1) if last else range(1, len(call.values)))]
    rank = len(parts[0].shape)
    return onnx(call, "Concat", *parts, axis=call.axis(axis, rank))


def _pack(call: Call) -> list[Value]:
    call.attribute("N")
    parts, axis = [call.value(index) for index in range(len(call.values))], call.attribute("axis", 0)
    axis = call.axis(axis, len(parts[0].shape) + 1)
    return onnx(call, "Concat", *(one(call, "Unsqueeze", part, np.array([axis])) for part in parts), axis=axis)


def _split(call: Call) -> list[Value]:
    x, count = call.value(1), call.attribute("num_split", 1)
    axis = call.axis(int(call.constant(0).item()), len(x.shape))
    if count < 1 or x.shape[axis] % count or count > x.shape[axis]:
        call.refuse(f"splits {x.shape[axis]} numbers into {count} parts")
    return onnx(call, "Split", x, np.full(count, x.shape[axis] // count), outputs=count, axis=axis)


def _split_v(call: Call) -> list[Value]:
    x, sizes = call.value(0), [int(n) for n in call.constant(1).ravel()]
    axis = call.axis(int(call.constant(2).item()), len(x.shape))
    call.attribute("num_split")
    sizes = [x.shape[axis] - sum(sizes) - 1 if n == -1 else n for n in sizes]
    return onnx(call, "Split", x, np.array(sizes), outputs=len(sizes), axis=axis)


def _unpack(call: Call) -> list[Value]:
    x, count = call.value(0), call.attribute("num", 0)
    axis = call.axis(call.attribute("axis", 0), len(x.shape))
    if count != x.shape[axis]:
        call.refuse(f"takes {x.shape[axis]} rows apart as {count}; name the length of its recordings: sizes")
    parts = onnx(call, "Split", x, np.ones(count, np.int64), outputs=count, axis=axis)
    return [one(call, "Squeeze", part, np.array([axis])) for part in parts]


def _gather(call: Call) -> Sequence[Value]:
    data, index = call.value(0), call.value(1)
    axis = call.axis(int(call.constant(2).item()) if call.has(2) else 0, len(data.shape))
    call.attribute("validate_indices")
    if call.attribute("batch_dims", 0):
        call.refuse("gathers for each sequence of a batch apart (batch_dims), which is not imported")
    if isinstance(index, Count):
        return [row(call, index, data, axis)]
    return onnx(call, "Gather", data, index, axis=axis)


def _gather_nd(call: Call) -> list[Value]:
    """Numbers or rows at constant places: indices (…, axes)."""
    call.attribute("bad_indices_policy")
    data, places = call.value(0), call.constant(1).astype(np.int64)
    bounded(call, (*places.shape[:-1], *data.shape[places.shape[-1] :]))
    return [_cut(data, tuple(np.moveaxis(places, -1, 0)))]


def _reverse(call: Call) -> list[Value]:
    x, given = call.value(0), call.constant(1)
    axes = np.flatnonzero(given) if given.dtype == np.bool_ else [call.axis(int(a), len(x.shape)) for a in given.ravel()]
    for axis in axes:
        x = one(call, "Slice", x, *(np.array([n]) for n in (-1, -_END, int(axis), -1)))
    return [x]


def _reverse_sequence(call: Call) -> list[Value]:
    time, batch = call.attribute("seq_dim", 0), call.attribute("batch_dim", 0)
    return onnx(call, "ReverseSequence", call.value(0), call.constant(1), time_axis=time, batch_axis=batch)


def _pad(call: Call) -> list[Value]:
    x, widths = call.value(0), call.constant(1)
    if widths.shape != (len(x.shape), 2):
        call.refuse(f"its widths have shape {widths.shape}")
    pads = widths.T.ravel().astype(np.int64)
    mode = call.attribute("mode", "CONSTANT")
    if mode not in ("CONSTANT", "REFLECT"):
        call.refuse(f"pads in mode {mode!r}, which is not imported")
    value = call.constant(2) if call.has(2) else np.zeros((), np.float32)
    if isinstance(x, Flow):
        return onnx(call, "Pad", x, pads, *([value] if mode == "CONSTANT" else []), mode=mode.lower())
    bounded(call, [n + int(a) + int(b) for n, (a, b) in zip(x.shape, widths, strict=True)])
    given: dict[str, Any] = {"constant_values": value.item()} if mode == "CONSTANT" else {}
    return [np.pad(x, widths, mode=mode.lower(), **given)]


def _tile(call: Call) -> list[Value]:
    return onnx(call, "Tile", call.value(0), call.constant(1))


def _broadcast(call: Call) -> list[Value]:
    return onnx(call, "Expand", call.value(0), call.constant(1))


def _fill(call: Call) -> list[Value]:
    shape = bounded(call, call.constant(0).ravel())
    return [np.full(shape, call.constant(1).item(), call.constant(1).dtype)]


def _filled_like(number: float) -> Handler:
    def fill(call: Call) -> list[Value]:
        x = call.value(0)
        return [np.full(x.shape, number, x.dtype if isinstance(x, np.ndarray) else np.int64 if x.integer else np.float32)]

    return plain(fill)


def _shape(call: Call) -> list[Value]:
    return [np.array(call.value(index).shape, np.int64) for index in range(len(call.values))]


def _size(call: Call) -> list[Value]:
    return [np.array(np.prod(call.value(0).shape), np.int64)]


def _strided_slice(call: Call) -> list[Value]:
    """``data[begin:end:stride]`` with the masks: begin, end, ellipsis, new axis, shrink."""
    masks = [call.attribute(f"{name}_mask", 0) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")]
    cut: list[Any] = []
    for i, (begin, end, stride) in enumerate(zip(*(call.constant(index).ravel().tolist() for index in (1, 2, 3)), strict=True)):
        of = [bool(mask & 1 << i) for mask in masks]
        bounds = slice(None if of[0] else begin, None if of[1] else end, stride)
        cut.append(Ellipsis if of[2] else None if of[3] else begin if of[4] else bounds)
    return [_cut(call.value(0), tuple(cut))]


def _slice(call: Call) -> list[Value]:
    starts, sizes = (call.constant(index).ravel().tolist() for index in (1, 2))
    return [_cut(call.value(0), tuple(slice(a, None if n == -1 else a + n) for a, n in zip(starts, sizes, strict=True)))]


def _cut(data: Value, cut: tuple[Any, ...]) -> Value:
    return Flow(np.asarray(data.ids[cut]), data.integer) if isinstance(data, Flow) else np.asarray(data[cut])


def _range(call: Call) -> list[Value]:
    start, limit, delta = (call.constant(index) for index in range(3))
    return onnx(call, "Range", *np.broadcast_arrays(start, limit, delta)) if delta.item() else call.refuse("counts by 0")


def _one_hot(call: Call) -> list[Value]:
    index, depth, on, off = (call.value(i) for i in range(4))
    axis = call.attribute("axis", -1)
    return onnx(call, "OneHot", index, depth, np.array([np.asarray(off).item(), np.asarray(on).item()], np.float32), axis=axis)


def _switch(call: Call) -> list[Value]:
    """(data where the predicate is false, data where it is true)."""
    taken = bool(call.constant(1).all())
    return [Dead(), call.value(0)] if taken else [call.value(0), Dead()]


def _merge(call: Call) -> list[Value]:
    """The one input that is alive, and its number."""
    call.attribute("N")
    alive = [index for index, value in enumerate(call.values) if not isinstance(value, Dead)]
    if len(alive) != 1:
        call.refuse("joins branches of which not exactly one is taken, which is not imported")
    return [call.value(alive[0]), np.array(alive[0], np.int64)]


def _inverted(call: Call) -> list[Value]:
    return [np.argsort(call.constant(0))]


#: By operator.
MOVING: dict[str, Handler] = {
    **{
        op: plain(_same, Count, Rows, Drawn, Whole)
        for op in ("Identity", "IdentityN", "StopGradient", "PreventGradient", "Snapshot", "LoopCond", "ReadVariableOp", "Exit", "Enter")
    },
    **{op: plain(_checked) for op in ("CheckNumerics", "EnsureShape", "PlaceholderWithDefault")},
    "Cast": plain(_cast, Count, Drawn, Whole),
    "Reshape": plain(_reshape, Whole),
    "Transpose": plain(_transpose, Whole),
    "Squeeze": plain(moved(_squeeze, _less), Whole, Spaced),
    "ExpandDims": plain(moved(_expand, _more), Whole, Spaced),
    "ConcatV2": plain(_concat),
    "Concat": plain(_concat),
    "Pack": plain(_pack),
    "Split": plain(_split),
    "SplitV": plain(_split_v),
    "Unpack": plain(_unpack),
    **{op: plain(_gather, Count, Whole) for op in ("Gather", "GatherV2", "ResourceGather")},
    "GatherNd": plain(_gather_nd),
    "ReverseV2": plain(_reverse),
    "Reverse": plain(_reverse),
    "ReverseSequence": plain(_reverse_sequence),
    **{op: plain(_pad) for op in ("Pad", "PadV2", "MirrorPad")},
    "Tile": plain(_tile),
    "BroadcastTo": plain(_broadcast),
    "Fill": plain(_fill),
    "ZerosLike": _filled_like(0),
    "OnesLike": _filled_like(1),
    "Shape": plain(_shape, Whole),
    "ShapeN": plain(_shape),
    "Size": plain(_size),
    "Rank": plain(lambda call: [np.array(len(call.value(0).shape), np.int64)]),
    "StridedSlice": plain(_strided_slice),
    "Slice": plain(_slice),
    "Range": plain(_range),
    "OneHot": plain(_one_hot, Whole),
    "Switch": plain(_switch, Count, Rows),
    "Merge": _merge,
    "InvertPermutation": plain(_inverted),
}
