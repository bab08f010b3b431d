"""Numbers rounded over their own range, as DynamicQuantizeLinear and what computes like it round them: a recording's range or a step's."""

import numpy as np

from ...layers.fake_quantize import DynamicFakeQuantize
from ..graph.expressions import Made, Pairs, Scores
from ..graph.rounding import rounds
from ..graph.tracing import Flow, Tracer
from ..graph.wires import Ids, Wire, distinct
from .calls import Call

_WHOLE = "The file rounds activations over the range of a whole recording, and so does the model: it answers whole recordings alone."


def rounded(call: Call, x: Flow) -> Flow:
    """x rounded."""
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
    record = DynamicFakeQuantize("recording" if steps > 1 else "step")
    if record.whole and _WHOLE not in call.runner.notes:
        call.runner.notes.append(_WHOLE)
    found = x.ids.copy()
    found[flows] = tracer.output(group, Made(tracer.place, record, [group.refs[0][:, 0]]))[:, 0]
    return Flow(found)


def levels_of(tracer: Tracer, ids: Ids) -> tuple[Ids, Ids] | None:
    """Levels of rounded numbers (…, numbers), less the zero point, and their scale (…, 1); None of others, and of rows of several steps."""
    flows = ~np.isfinite(values := tracer.values(ids))
    at = tracer.space.places(ids)
    if values[~flows].any() or not flows.any(axis=-1).all() or distinct(at.wire[flows]).size != 1:
        return None
    wire = tracer.space.wires[int(at.wire[flows][0])]
    source, steps = wire.source, np.where(flows, at.step, at.step.max(axis=-1, keepdims=True))
    if not isinstance(source, Made) or not isinstance(source.record, DynamicFakeQuantize) or not rounds(source):
        return None
    if (steps != steps[..., :1]).any() or (steps < 0).any():
        return None
    levels, scale = _levelled(tracer, wire, source)
    rows = (ids - wire.start - at.number) // wire.width
    first = np.take_along_axis(rows, flows.argmax(axis=-1)[..., None], axis=-1)
    return np.where(flows, levels.start + rows * levels.width + at.number, ids), scale.start + first * scale.width


def _levelled(tracer: Tracer, wire: Wire, source: Made) -> list[Wire]:
    """Wires of the levels of a wire's numbers and of their scale: the same for the same."""
    if wire.index not in tracer.levels:
        over = "recording" if source.record.whole else "step"
        tracer.levels[wire.index] = [
            tracer.space.allocate(Made(source.place, DynamicFakeQuantize(over, gives), source.reads), wire.steps, width, wire.reverse)
            for gives, width in (("levels", wire.width), ("scale", 1))
        ]
    return tracer.levels[wire.index]
