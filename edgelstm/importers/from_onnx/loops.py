"""Loop over the steps of a recording, as tf2onnx writes a recurrent Keras layer: one pass over its body, at one step.

Definition: https://onnx.ai/onnx/operators/onnx__Loop.html.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...errors import UnsupportedModelError
from ..graph.convolving import time_axis
from ..graph.expressions import State
from ..graph.tracing import Flow, Value
from ..graph.wires import Ids, Wire
from .calls import Array, Call
from .counting import NOWHERE, Counter, check_trips
from .file import Graph
from .sequences import Growing, Parts
from .written import MOST_STEPS


def loop(call: Call) -> Sequence[Value]:
    """A Loop whose iterations are the steps of the recording."""
    body: Graph = call.attribute("body")
    if call.has(1) and not call.constant(1).all():
        call.refuse("runs no iteration")
    names = _names(body)
    carried = [call.value(i) for i, name in enumerate(names[2:], 2) if origin(body, body.outputs[i - 1].name) != name]
    if any(computed(call, value) for value in carried):
        return _spelled_out(call, body, names)
    given = call.values
    try:
        return _of_steps(call, body, names)
    except UnsupportedModelError as problem:
        if not all(isinstance(value, np.ndarray) and value.dtype.kind in "iub" for value in carried):
            raise
        call.values = given
        try:
            return _spelled_out(call, body, names)
        except UnsupportedModelError:
            raise problem from None


def _of_steps(call: Call, body: Graph, names: list[str]) -> list[Value]:
    """What a Loop gives whose iterations read the rows of the recording by their number."""
    changed = {}
    call.values = [sequence(call, value) for value in call.values]
    steps = _steps(call, body, names)
    counter = Counter(NOWHERE, trips=steps)
    given: dict[str, Value] = {names[0]: counter, names[1]: np.array(True)}
    for index, name in enumerate(names[2:], 2):
        value = call.value(index)
        if origin(body, body.outputs[index - 1].name) == name:
            given[name] = value
        elif isinstance(value, Parts) and not value.parts:
            given[name] = Growing()
        elif isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.size == 1:
            given[name] = replace(counter, offset=int(value.item()))
        else:
            changed[index] = begin(call, value, name, steps)
            given[name] = Flow(present(call, changed[index]).reshape(value.shape))
    found = call.runner.inside(body, given)
    directions = set(counter.directions)
    if len(directions) != 1:
        call.refuse("reads no row of the recording, or reads it from both ends, which is not imported")
    check_trips(call, found[0], steps)
    backward = directions.pop()
    for index, wire in changed.items():
        close(call, wire, found[index - 1], backward)
    states = [_end(call, index, given[names[index]], found[index - 1], steps, backward) for index in range(2, len(names))]
    return [*states, *(every(call, value, steps, backward) for value in found[1 + len(states) :])]


def _end(call: Call, index: int, before: Value, after: Value, steps: int, backward: bool) -> Value:
    """What a variable is behind a loop. before, after: what it is within it, before and behind an iteration."""
    value = call.value(index)
    if after is before:
        return value
    if isinstance(before, Counter):
        if not isinstance(after, Counter) or after.offset not in (before.offset, before.offset + 1):
            call.refuse(f"carries round the whole number {index - 2} of its variables, which is no count of iterations")
        return np.asarray(value) + steps * (after.offset - before.offset)
    if isinstance(before, Growing):
        if not isinstance(after, Growing) or len(after.parts) != 1:
            call.refuse("adds other than one array to a sequence in each iteration, which is not imported")
        rows = every(call, after.parts[0], steps, backward)
        return Parts(parts=tuple(Flow(row) for row in rows.ids)) if isinstance(rows, Flow) else rows
    if not isinstance(before, Flow) or not isinstance(after, Flow):
        return value
    end = ended(call, after, steps - 1 if backward else 0)
    _ends_as(call, value, end)
    return end


def _ends_as(call: Call, value: Value, end: Value) -> None:
    """Keep what a loop ends with that begins with a state of the stream."""
    if isinstance(value, Flow) and isinstance(end, Flow):
        call.tracer.ends.update(zip(value.ids.ravel().tolist(), end.ids.ravel().tolist(), strict=True))


def computed(call: Call, value: Value) -> bool:
    """Whether a loop's variable begins as numbers of the recording, as a decoder's does that goes on from an encoder."""
    return isinstance(value, Flow) and not isinstance(value, Counter | Parts) and call.tracer.begun(value.ids) is None


def _spelled_out(call: Call, body: Graph, names: list[str]) -> list[Value]:
    """What a Loop gives whose iterations are followed one by one."""
    values, rows = [call.value(index) for index in range(2, len(names))], list[Sequence[Value]]()
    trips = min(int(call.constant(0).item()), MOST_STEPS + 1) if call.has(0) else MOST_STEPS + 1
    for trip in range(trips):
        given = dict(zip(names, [np.array(trip), np.array(True), *values], strict=True))
        running, *found = call.runner.inside(body, given)
        values, scanned = found[: len(values)], found[len(values) :]
        rows.append(scanned)
        if isinstance(running, Flow):
            call.refuse("runs as long as numbers of the recording say, which is not imported")
        if not running.all():
            break
    if not 1 <= len(rows) <= MOST_STEPS:
        call.refuse(f"goes on from numbers of the recording for 0, or more than {MOST_STEPS}, iterations, which is not imported")
    return [*values, *(stacked(call, one) for one in zip(*rows, strict=True))]


def stacked(call: Call, rows: Sequence[Value]) -> Value:
    """Arrays one behind the other."""
    if not any(isinstance(row, Flow) for row in rows):
        return np.stack([np.asarray(row) for row in rows])
    return Flow(np.stack([call.tracer.ids(row) for row in rows]))


def sequence(call: Call, value: Value | None) -> Value | None:
    """A sequence whose every row is the last of the recording, as one that has a row at each step; all else as it is."""
    if not isinstance(value, Flow) or value.ids.ndim != 3 or len(value.ids) < 2 or (value.ids != value.ids[:1]).any():
        return value
    found = call.tracer.repeated(value.ids)
    return value if found is None else Flow(found)


def _names(body: Graph) -> list[str]:
    return [tensor.name for tensor in body.inputs]


def origin(body: Graph, name: str) -> str:
    """The name that an output is an Identity of."""
    made = {node.outputs[0]: node for node in body.nodes if node.op == "Identity" and node.outputs}
    for _ in range(len(made) + 1):
        if name in made:
            name = made[name].inputs[0]
    return name


def _steps(call: Call, body: Graph, names: list[str]) -> int:
    """How many rows the arrays have that the loop reads and leaves as they are."""
    for index, name in enumerate(names[2:], 2):
        value = call.value(index)
        if isinstance(value, Flow) and origin(body, body.outputs[index - 1].name) == name:
            axis = time_axis(call.tracer, value.ids)
            if axis is not None:
                return int(value.shape[axis])
    return call.tracer.steps


def begin(call: Call, value: Value, name: str, steps: int) -> Wire:
    """A state that goes round a loop of `steps` iterations; `name`: how errors call it."""
    if isinstance(value, Flow):
        begun = call.tracer.begun(value.ids)
        if begun is None:
            call.refuse(f"begins {name!r} with numbers of the recording, which is not imported")
        value = begun
    rows: Array = np.asarray(value, np.float64).reshape(len(value) if value.ndim > 1 and call.tracer.space.batch > 1 else 1, -1)
    if (rows != rows[:1]).any():
        call.refuse(f"begins {name!r} differently for each sequence of the batch")
    return call.tracer.state(rows[0], steps)


def present(call: Call, wire: Wire) -> Ids:
    """Identities (sequences, numbers) of a state at the present step."""
    ids: Ids = call.tracer.space.ids(wire)[-1]
    return ids


def close(call: Call, wire: Wire, value: Value, backward: bool) -> None:
    """Say what a state becomes."""
    if not isinstance(value, Flow) or not isinstance(wire.source, State) or value.ids.size != wire.width * call.tracer.space.batch:
        call.refuse("carries a value round that changes its shape, or does not depend on the recording")
    wire.source.following = value.ids.reshape(-1, wire.width)[0]
    wire.source.reverse = backward
    for index in np.unique(call.tracer.space.places(wire.source.following).wire):
        call.tracer.space.wires[index].reverse = backward


def _at(call: Call, ids: Ids, back: int) -> Ids:
    """Identities of the present step, moved back."""
    at = call.tracer.space.places(ids)
    widths = np.array([wire.width for wire in call.tracer.space.wires])[at.wire]
    return np.where(at.step >= 0, ids - back * widths * call.tracer.space.batch, ids)


def ended(call: Call, value: Value, back: int) -> Value:
    """What the last iteration gives, `back` steps before the recording's last one."""
    return Flow(_at(call, value.ids, back)) if isinstance(value, Flow) else value


def every(call: Call, value: Value, steps: int, backward: bool) -> Value:
    """What an iteration gives, for all iterations, one behind the other."""
    if not isinstance(value, Flow):
        call.refuse("gathers constants, one an iteration")
    rows = [_at(call, value.ids, i if backward else steps - 1 - i) for i in range(steps)]
    return Flow(np.stack(rows))


def unrolled(call: Call) -> Sequence[Value]:
    """A recurrence that the graph spells out (`unrolled.rolled`): its inputs are the steps in order, and what its states begin as."""
    body, count = call.attribute("body"), call.attribute("steps")
    states = [tensor.name for tensor in body.inputs[1:]]
    last, backward = _steps_of(call, [call.flow(step) for step in range(count)])
    wires = [begin(call, call.value(count + index), name, count) for index, name in enumerate(states)]
    given: dict[str, Value] = {body.inputs[0].name: last}
    for index, (name, wire) in enumerate(zip(states, wires, strict=True)):
        given[name] = Flow(present(call, wire).reshape(call.value(count + index).shape))
    found = call.runner.inside(body, given)
    for index, (wire, value) in enumerate(zip(wires, found, strict=False)):
        close(call, wire, value, backward)
        _ends_as(call, call.value(count + index), ended(call, value, count - 1 if backward else 0))
    answers: list[Value] = []
    for value in found[len(wires) :]:
        rows = every(call, value, count, backward)
        answers += [Flow(rows.ids[step]) if isinstance(rows, Flow) else rows for step in range(count)]
    return answers


def _steps_of(call: Call, steps: Sequence[Flow]) -> tuple[Flow, bool]:
    """The one of arrays that is the recording's last step, of which the others are the earlier ones, and whether they come from the end."""
    space = call.tracer.space
    backward = bool(space.places(steps[0].ids).step.max() > space.places(steps[-1].ids).step.max())
    rows = steps if backward else steps[::-1]
    wires = np.unique(space.places(rows[0].ids).wire)
    whole = all(space.wires[index].steps in (0, len(steps)) for index in wires)
    if not whole or any(not np.array_equal(row.ids, _at(call, rows[0].ids, back)) for back, row in enumerate(rows)):
        call.refuse("takes steps of a recording in another order than their own, or some alone, which is not imported")
    return rows[0], backward
