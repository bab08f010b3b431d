"""The number of a loop's iteration: which rows are read by it, how often a loop runs, and what holds at each iteration."""

from dataclasses import dataclass, field, replace

import numpy as np

from ..graph.convolving import time_axis
from ..graph.tracing import Flow, Value
from ..graph.wires import Ids
from .calls import Array, Call

#: No identity.
NOWHERE: Ids = np.full((), -1, np.int64)

_OTHER_ROWS = "reads other rows than the iteration's own in a loop, which is not imported"


@dataclass(frozen=True, eq=False)
class Counter(Flow):
    """The number of the iteration, plus `offset`; it has no identity. `directions`: how rows are read by it, found as they are.

    `trips`: how many iterations there are.
    """

    offset: int = 0
    directions: list[bool] = field(default_factory=list)
    trips: int = 1

    def element(self, call: Call, data: Flow, axis: int) -> Flow:
        """The row of `data` that an iteration reads, at the present step."""
        if self.offset:
            call.refuse(_OTHER_ROWS)
        row, backward = row_of(call, data, axis)
        self.directions.append(backward)
        return row


@dataclass(frozen=True, eq=False)
class Holds(Flow):
    """Whether something holds that hangs on the number of the iteration: each (trips,)."""

    each: Array = field(default_factory=lambda: np.zeros(0, np.bool_))


def row_of(call: Call, data: Flow, axis: int) -> tuple[Flow, bool]:
    """The row of `data` that an iteration of its own number reads, at the present step, and whether rows come from the recording's end."""
    if axis != time_axis(call.tracer, data.ids):
        call.refuse(_OTHER_ROWS)
    step = np.moveaxis(call.tracer.space.places(data.ids).step, axis, 0).reshape(data.shape[axis], -1)[:, 0]
    last = len(step) - 1
    backward = bool(step[0] == last)
    return Flow(np.take(data.ids, 0 if backward else last, axis), data.integer), backward


_COMPARED = {"Less": np.less, "LessOrEqual": np.less_equal, "Greater": np.greater, "GreaterOrEqual": np.greater_equal, "Equal": np.equal}
_JOINED = {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor}
_KEPT = ("Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape")
_BY_NUMBER = "computes with the number of a loop's iteration, which is not imported"


def counted(call: Call) -> list[Value] | None:
    """Results of an operator on a loop's counter: sums, comparisons, rows; None where there is no counter."""
    place = next((i for i, value in enumerate(call.values) if isinstance(value, Counter | Holds)), None)
    if place is None:
        return None
    counter, op = call.values[place], call.node.op
    if op in _KEPT and (isinstance(counter, Counter) or op == "Identity"):
        for name in call.unused:
            call.attribute(name)
        return [call.value(place)]
    if op in _COMPARED or op in _JOINED or op == "Not":
        return _decided(call, op)
    if isinstance(counter, Holds):
        _always(call)
        return None
    assert isinstance(counter, Counter)
    if op == "Add" and len(call.values) == 2 and not isinstance(other := call.value(1 - place), Flow):
        return [replace(counter, offset=counter.offset + int(other.item()))]
    if op != "Gather" or place != 1 or not isinstance(data := call.value(0), Flow):
        call.refuse(_BY_NUMBER)
    return [counter.element(call, data, call.axis(call.attribute("axis", 0), data.ids.ndim))]


def _decided(call: Call, op: str) -> list[Value] | None:
    """A comparison or what is made of some, at each iteration."""
    trips = next(v.trips if isinstance(v, Counter) else v.each.size for v in call.values if isinstance(v, Counter | Holds))
    each = list[Array]()
    for value in call.values:
        if isinstance(value, Counter):
            each.append(np.arange(trips) + value.offset)
        elif isinstance(value, Holds):
            each.append(value.each)
        elif isinstance(value, np.ndarray) and value.size == 1:
            each.append(np.full(trips, value.item()))
        else:
            _always(call)
            return None
    found = ~each[0] if op == "Not" else (_COMPARED | _JOINED)[op](*each)
    return [Holds(NOWHERE, each=found)]


def _always(call: Call) -> None:
    """Conditions that are the same at all iterations, as constants."""
    if any(isinstance(value, Counter) or (isinstance(value, Holds) and value.each.any() and not value.each.all()) for value in call.values):
        call.refuse(_BY_NUMBER)
    call.values = [np.array(value.each[0]) if isinstance(value, Holds) else value for value in call.values]


def check_trips(call: Call, running: Value, steps: int) -> None:
    """Refuse a loop that does not run once for each of the recording's steps. running: whether it says that it goes on."""
    most = int(call.constant(0).item()) if call.has(0) else None
    if isinstance(running, Holds):
        stops = np.flatnonzero(~running.each.astype(bool))
        trips: int | None = int(stops[0]) + 1 if stops.size else None
    elif isinstance(running, Flow):
        call.refuse("runs as long as numbers of the recording say, which is not imported")
    else:
        trips = None if running.all() else 1
    trips = min((n for n in (most, trips) if n is not None), default=steps)
    if trips != steps:
        call.refuse(f"runs {trips} times over {steps} steps; edgelstm imports loops over all steps of a recording")
