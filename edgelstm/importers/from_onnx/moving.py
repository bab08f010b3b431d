"""Operators that move numbers and change none: the same for constants and for what flows (there, identities are moved).

Definitions: https://onnx.ai/onnx/operators/.
"""

from collections.abc import Callable

import numpy as np

from .calls import Array, Call
from .resizing import resized

#: Most numbers that a moved array may have.
_MOST = 1 << 21


def _reshape(call: Call, data: Array) -> list[Array]:
    shape = call.ints(1, "shape") or []
    keep = not call.attribute("allowzero", 0)
    if keep and any(n == 0 and i >= data.ndim for i, n in enumerate(shape)):
        call.refuse(f"reshapes {data.shape} to {shape}")
    given = [data.shape[i] if n == 0 and keep else n for i, n in enumerate(shape)]
    steps, size = call.tracer.steps, int(np.prod(given))
    if call.tracer.open and min(given, default=0) > 0 and data.size and size != data.size and size * steps % data.size == 0:
        call.tracer.wanted = size * steps // data.size
    return [data.reshape(given)]


def _transpose(call: Call, data: Array) -> list[Array]:
    return [np.transpose(data, call.attribute("perm"))]


def _squeeze(call: Call, data: Array) -> list[Array]:
    axes = call.ints(1, "axes")
    return [np.squeeze(data, None if axes is None else tuple(axes))]


def _unsqueeze(call: Call, data: Array) -> list[Array]:
    return [np.expand_dims(data, tuple(call.ints(1, "axes") or []))]


def _flatten(call: Call, data: Array) -> list[Array]:
    axis = call.attribute("axis", 1)
    axis += data.ndim if axis < 0 else 0
    return [data.reshape(int(np.prod(data.shape[:axis])), -1)]


def _slice(call: Call, data: Array) -> list[Array]:
    starts, ends, axes = call.ints(1, "starts") or [], call.ints(2, "ends") or [], call.ints(3, "axes")
    steps = call.ints(4, "steps") or [1] * len(starts)
    cut: list[slice] = [slice(None)] * data.ndim
    for start, end, given, step in zip(starts, ends, axes or range(len(starts)), steps, strict=True):
        axis = call.axis(given, data.ndim)
        stop = None if step < 0 and end < -data.shape[axis] else end
        cut[axis] = slice(start, stop, step)
    return [data[tuple(cut)]]


def _gather(call: Call, data: Array) -> list[Array]:
    axis = call.axis(call.attribute("axis", 0), data.ndim)
    index = call.constant(1).astype(np.int64)
    _bounded(call, (*data.shape[:axis], *index.shape, *data.shape[axis + 1 :]))
    return [np.take(data, index, axis)]


def _split(call: Call, data: Array) -> list[Array]:
    axis = call.axis(call.attribute("axis", 0), data.ndim)
    sizes = call.ints(1, "split")
    count = call.attribute("num_outputs", len(call.node.outputs))
    if sizes is None:
        each = -(-data.shape[axis] // count)
        sizes = [min(each, data.shape[axis] - i * each) for i in range(count)]
    if sum(sizes) != data.shape[axis] or min(sizes) < 0:
        call.refuse(f"splits {data.shape[axis]} into {sizes}")
    return list(np.split(data, np.cumsum(sizes)[:-1], axis))


def _expand(call: Call, data: Array) -> list[Array]:
    shape = np.broadcast_shapes(data.shape, tuple(call.ints(1, "shape") or []))
    _bounded(call, shape)
    return [np.broadcast_to(data, shape)]


def _tile(call: Call, data: Array) -> list[Array]:
    repeats = call.ints(1, "repeats") or []
    _bounded(call, [n * r for n, r in zip(data.shape, repeats, strict=True)])
    return [np.tile(data, repeats)]


def _bounded(call: Call, shape: object) -> None:
    size = 1
    for n in shape:  # type: ignore[attr-defined]
        size *= max(int(n), 0)
    if size > _MOST:
        call.refuse(f"makes an array of shape {shape}; at most {_MOST} numbers are imported")


def _same(call: Call, data: Array) -> list[Array]:
    call.attribute("ratio")
    call.attribute("seed")
    call.attribute("is_test")
    if call.has(2) and call.constant(2).any():
        call.refuse("drops numbers at random, as in training; export the model in evaluation mode")
    return [data] * len(call.node.outputs)


def _reverse_sequence(call: Call, data: Array) -> list[Array]:
    time, batch = call.attribute("time_axis", 0), call.attribute("batch_axis", 1)
    lengths = call.constant(1)
    if (lengths != data.shape[time]).any() or time == batch:
        call.refuse("reverses each sequence up to its own length, which is not imported")
    return [np.flip(data, time)]


def _depth_to_space(call: Call, data: Array) -> list[Array]:
    size, mode = call.attribute("blocksize"), call.attribute("mode", "DCR")
    n, c, h, w = data.shape
    if mode == "DCR":
        out = data.reshape(n, size, size, c // size**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        out = data.reshape(n, c // size**2, size, size, h, w).transpose(0, 1, 4, 2, 5, 3)
    return [out.reshape(n, c // size**2, h * size, w * size)]


def _space_to_depth(call: Call, data: Array) -> list[Array]:
    size = call.attribute("blocksize")
    n, c, h, w = data.shape
    out = data.reshape(n, c, h // size, size, w // size, size).transpose(0, 3, 5, 1, 2, 4)
    return [out.reshape(n, c * size**2, h // size, w // size)]


def _gather_elements(call: Call, data: Array) -> list[Array]:
    index = call.constant(1).astype(np.int64)
    axis = call.axis(call.attribute("axis", 0), data.ndim)
    return [np.take_along_axis(data, index % data.shape[axis], axis)]


def _gather_nd(call: Call, data: Array) -> list[Array]:
    if call.attribute("batch_dims", 0):
        call.refuse("gathers for each sequence of a batch apart, which is not imported")
    index = call.constant(1).astype(np.int64)
    _bounded(call, (*index.shape[:-1], *data.shape[index.shape[-1] :]))
    return [data[tuple(np.moveaxis(index, -1, 0))]]


#: By operator: a call and its first input as an array -> its outputs.
MOVES: dict[str, Callable[[Call, Array], list[Array]]] = {
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Flatten": _flatten,
    "Slice": _slice,
    "Gather": _gather,
    "Split": _split,
    "Expand": _expand,
    "Tile": _tile,
    "Identity": _same,
    "Dropout": _same,
    "ReverseSequence": _reverse_sequence,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Resize": resized,
    "Upsample": resized,
}
