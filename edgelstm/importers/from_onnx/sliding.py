"""Convolutions and pooling.

Definitions: https://onnx.ai/onnx/operators/onnx__Conv.html, onnx__ConvTranspose.html, onnx__MaxPool.html, onnx__AveragePool.html.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from ..graph.attention import weighted_sum
from ..graph.convolving import convolve, larger, over_time, pool, time_axis
from ..graph.functions import logarithm
from ..graph.inside import pooled
from ..graph.masks import any_differs
from ..graph.sliding import Window
from ..graph.summing import summed
from ..graph.tracing import Flow, Tracer, Value
from ..graph.transposing import transposed
from .calls import Call, floats

#: What is done to numbers before or behind a reduction.
_Step: TypeAlias = Callable[[Tracer, Flow], Flow]


def _same(tracer: Tracer, x: Flow) -> Flow:
    return x


def _negative(tracer: Tracer, x: Flow) -> Flow:
    return tracer.scale(x, -1, 0)


def _magnitude(tracer: Tracer, x: Flow) -> Flow:
    return tracer.apply("abs", x)


def _square(tracer: Tracer, x: Flow) -> Flow:
    return tracer.combine("mul", x, x)


def _root(tracer: Tracer, x: Flow) -> Flow:
    return tracer.apply("sqrt", x)


def window_of(call: Call, shape: tuple[int, ...], sizes: tuple[int, ...]) -> Window:
    """The window of a node over axes of these lengths."""
    rank = len(sizes)
    strides, dilations = (tuple(call.attribute(name) or [1] * rank) for name in ("strides", "dilations"))
    pads = call.attribute("pads") or [0] * 2 * rank
    auto = call.attribute("auto_pad", "NOTSET")
    before, after = tuple(pads[:rank]), tuple(pads[rank:])
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        total = [max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n) for n, s, d, k in zip(shape, strides, dilations, sizes, strict=True)]
        less, more = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
        before, after = (less, more) if auto == "SAME_UPPER" else (more, less)
    elif auto not in ("NOTSET", "VALID"):
        call.refuse(f"auto_pad {auto!r} is none that ONNX knows")
    if min(before + after + (0,)) < 0 or min(strides + dilations + sizes) < 1 or max(before + after + sizes) > 1 << 16:
        call.refuse("has a window with sizes that make no sense")
    return Window(sizes, strides, dilations, before, after)


def _conv(call: Call) -> list[Value]:
    x, weight = call.flow(0), call.constant(1)
    sizes = tuple(call.attribute("kernel_shape") or weight.shape[2:])
    if sizes != weight.shape[2:]:
        call.refuse(f"says a kernel of {sizes} and has weights of shape {weight.shape}")
    window = window_of(call, x.shape[2:], sizes)
    bias = floats(call.constant(2)) if call.has(2) else None
    return [convolve(call.tracer, x, weight, bias, window, call.attribute("group", 1))]


def _conv_transpose(call: Call) -> list[Value]:
    x, weight = call.flow(0), call.constant(1)
    rank = weight.ndim - 2
    sizes = tuple(call.attribute("kernel_shape") or weight.shape[2:])
    pads, more = call.attribute("pads") or [0] * 2 * rank, call.attribute("output_padding") or [0] * rank
    if sizes != weight.shape[2:] or x.ids.ndim != weight.ndim:
        call.refuse(f"says a kernel of {sizes} and has weights of shape {weight.shape} for an array of shape {x.shape}")
    if call.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or call.attribute("output_shape"):
        call.refuse("states the shape of its answers, which is not imported; export it with pads")
    strides, dilations = (tuple(call.attribute(name) or [1] * rank) for name in ("strides", "dilations"))
    if len(pads) != 2 * rank or {len(strides), len(dilations), len(more)} != {rank} or min(*pads, *more) < 0:
        call.refuse("has a window with sizes that make no sense")
    if min(strides + dilations) < 1 or max((*pads, *more, *sizes, *strides, *dilations)) > 1 << 16:
        call.refuse("has a window with sizes that make no sense")
    after = tuple(cut - added for cut, added in zip(pads[rank:], more, strict=True))
    window = Window(sizes, strides, dilations, tuple(pads[:rank]), after)
    bias = floats(call.constant(2)) if call.has(2) else None
    return [transposed(call.tracer, x, floats(weight), bias, window, call.attribute("group", 1))]


def _pool(kind: str) -> Callable[[Call], list[Value]]:
    def pooled(call: Call) -> list[Value]:
        x, sizes = call.flow(0), tuple(call.attribute("kernel_shape"))
        window = window_of(call, x.shape[2:], sizes)
        call.attribute("storage_order")
        whole = bool(call.attribute("count_include_pad", 0))
        if call.attribute("ceil_mode", 0) and (rounded := _rounded_up(window, x.shape[2:])) != window:
            if kind == "average" and whole:
                call.refuse("rounds the number of its answers up and counts padding in its means, which is not imported")
            window = rounded
        return [replace(pool(call.tracer, x, window, kind, whole), levels=x.levels)]

    return pooled


def _rounded_up(window: Window, shape: tuple[int, ...]) -> Window:
    """A window with as much padding behind as rounding the number of answers up takes; none begins behind the input."""
    after = []
    for n, k, s, d, b, a in zip(shape, *window, strict=True):
        span = d * (k - 1) + 1
        answers = -(-(n + b + a - span) // s) + 1
        answers -= (answers - 1) * s >= n + b
        after.append(max(a, (answers - 1) * s + span - n - b))
    return window._replace(after=tuple(after))


def _global(kind: str) -> Callable[[Call], list[Value]]:
    def pooled(call: Call) -> list[Value]:
        x = call.flow(0)
        return [reduced(call, x, list(range(2, x.ids.ndim)), True, kind)]

    return pooled


def reduced(call: Call, x: Flow, axes: list[int], keep: bool, kind: str) -> Flow:
    """Sum, mean or maximum along axes: along those of a frame first, then along time."""
    time = time_axis(call.tracer, x.ids) if len(axes) > 1 else None
    if time in axes and x.shape[time] < math.prod(x.shape[axis] for axis in axes):
        inner = reduced(call, x, [axis for axis in axes if axis != time], True, kind)
        whole = reduced(call, inner, [time], True, kind).ids
        return Flow(whole if keep else np.squeeze(whole, tuple(axes)))
    rest = [i for i in range(x.ids.ndim) if i not in axes]
    turned = np.transpose(x.ids, [*rest, *axes])
    shape = turned.shape[: len(rest)]
    flat = turned.reshape(*shape, -1)
    count = flat.shape[-1]
    out = over_time(call.tracer, flat, kind) if kind != "sum" else weighted_sum(call.tracer, flat)
    out = summed(call.tracer, flat) if out is None and kind == "sum" else out
    if out is None and kind == "max" and count > 2:
        largest = pooled(call.tracer, flat.reshape(-1, 1, count), Window((count,), (1,), (1,), (0,), (0,)), "max", False)
        out = None if largest is None else largest.ids.reshape(shape)
    if out is None and kind == "max":
        found = Flow(flat[..., 0])
        for tap in range(1, count):
            found = larger(call.tracer, found, Flow(flat[..., tap]))
        out = found.ids
    elif out is None:
        out = call.tracer.affine(Flow(flat), np.full((count, 1), 1 / count)).ids.reshape(shape)
    if kind == "sum" and count > 1 and (anything := any_differs(call.tracer, flat)) is not None:
        call.tracer.differing.update(zip(out.ravel().tolist(), anything.ids.ravel().tolist(), strict=True))
    return Flow(np.expand_dims(out, tuple(axes)) if keep else out)


def _reduce(kind: str, before: _Step = _same, after: _Step = _same) -> Callable[[Call], list[Value]]:
    """A reduction, with what is done to numbers before and behind it."""

    def reduce(call: Call) -> list[Value]:
        x = call.flow(0)
        axes, noop = call.ints(1, "axes"), call.attribute("noop_with_empty_axes", 0)
        if noop and not axes:
            call.refuse("reduces no axis (noop_with_empty_axes), which is not imported")
        found = sorted(call.axis(a, x.ids.ndim) for a in (axes or range(x.ids.ndim)))
        return [after(call.tracer, reduced(call, before(call.tracer, x), found, bool(call.attribute("keepdims", 1)), kind))]

    return reduce


def _log_sum_exp(call: Call) -> list[Value]:
    """The logarithm of a sum of exponentials, none of which is above one."""
    x, axes = call.flow(0), call.ints(1, "axes")
    if call.attribute("noop_with_empty_axes", 0) and not axes:
        call.refuse("reduces no axis (noop_with_empty_axes), which is not imported")
    found = sorted(call.axis(a, x.ids.ndim) for a in (axes or range(x.ids.ndim)))
    most = reduced(call, x, found, True, "max")
    apart = call.tracer.apply("exp", call.tracer.combine("add", x, call.tracer.scale(most, -1, 0)))
    total = call.tracer.combine("add", logarithm(call.tracer, reduced(call, apart, found, True, "sum")), most)
    return [total if call.attribute("keepdims", 1) else Flow(np.squeeze(total.ids, tuple(found)))]


#: By operator.
SLIDING: dict[str, Callable[[Call], list[Value]]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _pool("max"),
    "AveragePool": _pool("average"),
    "GlobalMaxPool": _global("max"),
    "GlobalAveragePool": _global("mean"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "ReduceMax": _reduce("max"),
    "ReduceMin": _reduce("max", _negative, _negative),
    "ReduceL1": _reduce("sum", _magnitude),
    "ReduceL2": _reduce("sum", _square, _root),
    "ReduceSumSquare": _reduce("sum", _square),
    "ReduceLogSum": _reduce("sum", after=logarithm),
    "ReduceLogSumExp": _log_sum_exp,
}
