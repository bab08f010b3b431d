"""Convolutions and pooling on identities: along time they become layers of their own."""

from typing import Any

import numpy as np

from ...layers.record import Layer
from .emitting import layer
from .expressions import Constant, Floats, Made
from .inside import inside, mapped, pooled, ungrouped
from .sliding import Window
from .tracing import Flow, Tracer
from .wires import MOST_WEIGHTS, Ids


def time_axis(tracer: Tracer, ids: Ids) -> int | None:
    """The axis along which the step changes; None where none does.

    Raises
    ------
    UnsupportedModelError
        If it changes along several.
    """
    step = tracer.space.places(ids).step
    found = []
    for axis in range(ids.ndim):
        rows = np.moveaxis(step, axis, 0)
        changes = (rows[1:] != rows[:-1]) & (rows[1:] >= 0) & (rows[:-1] >= 0)
        if np.any(changes):
            found.append(axis)
    if len(found) > 1:
        tracer.refuse("slides over an array whose steps lie along several axes")
    return found[0] if found else None


def convolve(tracer: Tracer, flow: Flow, weight: Floats, bias: Floats | None, window: Window, groups: int) -> Flow:
    """Convolution of flow (batch, channels, axes …) with weight (outputs, channels / groups, taps …), bias (outputs,)."""
    if flow.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups or flow.ids.ndim != weight.ndim:
        tracer.refuse(f"convolves an array of shape {flow.shape} with weights of shape {weight.shape} in {groups} groups")
    axis = time_axis(tracer, flow.ids)
    if axis is None or axis < 2:
        return inside(tracer, flow, weight, bias, window, groups)
    return _along(tracer, flow, weight, bias, window, groups, axis)


def _along(tracer: Tracer, flow: Flow, weight: Floats, bias: Floats | None, window: Window, groups: int, axis: int) -> Flow:
    """A convolution along time, and along other axes of a frame too."""
    others = [a for a in range(2, flow.ids.ndim) if a != axis]
    rows = np.transpose(flow.ids, [axis, 0, 1, *others])  # (steps, batch, channels, others …)
    _not_of_itself(tracer, rows)
    rows, lead, trail = _bare(tracer, rows)
    time, frame = window.at([axis - 2]), window.at([a - 2 for a in others])
    time = time._replace(before=(time.before[0] + lead,), after=(time.after[0] + trail,))
    weight = np.moveaxis(weight, axis, 2)  # (outputs, channels / groups, time taps, other taps …)
    out = _over_map(tracer, rows, weight, bias, time, frame, groups) if others and max(frame.places(rows.shape[3:])) > 1 else None
    if out is None:
        out = _over_rows(tracer, rows, weight, bias, time, frame, groups)
    return Flow(np.transpose(out, np.argsort([axis, 0, 1, *others])))


def _over_rows(tracer: Tracer, rows: Ids, weight: Floats, bias: Floats | None, time: Window, frame: Window, groups: int) -> Ids:
    """One kernel over all numbers of a row."""
    reads, steps = _forward(tracer, rows.reshape(*rows.shape[:2], -1))
    answers: tuple[int, ...] = (len(weight),)
    kernel: Floats = weight
    if frame.sizes:
        kernel, answers = _kernel(tracer, ungrouped(weight, groups), frame, rows.shape[2:])
        groups = 1
    full = np.zeros(len(kernel)) if bias is None else np.repeat(bias, len(kernel) // len(weight))
    given = {"weight": kernel, "bias": full, "groups": groups}
    ids = _sliding(tracer, reads, "Conv1D", given, len(kernel), time, steps)  # (answers along time, batch, outputs)
    return ids.reshape(*ids.shape[:2], *answers)


def _over_map(tracer: Tracer, rows: Ids, weight: Floats, bias: Floats | None, time: Window, frame: Window, groups: int) -> Ids | None:
    """The rows that a window meets side by side, and a convolution over them as one map; None where they make none."""
    axes, channels = rows.shape[3:], rows.shape[2]
    if len(axes) > 2 or (len(axes) == 2 and groups > 1):
        return None
    steps, batch, taps = len(rows), rows.shape[1], time.sizes[0]
    turned = np.moveaxis(rows, 2, -1).reshape(steps, batch, -1)  # (steps, batch, others … channels)
    if time != Window((1,), (1,), (1,), (0,), (0,)):
        reads, steps = _forward(tracer, turned)
        turned = _sliding(tracer, reads, "Window", {"steps": taps}, taps * reads.size, time, steps)
    there = turned[: int((tracer.space.places(turned[:, 0, 0]).step >= 0).sum())]
    frames = np.moveaxis(there.reshape(-1, taps, *axes, channels), -1, 1)  # (frames, channels, taps, others …)
    if len(axes) == 2:
        frames = frames.reshape(len(frames), -1, *axes)
        weight = weight.reshape(len(weight), -1, *weight.shape[3:])
    else:
        frame = Window(*((first, *rest) for first, rest in zip((taps, 1, 1, 0, 0), frame, strict=True)))
    found = mapped(tracer, frames, weight, bias, frame, groups)
    if found is None:
        return None
    out = found.ids.reshape(len(there), batch, len(weight), *found.shape[2 + (len(axes) == 1) :])
    behind = np.broadcast_to(turned[len(there) :, :, :1, *(None,) * len(axes)], (len(turned) - len(there), *out.shape[1:]))
    return np.concatenate([out, behind])


def _forward(tracer: Tracer, rows: Ids) -> tuple[Ids, int]:
    """What a layer reads from rows (steps, batch, numbers), and how many steps there are."""
    reads, backward, steps = tracer.sequence(rows)
    if backward:
        tracer.refuse("slides over a recording from its end, which is not imported")
    return reads, steps


def _not_of_itself(tracer: Tracer, rows: Ids) -> None:
    """Refuse rows (steps, …) of which some at the ends are others of the recording again."""
    step = tracer.space.places(rows.reshape(len(rows), -1)).step[:, 0]
    step = step[step >= 0]
    if np.unique(step).size < step.size:
        tracer.refuse(
            "slides over a recording that is padded with its own rows (replicate, circular or reflect padding along time), which is not "
            'imported: train with padding_mode="zeros", or pad recordings before they are given'
        )


def _bare(tracer: Tracer, rows: Ids) -> tuple[Ids, int, int]:
    """Rows (steps, …) without those at both ends that are zeros, and how many these were."""
    at = tracer.space.places(rows.reshape(len(rows), -1))
    padding = np.asarray((at.step < 0).all(1))
    if not padding.any() or padding.all():
        return rows, 0, 0
    lead, trail = int(np.argmin(padding)), int(np.argmin(padding[::-1]))
    if tracer.values(np.concatenate([rows[:lead], rows[len(rows) - trail :]])).any():
        tracer.refuse("slides over a recording that is padded with other numbers than zeros")
    return rows[lead : len(rows) - trail], lead, trail


def _kernel(tracer: Tracer, weight: Floats, window: Window, shape: tuple[int, ...]) -> tuple[Floats, tuple[int, ...]]:
    """The kernel along time, (outputs x answers, channels x numbers, taps), of one that slides along other axes too."""
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    view = window.views(window.padded(numbers, -1))  # (channels, answers …, taps …)
    rank = len(window.sizes)
    answers = view.shape[1 : 1 + rank]
    view = np.moveaxis(view, 0, rank).reshape(int(np.prod(answers)), -1)  # (answers, channels x taps)
    taps = np.moveaxis(weight, 2, -1).reshape(len(weight), view.shape[1], -1)  # (outputs, channels x taps, time taps)
    if len(weight) * len(view) * numbers.size * taps.shape[2] > MOST_WEIGHTS:
        tracer.refuse(f"slides along time and frequency at once; written out its kernel has more than {MOST_WEIGHTS} numbers")
    kernel = np.zeros((len(weight), len(view), numbers.size, taps.shape[2]), weight.dtype)
    for answer, columns in enumerate(view):
        kernel[:, answer, columns[columns >= 0]] = taps[:, columns >= 0]
    return kernel.reshape(-1, numbers.size, taps.shape[2]), (len(weight), *answers)


def _sliding(tracer: Tracer, reads: Ids, name: str, given: dict[str, Any], width: int, window: Window, steps: int) -> Ids:
    """Identities (answers, batch, width) of a layer along time over `reads` of `steps` steps. name, given: its record and fields."""
    (taps,), (stride,), (dilation,), (before,), (after,) = window
    span = dilation * (taps - 1)
    count = (steps + before + after - span - 1) // stride + 1
    future = span - before  # rows after the present one that an answer needs
    if count < 1 or before > span:
        tracer.refuse(f"slides a window of {span + 1} rows over {steps} with {before} of padding before them")
    given = given | {"stride": stride, "dilation": dilation, "padding": "valid" if not before and span else "causal"}
    beyond = future > 0 and (before > 0 or (after > 0 and tracer.around))
    if (beyond and (tracer.around or stride == 1 or future != stride - 1)) or (tracer.open and after and stride > 1):
        given["padding"] = before, kept = _around(before, after, span + 1)
        made = (steps + before + kept - span - 1) // stride + 1
        return _answers(tracer, layer(name, tracer.place, **given), reads, width, made, count)
    if before and future:
        given["align"] = "last"
    tracer.beyond |= future > 0 and not before and after > 0
    return _answers(tracer, layer(name, tracer.place, **given), reads, width, min(count, _last(steps, future, stride)), count)


def _around(before: int, after: int, rows: int) -> tuple[int, int]:
    """Padding on both sides of a recording, of a window of so many rows: as much as gives no more answers than there are rows."""
    return before, min(after, rows - 1 - before)


def _last(steps: int, future: int, stride: int) -> int:
    """How many answers need no row after the recording's end."""
    return (steps - 1 - future) // stride + 1


def turned(tracer: Tracer, refs: Ids, steps: int) -> Ids:
    """Identities, at the last step, of the same numbers in the order from the recording's end."""
    ids: Ids = _answers(tracer, layer("Reverse", tracer.place), refs, refs.size, steps, steps)[-1, 0]
    return ids


def _answers(tracer: Tracer, record: Layer, reads: Ids, width: int, steps: int, count: int) -> Ids:
    """Identities (count, batch, width) of a layer that gives `steps` answers; those behind the recording's end may not be used."""
    wire = tracer.space.allocate(Made(tracer.place, record, [reads]), steps, width)
    ids = tracer.space.ids(wire)
    if count == steps:
        return ids
    behind = tracer.space.allocate(Constant(tracer.place, np.full(1, np.nan)), 0, 1)
    return np.concatenate([ids, np.full((count - steps, *ids.shape[1:]), behind.start)])


def pool(tracer: Tracer, flow: Flow, window: Window, kind: str, whole: bool) -> Flow:
    """Largest (``"max"``) or mean (``"average"``) of windows along the last axes of flow (batch, channels, axes …).

    `whole`: whether padding counts in a mean.
    """
    axis = time_axis(tracer, flow.ids)
    if axis is None or axis < 2:
        return _pooled_frame(tracer, flow, window, kind, whole)
    others = [a for a in range(2, flow.ids.ndim) if a != axis]
    time, rest = window.at([axis - 2]), window.at([a - 2 for a in others])
    (before,), (after,) = time.before, time.after
    if time.dilations != (1,):
        tracer.refuse("pools along time with dilation, which is not imported")
    if before + after and kind == "average" and not whole:
        tracer.refuse("averages along time over the rows that are there, without its padding, which is not imported")
    rows = np.transpose(flow.ids, [axis, 0, 1, *others])
    if kind == "average":
        rows, lead, trail = _bare(tracer, rows)
        before, after = before + lead, after + trail
    if any(n != 1 for n in rest.sizes + rest.strides):
        frames = _pooled_frame(tracer, Flow(rows.reshape(-1, *rows.shape[2:])), rest, kind, whole).ids
        rows = frames.reshape(*rows.shape[:2], *frames.shape[1:])
    if time.sizes == time.strides == (1,) and not before + after:
        return Flow(np.transpose(rows, np.argsort([axis, 0, 1, *others])))
    reads, steps = _forward(tracer, rows.reshape(*rows.shape[:2], -1))
    size, stride = time.sizes[0], time.strides[0]
    sides = _around(before, after, size)
    padding = sides if before + after else "valid"
    record = layer("MaxPool1D" if kind == "max" else "AveragePool1D", tracer.place, size=size, stride=stride, padding=padding)
    count = (steps + before + after - size) // stride + 1
    ids = _answers(tracer, record, reads, reads.size, (steps + sum(sides) - size) // stride + 1, count).reshape(count, *rows.shape[1:])
    return Flow(np.transpose(ids, np.argsort([axis, 0, 1, *others])))


def _pooled_frame(tracer: Tracer, flow: Flow, window: Window, kind: str, whole: bool) -> Flow:
    rank = len(window.sizes)
    if (found := pooled(tracer, flow.ids, window, kind, whole)) is not None:
        return found
    if any(window.before + window.after) and (kind == "max" or not whole):
        tracer.refuse("pools a frame with padding, which is not imported")
    view = window.views(window.padded(flow.ids, int(tracer.ids(np.zeros(1))[0])))
    taps = view.reshape(*view.shape[:-rank], -1)
    if kind == "average":
        return Flow(tracer.affine(Flow(taps), np.full((taps.shape[-1], 1), 1 / taps.shape[-1])).ids[..., 0])
    found = Flow(taps[..., 0])
    for tap in range(1, taps.shape[-1]):
        found = larger(tracer, found, Flow(taps[..., tap]))
    return found


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
