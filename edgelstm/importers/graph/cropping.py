"""Rows at the beginning of a recording that a graph leaves out: what is left are the full windows over the rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...layers.convolution import Conv1D
from ...layers.joining import Slice
from ...layers.record import Layer
from ...layers.window import Window
from .expressions import Made
from .wires import Ids

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
