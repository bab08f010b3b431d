"""Places of the largest and smallest numbers, and running sums inside a frame.

The first place k at which ``x_k`` is the largest, m, is ``n - max((n - k) [x_k = m])``.

Definitions: https://onnx.ai/onnx/operators/onnx__ArgMax.html, onnx__ArgMin.html, onnx__CumSum.html.
"""

from collections.abc import Callable

import numpy as np

from ...layers.activations import spelled
from ..graph.convolving import time_axis
from ..graph.tracing import Flow, Value
from .calls import Call
from .choosing import STEEP
from .sliding import reduced

#: Most numbers of which the largest is found.
_MOST = 1 << 12


def _place(sign: int) -> Callable[[Call], list[Value]]:
    """ArgMax (sign 1) and ArgMin (-1)."""

    def find(call: Call) -> list[Value]:
        x, tracer = call.flow(0), call.tracer
        axis = call.axis(call.attribute("axis", 0), x.ids.ndim)
        keep, last = call.attribute("keepdims", 1), call.attribute("select_last_index", 0)
        count = x.shape[axis]
        if axis == time_axis(tracer, x.ids) or not 1 <= count <= _MOST:
            call.refuse("finds the place of the largest along the recording, or among too many, which is not imported")
        turned = tracer.scale(Flow(np.moveaxis(x.ids, axis, -1)), sign, 0)
        most = reduced(call, turned, [turned.ids.ndim - 1], True, "max")
        below = tracer.combine("add", turned, tracer.scale(most, -1, 0))
        equal = tracer.apply(spelled("clip", 0, 1), tracer.scale(below, STEEP, 1))
        ranks = np.arange(count) + 1.0 if last else count - np.arange(count, dtype=np.float64)
        rank = reduced(call, tracer.scale(equal, ranks, 0), [turned.ids.ndim - 1], True, "max")
        found = (tracer.scale(rank, 1, -1) if last else tracer.scale(rank, -1, count)).ids
        return [Flow(np.moveaxis(found, -1, axis) if keep else found[..., 0], True)]

    return find


def _cumulated(call: Call) -> list[Value]:
    x = call.flow(0)
    axis = call.axis(int(call.constant(1).item()), x.ids.ndim)
    exclusive, backward = call.attribute("exclusive", 0), bool(call.attribute("reverse", 0))
    turned = np.moveaxis(x.ids, axis, -1)
    if axis == time_axis(call.tracer, x.ids):
        call.refuse("is imported for constants only, and inside a frame; here it sums all earlier steps of the recording")
    count = turned.shape[-1]
    matrix = np.triu(np.ones((count, count)), 1 if exclusive else 0)  # (inputs, outputs)
    found = call.tracer.affine(Flow(turned), matrix.T if backward else matrix)
    return [Flow(np.moveaxis(found.ids, -1, axis))]


#: By operator.
RANKING: dict[str, Callable[[Call], list[Value]]] = {"ArgMax": _place(1), "ArgMin": _place(-1), "CumSum": _cumulated}
