"""TensorArrays and TensorLists: what a loop reads row by row, and what it writes so.

A TensorArray is a handle and a ``flow`` that stands for what was done with it; here the flow is the list, and the handle says nothing.
"""

from dataclasses import replace

import numpy as np

from ..from_onnx.calls import Call
from ..from_onnx.counting import row_of
from ..from_onnx.loops import stacked
from ..graph.tracing import Flow, Value
from .values import Count, Handler, Rows, onnx, plain

#: Attributes that say what rows are like.
_SAID = (
    *("element_shape", "element_shape_except0", "dynamic_size", "clear_after_read", "identical_element_shapes", "tensor_array_name"),
    *("num_elements", "resize_if_index_out_of_bounds"),
)


def row(call: Call, count: Count, data: Value, axis: int = 0) -> Value:
    """The row of `data` that an iteration reads, at the present step."""
    if data.shape[axis] != count.trips or count.offset:
        call.refuse(f"reads {data.shape[axis]} rows in {count.trips} iterations, or not each in its own")
    if isinstance(data, Flow):
        repeated = call.tracer.repeated(data.ids) if axis == 0 and data.ids.ndim == 3 else None
        data = data if repeated is None else Flow(repeated)
        found, backward = row_of(call, data, axis)
        count.directions.append(backward)
        return found
    if (data != data.take([0], axis)).any():
        call.refuse("reads another constant in every iteration, which is not imported")
    return np.asarray(data.take(0, axis))


def _rows(call: Call, index: int) -> Rows:
    for name in _SAID:
        call.attribute(name)
    found = call.value(index)
    if not isinstance(found, Rows):
        call.refuse("reads a list of rows, and is given an array")
    return found


def _array(call: Call) -> list[Value]:
    """TensorArrayV3: (handle, flow)."""
    for name in _SAID:
        call.attribute(name)
    size = int(call.constant(0).item())
    return [np.zeros((), np.int64), Rows(count=size)]


def _reserve(call: Call) -> list[Value]:
    for name in _SAID:
        call.attribute(name)
    return [Rows(count=int(call.constant(1).item()))]


def _from_tensor(call: Call) -> list[Value]:
    for name in _SAID:
        call.attribute(name)
    return [Rows(count=call.value(0).shape[0], filled=call.value(0))]


def _scatter(call: Call) -> list[Value]:
    """TensorArrayScatterV3: handle, indices, value, flow."""
    before, indices = _rows(call, 3), call.constant(1)
    if not np.array_equal(indices, np.arange(call.value(2).shape[0])):
        call.refuse("puts rows into a list in another order than their own, which is not imported")
    return [Rows(count=max(before.count, indices.size), filled=call.value(2))]


def _read_at(index: int, rows: int) -> Handler:
    def read(call: Call) -> list[Value]:
        given, at = _rows(call, rows), call.value(index)
        if given.single and not isinstance(at, Count):
            return [given.single[int(at.item())]] if isinstance(at, np.ndarray) else call.refuse("reads a row whose number flows")
        if given.filled is None:
            call.refuse("reads from a list that nothing was put into before, which is not imported")
        if isinstance(at, Count):
            return [row(call, at, given.filled)]
        return onnx(call, "Gather", given.filled, call.constant(index), axis=0)

    return plain(read, Count, Rows)


def _write_at(index: int, rows: int, item: int) -> Handler:
    def write(call: Call) -> list[Value]:
        given, at = _rows(call, rows), call.value(index)
        if given.filled is not None or given.written is not None:
            call.refuse("puts rows into a list that holds some already, which is not imported")
        if isinstance(at, Count):
            if at.offset:
                call.refuse("puts rows into a list at other places than the iteration's own, which is not imported")
            return [Rows(count=given.count, written=call.value(item))]
        place, single = int(call.constant(index).item()), (*given.single, call.value(item))
        if place != len(given.single) or place >= max(given.count, 1):
            call.refuse("puts single rows into a list in another order than their own, or too many, which is not imported")
        if len(single) < given.count:
            return [replace(given, single=single)]
        return [Rows(count=given.count, filled=stacked(call, single))]

    return plain(write, Count, Rows)


def _every_at(rows: int, indices: int | None) -> Handler:
    def every(call: Call) -> list[Value]:
        given = _rows(call, rows)
        if given.filled is None:
            call.refuse("takes rows from a list that nothing was put into, which is not imported")
        if indices is not None and not np.array_equal(call.constant(indices), np.arange(given.filled.shape[0])):
            return onnx(call, "Gather", given.filled, call.constant(indices), axis=0)
        return [given.filled]

    return plain(every, Rows)


def _size_at(rows: int) -> Handler:
    return plain(lambda call: [np.array(_rows(call, rows).count, np.int64)], Rows)


def _concatenated(call: Call) -> list[Value]:
    call.refuse("joins rows of several lengths, which is not imported")


#: By operator.
LISTS: dict[str, Handler] = {
    "TensorArrayV3": plain(_array),
    "TensorArrayScatterV3": plain(_scatter, Rows),
    "TensorArrayReadV3": _read_at(1, 2),
    "TensorArrayWriteV3": _write_at(1, 3, 2),
    "TensorArrayGatherV3": _every_at(2, 1),
    "TensorArraySizeV3": _size_at(1),
    "TensorListReserve": plain(_reserve),
    "TensorListFromTensor": plain(_from_tensor),
    "TensorListGetItem": _read_at(1, 0),
    "TensorListSetItem": _write_at(1, 0, 2),
    "TensorListStack": _every_at(0, None),
    "TensorListLength": _size_at(0),
    "TensorListConcatV2": plain(_concatenated, Rows),
}
