"""Transposed convolutions on identities: as many convolutions as the stride has phases, whose answers lie between each other.

Of stride s and padding p, answer ``s q + r`` is the sum of ``x[q + c - m] w[j + m s]`` over m, with ``j = (r + p) mod s`` and
``c = (r + p) // s``: for each phase r a convolution of stride one (Shi et al. 2016, https://arxiv.org/abs/1609.07009).
"""

from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from .convolving import convolve, time_axis
from .expressions import Floats
from .sliding import Window
from .tracing import Flow, Tracer

#: Most numbers of all answers, over the steps that are followed.
_MOST = 1 << 22


class _Phase(NamedTuple):
    """Answers of one axis that lie a stride apart: where they begin, the taps they read, how far these lie apart, rows before and behind.

    Fewer than no rows: so many are passed over.
    """

    first: int
    taps: list[int]
    apart: int
    before: int
    after: int


def transposed(tracer: Tracer, flow: Flow, weight: Floats, bias: Floats | None, window: Window, groups: int) -> Flow:
    """Transposed convolution of flow (batch, channels, axes …) with weight (channels, outputs / groups, taps …), bias (outputs,).

    What the window's padding says is cut from both ends of the answers; less than nothing adds answers that the bias alone makes.
    """
    channels, outputs = weight.shape[0], weight.shape[1] * groups
    if flow.shape[1] != channels or groups < 1 or channels % groups or flow.ids.ndim != weight.ndim:
        tracer.refuse(f"convolves an array of shape {flow.shape} with weights of shape {weight.shape} in {groups} groups")
    axis = time_axis(tracer, flow.ids)
    if axis is not None and axis >= 2 and window.strides[axis - 2] != 1:
        tracer.refuse(f"answers each step {window.strides[axis - 2]} times, which is not imported; let it answer once a step")
    grouped = weight.reshape(groups, channels // groups, *weight.shape[1:]).swapaxes(1, 2)
    turned = grouped.reshape(outputs, channels // groups, *weight.shape[2:])
    answers = tuple((n - 1) * s + d * (k - 1) + 1 - b - a for n, k, s, d, b, a in zip(flow.shape[2:], *window, strict=True))
    if min(answers) < 1 or flow.shape[0] * outputs * prod(answers) > _MOST:
        tracer.refuse(f"makes {(outputs, *answers)} of an array of shape {flow.shape}, which is nothing or more than {_MOST} numbers")
    ids = np.zeros((flow.shape[0], outputs, *answers), flow.ids.dtype)
    each = zip(flow.shape[2:], answers, *window[:4], strict=True)
    axes = [_phases(tracer, rows, count, *how) for rows, count, *how in each]
    for phases in product(*axes):
        places = [slice(phase.first, None, s) for phase, s in zip(phases, window.strides, strict=True)]
        ids[(slice(None), slice(None), *places)] = _phase(tracer, flow, turned, bias, phases, groups).ids
    return Flow(ids)


def _phases(tracer: Tracer, rows: int, answers: int, taps: int, stride: int, dilation: int, cut: int) -> list[_Phase]:
    """Those of an axis with so many rows and answers."""
    if stride > 1 and dilation > 1:
        tracer.refuse("has strides and dilation along one axis, which is not imported")
    found = []
    for first in range(min(stride, answers)):
        begins, read = (first + cut) // stride, list(range((first + cut) % stride, taps, stride))
        span = dilation * max(len(read) - 1, 0)
        before = span - begins
        count = -(-(answers - first) // stride)
        found.append(_Phase(first, read[::-1], dilation, before, count + span - rows - before))
    return found


def _phase(tracer: Tracer, flow: Flow, weight: Floats, bias: Floats | None, phases: tuple[_Phase, ...], groups: int) -> Flow:
    """The convolution of one phase of each axis; weight: (outputs, channels / groups, taps …)."""
    ids = flow.ids
    for axis, phase in enumerate(phases, start=2):
        weight = weight.take(phase.taps, axis) if phase.taps else np.zeros_like(weight.take([0], axis))
        kept = slice(max(0, -phase.before), ids.shape[axis] - max(0, -phase.after))
        ids = ids[(slice(None),) * axis + (kept,)]
    ones = (1,) * len(phases)
    around = (tuple(max(0, p.before) for p in phases), tuple(max(0, p.after) for p in phases))
    window = Window(weight.shape[2:], ones, tuple(p.apart for p in phases), *around)
    return convolve(tracer, Flow(ids), weight, bias, window, groups)
