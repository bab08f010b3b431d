"""Pooling on identities: over a frame, along time, over the whole recording."""

import numpy as np

from ...layers.map_pool import MapPool
from .convolving import answers_of, around, bare, time_axis
from .emitting import layer
from .expressions import Made
from .sliding import Window
from .tracing import Flow, Tracer
from .wires import Ids


def pool(tracer: Tracer, flow: Flow, window: Window, kind: str, whole: bool) -> Flow:
    """Largest (``"max"``) or mean (``"average"``) of windows along the last axes of flow (batch, channels, axes …).

    `whole`: whether padding counts in a mean.
    """
    axis = time_axis(tracer, flow.ids)
    if axis is None or axis < 2:
        return Flow(_frame(tracer, flow.ids, window, kind, whole))
    others = [a for a in range(2, flow.ids.ndim) if a != axis]
    time, rest = window.at([axis - 2]), window.at([a - 2 for a in others])
    rows = np.transpose(flow.ids, [axis, 0, 1, *others])  # (steps, batch, channels, others …)
    if any(n != 1 for n in rest.sizes + rest.strides) or any(rest.before + rest.after):
        frames = _frame(tracer, rows.reshape(-1, *rows.shape[2:]), rest, kind, whole)
        rows = frames.reshape(*rows.shape[:2], *frames.shape[1:])
    if time.sizes + time.strides != (1, 1) or any(time.before + time.after):
        rows = _along(tracer, rows, time, kind, whole)
    return Flow(np.transpose(rows, np.argsort([axis, 0, 1, *others])))


def _along(tracer: Tracer, rows: Ids, time: Window, kind: str, whole: bool) -> Ids:
    """Pooling along time of rows (steps, batch, …)."""
    (before,), (after,) = time.before, time.after
    if time.dilations != (1,):
        tracer.refuse("pools along time with dilation, which is not imported")
    if before + after and kind == "average" and not whole:
        tracer.refuse("averages along time over the rows that are there, without its padding, which is not imported")
    if kind == "average":
        rows, lead, trail = bare(tracer, rows)
        before, after = before + lead, after + trail
    reads, backward, steps = tracer.sequence(rows.reshape(*rows.shape[:2], -1))
    if backward:
        tracer.refuse("pools a recording from its end, which is not imported")
    size, stride = time.sizes[0], time.strides[0]
    padding = around(tracer, before, after, size) if before + after else "valid"
    record = layer("MaxPool1D" if kind == "max" else "AveragePool1D", tracer.place, size=size, stride=stride, padding=padding)
    count = (steps + before + after - size) // stride + 1
    return answers_of(tracer, record, reads, reads.size, count, count).reshape(count, *rows.shape[1:])


def _frame(tracer: Tracer, ids: Ids, window: Window, kind: str, whole: bool) -> Ids:
    """Pooling inside of frames ids (items, channels, axes …)."""
    items, channels, *sizes = ids.shape
    if len(sizes) > 2:
        tracer.refuse("pools frames of more than two axes, which is not imported")
    apart = time_axis(tracer, ids) == 1  # each channel is of another step
    maps = np.moveaxis(ids.reshape(-1, 1, *sizes) if apart else ids, 1, -1)  # (items, axes …, channels)
    record = MapPool(
        kind,
        window.sizes,
        shape=maps.shape[1:],
        strides=window.strides,
        dilation=window.dilations,
        padding=tuple(zip(window.before, window.after, strict=True)),
        include_padding=whole,
    )
    found = tracer.rows(Flow(maps.reshape(len(maps), -1)), lambda: record, int(np.prod(record.answer_shape)))
    answers: Ids = np.moveaxis(found.ids.reshape(len(maps), *record.answer_shape), -1, 1)
    return answers.reshape(items, channels, *answers.shape[2:])


def larger(tracer: Tracer, a: Flow, b: Flow, sign: int = 1) -> Flow:
    """The larger of two flows, number by number; the smaller one with `sign` -1. ``a + relu(b - a)``."""
    difference = tracer.combine("add", tracer.scale(b, sign, 0), tracer.scale(a, -sign, 0))
    return tracer.combine("add", a, tracer.scale(tracer.apply("relu", difference), sign, 0))


def over_time(tracer: Tracer, ids: Ids, kind: str) -> Ids | None:
    """Mean or maximum along the last axis of ids (…, rows), if that is the whole recording; else None."""
    rows = ids.reshape(-1, ids.shape[-1])
    at = tracer.space.places(rows)
    wires = {int(i) for i in np.unique(at.wire)}
    steps = {tracer.space.wires[i].steps for i in wires}
    if len(steps) != 1 or steps & {0, 1} or (at.step != np.arange(rows.shape[1])).any() or steps != {rows.shape[1]}:
        return None
    if any((part != part[:, :1]).any() for part in (at.wire, at.number, at.sequence)):
        return None
    group = tracer.grouped([rows[:, -1:]])
    record = layer("GlobalMaxPool1D" if kind == "max" else "GlobalAveragePool1D", tracer.place)
    return tracer.output(group, Made(tracer.place, record, [group.refs[0][:, 0]])).reshape(ids.shape[:-1])
