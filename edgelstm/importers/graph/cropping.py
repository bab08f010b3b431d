"""Rows at the beginning of a recording that a graph leaves out: what is left are the full windows over the rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...layers.convolution import Conv1D
from ...layers.joining import Slice
from ...layers.record import Layer
from ...layers.window import Window
from .expressions import Made
from .wires import Ids, distinct

if TYPE_CHECKING:
    from .tracing import Tracer

#: Most rows that are left out.
MOST_CROPPED = 256


def cropped(tracer: "Tracer", refs: Ids, steps: int, first: int) -> Ids:
    """Identities, at the last step, of numbers `refs` (numbers,) whose recording of `steps` steps begins at step `first` instead."""
    if not first:
        return refs
    if first > MOST_CROPPED or 2 * first > steps:
        tracer.refuse(f"takes the last {steps - first} of {steps} steps, which are imported where they are most of them")
    wire = tracer.space.allocate(Made(tracer.place, Window(first + 1, padding="valid"), [refs]), steps - first, (first + 1) * refs.size)
    last: Ids = tracer.space.last(wire)[-refs.size :]
    return last


def until_end(tracer: "Tracer", ids: Ids) -> Ids:
    """Identities whose last step is that of the recording: of rows without its last ones the same, as many steps late."""
    space, at = tracer.space, tracer.space.places(ids)
    lengths = set(space.steps(at.wire[at.step >= 0]).tolist())
    if len(lengths) != 1 or (at.step < 0).any():
        return ids
    steps, rows = lengths.pop(), distinct(at.step).size
    late = steps - 1 - int(at.step.max())
    if not late or late > MOST_CROPPED or 2 * rows <= steps or any(space.wires[index].reverse for index in distinct(at.wire)):
        return ids
    found = np.empty_like(ids)
    for index in distinct(at.wire).tolist():
        before, mine = space.wires[index], at.wire == index
        made = Made(tracer.place, Window(late + 1, padding="valid"), [space.last(before)])
        wire = space.allocate(made, steps - late, (late + 1) * before.width)
        found[mine] = wire.start + (at.step[mine] * space.batch + at.sequence[mine]) * wire.width + at.number[mine]
    return found


def without_windows(layers: Sequence[Layer]) -> list[Layer]:
    """The layers with a convolution that answers full windows alone, where a causal one had its first answers left out."""
    found = list(layers)
    readers: dict[str, list[Layer]] = {}
    for one in layers:
        for name in one.inputs:
            readers.setdefault(name, []).append(one)
    for window in layers:
        before = next((one for one in found if one.name in window.inputs), None)
        if not isinstance(window, Window) or not isinstance(before, Conv1D) or len(window.inputs) > 1 or len(readers[before.name]) > 1:
            continue
        behind, width = readers.get(window.name, []), len(before.weight)
        exact = (before.padding, before.stride, window.padding, window.stride) == ("causal", 1, "valid", 1)
        if not exact or before.history != window.history or len(behind) != 1 or not isinstance(behind[0], Slice):
            continue
        if (behind[0].start, behind[0].stop) == (width * (window.steps - 1), width * window.steps):
            gone, slice_ = {before.name, window.name}, behind[0].name
            found = [replace(before, padding="valid") if one.name == slice_ else one for one in found if one.name not in gone]
            found = [replace(one, inputs=tuple(before.name if name == slice_ else name for name in one.inputs)) for one in found]
    return found
