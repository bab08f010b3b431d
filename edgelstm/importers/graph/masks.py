"""Masks that a graph makes by comparing samples with the value that padding has."""

import numpy as np

from ...layers.recording import Mask
from .expressions import Input, Made
from .tracing import Flow, Tracer
from .wires import Ids


def differs(tracer: Tracer, x: Flow, value: float) -> Flow | None:
    """1 where samples differ from a value, else 0; None where `x` are no samples."""
    wire = tracer.space.wire_of(x.ids)
    if wire is None or not isinstance(wire.source, Input):
        return None
    return Flow(tracer.rows(Flow(x.ids[..., None]), lambda: Mask(value), 1).ids[..., 0], True)


def any_differs(tracer: Tracer, ids: Ids) -> Flow | None:
    """1 where some of the comparisons along the last axis of `ids` is 1; None where these are no masks of one value."""
    space = tracer.space
    at = space.places(ids)
    sources = {int(index): space.wires[index].source for index in np.unique(at.wire)}
    records = [source.record for source in sources.values() if isinstance(source, Made)]
    values = {record.value for record in records if isinstance(record, Mask)}
    if len(records) < len(sources) or len(values) != 1 or not all(isinstance(record, Mask) for record in records):
        return None
    rows, value = np.empty_like(ids), values.pop()
    for index, source in sources.items():
        (read,) = source.operands()
        if read.size != 1:
            return None
        mine, width = at.wire == index, space.widths(space.places(read).wire)[0]
        back = space.wires[index].steps - 1 - at.step[mine]
        rows[mine] = read[0] - (back * space.batch - at.sequence[mine]) * width
    return Flow(tracer.rows(Flow(rows), lambda: Mask(value), 1).ids[..., 0], True)
