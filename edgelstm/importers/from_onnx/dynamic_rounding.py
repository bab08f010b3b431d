"""Numbers rounded over their own range, as DynamicQuantizeLinear and what computes like it round them: a recording's range or a step's."""

import numpy as np

from ...layers.fake_quantize import DynamicFakeQuantize
from ..graph.expressions import Made, Pairs, Scores
from ..graph.grouping import Group
from ..graph.tracing import Flow
from ..graph.wires import Ids
from .calls import Call

_WHOLE = "The file rounds activations over the range of a whole recording, and so does the model: it answers whole recordings alone."


def rounded(call: Call, x: Flow) -> Flow:
    """x rounded."""
    flows, group, over = _ranged(call, x)
    found = x.ids.copy()
    found[flows] = call.tracer.output(group, Made(call.tracer.place, DynamicFakeQuantize(over), [group.refs[0][:, 0]]))[:, 0]
    return Flow(found)


def levelled(call: Call, x: Flow) -> tuple[Ids, Ids] | None:
    """Levels of x (steps, sequences, numbers), less the zero point, and their scale (steps, sequences, 1); None where a row is constant."""
    flows, group, over = _ranged(call, x)
    if not flows.any(axis=-1).all():
        return None
    tracer, reads, levels = call.tracer, group.refs[0][:, 0], x.ids.copy()
    wire = tracer.wire(Made(tracer.place, DynamicFakeQuantize(over, levels=True), [reads]), group.steps, reads.size + 1)
    each = np.empty(group.where.size, np.int64)
    each[group.where] = wire.start + group.rows[:, :, None] * wire.width + group.alike
    levels[flows] = each
    first = np.take_along_axis(levels, flows.argmax(axis=-1)[..., None], axis=-1)
    return levels, first - tracer.space.places(first).number + reads.size


def _ranged(call: Call, x: Flow) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.bool_]], Group, str]:
    """Which of x are not constant; these, grouped; and over what their range is taken."""
    tracer = call.tracer
    values = tracer.values(x.ids)
    if values[np.isfinite(values)].any():
        call.refuse("rounds constants by a scale that depends on the recording, which is imported of zeros alone")
    if (wire := tracer.space.wire_of(x.ids)) is not None and isinstance(wire.source, Pairs | Scores):
        call.refuse(
            "rounds what all steps of a recording make of all steps by one scale, which is not imported; "
            "convert the file of float32 weights that this one was made of"
        )
    flows = ~np.isfinite(values)
    group = tracer.grouped([x.ids[flows].reshape(-1, 1)])
    steps, sequences = group.where.shape[:2]
    if sequences > 1:
        call.refuse("rounds all sequences of a batch by one scale; export the model for one")
    if steps not in (1, group.steps):
        call.refuse("rounds some steps of the recording by a scale of their own, which is not imported")
    over = "recording" if steps > 1 else "step"
    if over == "recording" and _WHOLE not in call.runner.notes:
        call.runner.notes.append(_WHOLE)
    return flows, group, over
