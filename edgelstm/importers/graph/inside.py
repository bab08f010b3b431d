"""Convolutions and pooling inside the frame that one timestep is: over a map where windows lie side by side, else as one matrix."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers.map_conv import MapConv
from ...layers.map_pool import MapPool
from .expressions import Floats, Made, State
from .maps import Mapped
from .sliding import Window
from .tracing import Flow, Tracer
from .wires import Ids


def inside(tracer: Tracer, flow: Flow, weight: Floats, bias: Floats | None, window: Window, groups: int) -> Flow:
    """Convolution of flow (batch, channels, axes …), along none of which the step changes.

    weight: (outputs, channels / groups, taps …); bias: (outputs,).
    """
    found = mapped(tracer, flow.ids, weight, bias, window, groups) if len(window.sizes) <= 2 else None
    return _written_out(tracer, flow, ungrouped(weight, groups), bias, window) if found is None else found


def ungrouped(weight: Floats, groups: int) -> Floats:
    """Weights of a grouped convolution with zeros for the channels that a group does not read."""
    if groups == 1:
        return weight
    outputs, channels = weight.shape[:2]
    full = np.zeros((outputs, channels * groups, *weight.shape[2:]), weight.dtype)
    each = outputs // groups
    for group in range(groups):
        full[group * each : (group + 1) * each, group * channels : (group + 1) * channels] = weight[group * each : (group + 1) * each]
    return full


def _written_out(tracer: Tracer, flow: Flow, weight: Floats, bias: Floats | None, window: Window) -> Flow:
    rank = len(window.sizes)
    zero = int(tracer.ids(np.zeros(1))[0])
    view = window.views(window.padded(flow.ids, zero))  # (batch, channels, answers …, taps …)
    view = np.moveaxis(view, 1, 1 + rank)  # (batch, answers …, channels, taps …)
    rows = view.reshape(*view.shape[: 1 + rank], -1)
    out = tracer.affine(Flow(rows), weight.reshape(len(weight), -1).T, bias)
    return Flow(np.moveaxis(out.ids, -1, 1))


def mapped(tracer: Tracer, ids: Ids, weight: Floats, bias: Floats | None, window: Window, groups: int) -> Flow | None:
    """A `MapConv`; None where there is one window, or where the map is not the present step's alone."""
    ids, window = _bare(tracer, ids, window)
    kernel = np.moveaxis(weight, (0, 1), (-1, -2))  # (taps …, channels / groups, outputs)

    def make(given: dict[str, Any], rows: int) -> Made:
        wide = kernel if rows == 1 else kernel[None]
        return Mapped(tracer.place, MapConv(wide, bias, groups=groups, **given), [])

    return _on_map(tracer, ids, window, make) if max(window.places(ids.shape[2:])) > 1 else None


def pooled(tracer: Tracer, ids: Ids, window: Window, kind: str, whole: bool) -> Flow | None:
    """A `MapPool` over ids (batch, channels, axes …); None where a mean has one window, or the map is not the present step's alone."""
    if len(window.sizes) > 2 or (kind == "average" and max(window.places(ids.shape[2:])) == 1):
        return None

    def make(given: dict[str, Any], rows: int) -> Made:
        size = window.sizes if rows == 1 else (1, *window.sizes)
        return Made(tracer.place, MapPool(kind, size, include_padding=whole, **given), [])

    return _on_map(tracer, ids, window, make)


def _on_map(tracer: Tracer, ids: Ids, window: Window, make: Callable[[dict[str, Any], int], Made]) -> Flow | None:
    """A layer over the map of each step. make: from how windows lie on it, and the rows a step, which are its first axis if several."""
    turned, answers = np.moveaxis(ids, 1, -1), window.places(ids.shape[2:])  # (batch, axes …, channels)
    if min(answers) < 1 or not _present(tracer, turned):
        return None
    group = tracer.grouped([turned.reshape(len(turned), -1)])
    rows = len(group.refs[0])
    if rows > 1 and len(answers) > 1:
        return None
    given: dict[str, Any] = {
        "shape": turned.shape[1:],
        "strides": window.strides,
        "dilation": window.dilations,
        "padding": tuple(zip(window.before, window.after, strict=True)),
    }
    if rows > 1:
        ones = {"shape": (rows,), "strides": (1,), "dilation": (1,), "padding": ((0, 0),)}
        given = {name: ones[name] + given[name] for name in given}
    source = make(given, rows)
    source.reads.append(group.refs[0].ravel())
    width = source.record.output_size([group.refs[0].size]) // rows
    out = tracer.output(group, source, width=width)
    return Flow(np.moveaxis(out.reshape(len(turned), *answers, -1), -1, 1))


def _present(tracer: Tracer, turned: Ids) -> bool:
    """Whether each item of `turned` (items, …) is numbers of one step alone, none of them a constant, or a state of a cell."""
    at = tracer.space.places(turned.reshape(len(turned), -1))
    if (at.step < 0).any() or (at.step != at.step[:, :1]).any():
        return False
    kept = any(isinstance(tracer.space.wires[index].source, State) for index in np.unique(at.wire))
    tracer.keeps_maps |= kept
    return tracer.feeds_back or not kept


def _bare(tracer: Tracer, ids: Ids, window: Window) -> tuple[Ids, Window]:
    """ids (batch, channels, axes …) without the zeros around it, which become padding of the window."""
    zeros = tracer.values(ids) == 0
    before, after = list(window.before), list(window.after)
    for axis in range(2, ids.ndim):
        empty = np.asarray(zeros.all(tuple(a for a in range(ids.ndim) if a != axis)))
        if not empty.any() or empty.all():
            continue
        lead, trail = int(np.argmin(empty)), int(np.argmin(empty[::-1]))
        cut = (slice(None),) * axis + (slice(lead, empty.size - trail),)
        ids, zeros = ids[cut], zeros[cut]
        before[axis - 2] += lead
        after[axis - 2] += trail
    return ids, window._replace(before=tuple(before), after=tuple(after))
