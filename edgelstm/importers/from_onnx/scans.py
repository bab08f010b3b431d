"""Scan over the steps of a recording: one pass over its body, at one step; over other axes its iterations one by one.

Definition: https://onnx.ai/onnx/operators/onnx__Scan.html.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..graph.convolving import time_axis
from ..graph.tracing import Flow, Value
from ..graph.wires import Wire
from .calls import Call
from .counting import row_of
from .file import Graph
from .loops import begin, close, computed, ended, every, origin, present, sequence, stacked
from .written import MOST_STEPS


def scan(call: Call) -> Sequence[Value]:
    """A Scan node: its inputs are what states begin as, then what is taken row by row."""
    if call.opset < 9:
        call.refuse("is Scan of operator set 8, which goes over a batch; convert the file to set 9 or later (onnx.version_converter)")
    body, count = call.attribute("body"), int(call.attribute("num_scan_inputs"))
    carried = len(call.values) - count
    if count < 1 or carried < 0 or len(body.inputs) != carried + count or len(body.outputs) < carried:
        call.refuse(
            f"scans {count} of its {len(call.values)} inputs, by a body of {len(body.inputs)} inputs and {len(body.outputs)} outputs"
        )
    scanned = [_rows(call, carried + index, *way) for index, way in enumerate(_ways(call, "scan_input", count))]
    lengths = {value.shape[0] for value in scanned}
    if len(lengths) != 1:
        call.refuse(f"scans arrays of {sorted(lengths)} rows together")
    flows = [sequence(call, value) for value in scanned]
    along = all(isinstance(value, Flow) and time_axis(call.tracer, value.ids) == 0 for value in flows)
    outputs = len(body.outputs) - carried
    ways = _ways(call, "scan_output", outputs)
    if not along or any(computed(call, call.value(index)) for index in range(carried)):
        states, rows = _one_by_one(call, body, scanned, carried)
    else:
        states, rows = _along(call, body, [value for value in flows if isinstance(value, Flow)], carried)
    return [*states, *(_laid(call, value, *way) for value, way in zip(rows, ways, strict=True))]


def _ways(call: Call, name: str, count: int) -> list[tuple[int, bool]]:
    """The axis of each scanned input or output, and whether it runs from the end."""
    axes, directions = (call.attribute(f"{name}_{part}") or [0] * count for part in ("axes", "directions"))
    if len(axes) != count or len(directions) != count:
        call.refuse(f"says {len(axes)} axes and {len(directions)} directions for {count} arrays")
    return [(int(axis), bool(way)) for axis, way in zip(axes, directions, strict=True)]


def _rows(call: Call, index: int, axis: int, back: bool) -> Value:
    """A scanned input with its iterations along the first axis, in order."""
    value = call.value(index)
    array = value.ids if isinstance(value, Flow) else value
    array = np.moveaxis(array, call.axis(axis, array.ndim), 0)
    array = array[::-1] if back else array
    return Flow(array, value.integer) if isinstance(value, Flow) else array


def _laid(call: Call, value: Value, axis: int, back: bool) -> Value:
    """What iterations gave, along the axis and in the order that the node says."""
    array = value.ids if isinstance(value, Flow) else value
    array = np.moveaxis(array[::-1] if back else array, 0, call.axis(axis, array.ndim))
    return Flow(array, value.integer) if isinstance(value, Flow) else array


def _along(call: Call, body: Graph, scanned: Sequence[Flow], carried: int) -> tuple[list[Value], list[Value]]:
    """States at the end, and rows of all iterations, where these are the steps of the recording."""
    taken = [row_of(call, value, 0) for value in scanned]
    ways, steps = {backward for _, backward in taken}, len(scanned[0].ids)
    if len(ways) != 1:
        call.refuse("reads the recording from both ends at once, which is not imported")
    backward = ways.pop()
    names = [tensor.name for tensor in body.inputs]
    given: dict[str, Value] = {name: row for name, (row, _) in zip(names[carried:], taken, strict=True)}
    wires: dict[int, Wire] = {}
    for index, name in enumerate(names[:carried]):
        value = call.value(index)
        given[name] = value
        if origin(body, body.outputs[index].name) != name:
            wires[index] = begin(call, value, name, steps)
            given[name] = Flow(present(call, wires[index]).reshape(value.shape))
    found = call.runner.inside(body, given)
    for index, wire in wires.items():
        close(call, wire, found[index], backward)
    states = _ends(call, found[:carried], wires, steps - 1 if backward else 0)
    return states, [every(call, value, steps, backward) for value in found[carried:]]


def _ends(call: Call, found: Sequence[Value], wires: Mapping[int, Wire], back: int) -> list[Value]:
    """What states are behind the last iteration, which the stream's own go on from."""
    ends = [ended(call, value, back) if index in wires else call.value(index) for index, value in enumerate(found)]
    for index in wires:
        value, end = call.value(index), ends[index]
        if isinstance(value, Flow) and isinstance(end, Flow):
            call.tracer.ends.update(zip(value.ids.ravel().tolist(), end.ids.ravel().tolist(), strict=True))
    return ends


def _one_by_one(call: Call, body: Graph, scanned: Sequence[Value], carried: int) -> tuple[list[Value], list[Value]]:
    """The same, each iteration followed."""
    trips, states, rows = scanned[0].shape[0], [call.value(index) for index in range(carried)], list[Sequence[Value]]()
    if not 1 <= trips <= MOST_STEPS:
        call.refuse(f"scans {trips} rows that are not the steps of the recording; at most {MOST_STEPS} are imported")
    names = [tensor.name for tensor in body.inputs]
    for trip in range(trips):
        taken = [Flow(value.ids[trip], value.integer) if isinstance(value, Flow) else value[trip] for value in scanned]
        found = call.runner.inside(body, dict(zip(names, [*states, *taken], strict=True)))
        states = found[:carried]
        rows.append(found[carried:])
    return states, [stacked(call, one) for one in zip(*rows, strict=True)]
