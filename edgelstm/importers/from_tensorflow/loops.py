"""Loops over the steps of a recording, and branches: one pass over a loop's body, at one step."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..from_onnx import loops as iterations
from ..from_onnx.calls import Array, Call
from ..from_onnx.file import Graph
from ..from_onnx.written import MOST_STEPS
from ..graph.tracing import Flow, Value
from ..graph.wires import Wire
from .values import Count, Handler, Rows, Special, plain

#: What a condition is made of; counts grow, so that it holds for the first iterations and for none behind them.
_CONDITIONS = {"Less", "LessEqual", "LogicalAnd", "Identity", "LoopCond", "Const", "Cast", "Enter"}

_CONDITION = "edgelstm imports loops that compare a count of iterations with their number, and no other condition"


def _loop(call: Call) -> Sequence[Value]:
    """While: its inputs are its variables, and behind them what its graphs only read."""
    condition, body = call.attribute("condition"), call.attribute("body")
    names = [tensor.name for tensor in body.inputs]
    ends = [tensor.name for tensor in body.outputs]
    values = [call.value(index) for index in range(len(names))]
    kept = [index >= len(ends) or iterations.origin(body, ends[index]) == name for index, name in enumerate(names)]
    counts = {index: int(v.item()) for index, v in enumerate(values) if not kept[index] and isinstance(v, np.ndarray) and _counts(v)}
    trips = _trips(call, condition, values, kept, counts)
    if trips == 1 and call.tracer.steps == 1 and not call.tracer.open:
        call.tracer.once = True
        return call.runner.inside(body, dict(zip(names, values, strict=True)))
    changed = [index for index in range(len(names)) if not kept[index] and not isinstance(values[index], Special)]
    if any(iterations.computed(call, values[index]) for index in changed):
        return _spelled_out(call, body, values, trips)
    directions: list[bool] = []
    given = dict(zip(names, values, strict=True))
    given |= {names[i]: Count(offset=begin, trips=trips, directions=directions) for i, begin in counts.items()}
    wires = {}
    for index, (name, value) in enumerate(zip(names, values, strict=True)):
        if not kept[index] and index not in counts and not isinstance(value, Special):
            wires[index] = iterations.begin(call, value, name, trips)
            given[name] = Flow(iterations.present(call, wires[index]).reshape(value.shape))
    found = call.runner.inside(body, given)
    for index, begin in counts.items():
        after = found[index]
        if not isinstance(after, Count) or after.offset != begin + 1:
            call.refuse(f"carries round the whole number {names[index]!r}, which is no count of iterations")
    return _ended(call, found, values, wires, counts, trips, _backward(call, directions))


def _spelled_out(call: Call, body: Graph, values: list[Value], trips: int) -> Sequence[Value]:
    """What the variables are behind a loop whose iterations are followed one by one."""
    if trips > MOST_STEPS:
        call.refuse(f"goes on from numbers of the recording for {trips} iterations; at most {MOST_STEPS} are imported")
    names = [tensor.name for tensor in body.inputs]
    for _ in range(trips):
        found = call.runner.inside(body, dict(zip(names, values, strict=True)))
        values = [*found, *values[len(found) :]]
    return values[: len(body.outputs)]


def _counts(value: Array) -> bool:
    return value.size == 1 and value.dtype.kind in "iu"


def _backward(call: Call, directions: list[bool]) -> bool:
    if len(set(directions)) != 1:
        call.refuse("is a loop that reads no row of the recording in each iteration, or reads it from both ends, which is not imported")
    return directions[0]


def _ended(
    call: Call, found: Sequence[Value], values: list[Value], wires: dict[int, Wire], counts: dict[int, int], trips: int, backward: bool
) -> list[Value]:
    """What the variables are behind the loop."""
    for index, wire in wires.items():
        iterations.close(call, wire, found[index], backward)
    back, ends = trips - 1 if backward else 0, list[Value]()
    for index, (before, after) in enumerate(zip(values, found, strict=False)):
        if index in counts:
            ends.append(np.array(counts[index] + trips))
        elif isinstance(after, Rows) and after.written is not None:
            if after.count != trips:
                call.refuse(f"puts {trips} rows into a list of {after.count}, which is not imported")
            ends.append(replace(after, filled=iterations.every(call, after.written, trips, backward), written=None))
        elif isinstance(after, Rows) and after.filled is not None and before is not after:
            ends.append(replace(after, filled=iterations.ended(call, after.filled, back)))
        elif index in wires:
            end = iterations.ended(call, after, back)
            if isinstance(before, Flow) and isinstance(end, Flow):
                call.tracer.ends.update(zip(before.ids.ravel().tolist(), end.ids.ravel().tolist(), strict=True))
            ends.append(end)
        else:
            ends.append(before)
    return ends


def _trips(call: Call, condition: Graph, values: list[Value], kept: list[bool], counts: dict[int, int]) -> int:
    """How often the condition holds."""
    if odd := next((node for node in condition.nodes if node.op not in _CONDITIONS), None):
        call.refuse(f"has a condition with {odd}; {_CONDITION}")
    names = [tensor.name for tensor in condition.inputs]
    read = {name for node in condition.nodes for name in node.inputs} | {tensor.name for tensor in condition.outputs}
    for index, name in enumerate(names):
        if name in read and not kept[index] and index not in counts:
            call.refuse(_CONDITION)

    def runs(trip: int) -> bool:
        given = dict(zip(names, values, strict=True)) | {names[i]: np.array(begin + trip) for i, begin in counts.items()}
        (holds,) = call.runner.inside(condition, given)
        if isinstance(holds, Flow):
            call.refuse("runs as long as the recording says, which is not imported")
        return bool(holds.all())

    return _first_failure(call, runs)


def _first_failure(call: Call, holds: Callable[[int], bool]) -> int:
    """The first number for which something does not hold that holds for all smaller ones."""
    most = 1
    while most < 1 << 20 and holds(most - 1):
        most *= 2
    low, high = most // 2, most - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if holds(middle) else (low, middle)
    if not 1 <= low < 1 << 19:
        call.refuse(f"runs {low} times, which is not imported")
    return low


def _if(call: Call) -> Sequence[Value]:
    """If, whose condition is constant: the graph that is taken."""
    branches = {name: call.attribute(name) for name in ("then_branch", "else_branch")}
    graph = branches["then_branch" if call.constant(0).all() else "else_branch"]
    return call.runner.inside(graph, {tensor.name: v for tensor, v in zip(graph.inputs, call.values[1:], strict=True) if v is not None})


def _called(call: Call) -> Sequence[Value]:
    """A function that is called in place."""
    graph = call.attribute("body")
    return call.runner.inside(graph, {tensor.name: v for tensor, v in zip(graph.inputs, call.values, strict=True) if v is not None})


#: By operator.
LOOPS: dict[str, Handler] = {
    "While": plain(_loop, Rows),
    "If": plain(_if, Rows),
    "Call": plain(_called, Count, Rows),
}
