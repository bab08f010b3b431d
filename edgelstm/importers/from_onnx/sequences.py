"""Sequences of arrays: what is split into one is taken from it, or joined again.

Definitions: https://onnx.ai/onnx/operators/onnx__SplitToSequence.html and those beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..graph.tracing import Flow, Value
from ..graph.wires import Ids
from .calls import Call

#: Most arrays of a sequence.
_MOST = 4096

_NOWHERE: Ids = np.full((), -1, np.int64)


@dataclass(frozen=True, eq=False)
class Parts(Flow):
    """A sequence of arrays, which has no identities of its own."""

    ids: Ids = field(default_factory=lambda: _NOWHERE)
    parts: tuple[Value, ...] = ()


@dataclass(frozen=True, eq=False)
class Growing(Parts):
    """A sequence to whose end each iteration of a loop adds an array; `parts`: those that the present one has added."""


def _given(call: Call) -> tuple[Value, ...]:
    found = call.value(0)
    if not isinstance(found, Parts):
        call.refuse("reads a sequence of arrays, and is given an array")
    if isinstance(found, Growing):
        call.refuse("reads a sequence to which a loop adds arrays, which is imported behind the loop alone")
    return found.parts


def _split(call: Call) -> list[Value]:
    """Equal parts, the last one shorter, or parts of given lengths; along an axis that goes where these are single numbers."""
    x = call.value(0)
    axis, keep = call.axis(call.attribute("axis", 0), len(x.shape)), bool(call.attribute("keepdims", 1))
    said = call.constant(1) if call.has(1) else None
    sizes = [1] * x.shape[axis] if said is None else said.ravel().tolist()
    if said is not None and said.ndim == 0:
        each = max(1, int(said))
        sizes = [min(each, x.shape[axis] - start) for start in range(0, x.shape[axis], each)]
    if sum(sizes) != x.shape[axis] or min(sizes, default=0) < 0 or len(sizes) > _MOST:
        call.refuse(f"splits {x.shape[axis]} into {len(sizes)} parts of other sizes")
    cut = np.split(x.ids if isinstance(x, Flow) else x, np.cumsum(sizes)[:-1], axis)
    cut = [np.squeeze(part, axis) for part in cut] if said is None and not keep else cut
    return [Parts(parts=tuple(Flow(part, x.integer) if isinstance(x, Flow) else part for part in cut))]


def _construct(call: Call) -> list[Value]:
    return [Parts(parts=tuple(call.value(index) for index in range(len(call.values))))]


def _empty(call: Call) -> list[Value]:
    call.attribute("dtype")
    return [Parts()]


def _place(call: Call, index: int, count: int) -> int:
    place = int(call.constant(index).item())
    if not -count <= place < count:
        call.refuse(f"takes array {place} of a sequence of {count}")
    return place % count


def _insert(call: Call) -> list[Value]:
    if isinstance(growing := call.value(0), Growing) and not call.has(2):
        return [Growing(parts=(*growing.parts, call.value(1)))]
    parts = list(_given(call))
    if len(parts) >= _MOST:
        call.refuse(f"makes a sequence of more than {_MOST} arrays")
    parts.insert(_place(call, 2, len(parts) + 1) if call.has(2) else len(parts), call.value(1))
    return [Parts(parts=tuple(parts))]


def _erase(call: Call) -> list[Value]:
    parts = list(_given(call))
    del parts[_place(call, 1, len(parts)) if call.has(1) else -1]
    return [Parts(parts=tuple(parts))]


def _at(call: Call) -> list[Value]:
    parts = _given(call)
    return [parts[_place(call, 1, len(parts))]]


def _length(call: Call) -> list[Value]:
    return [np.array(len(_given(call)), np.int64)]


def _joined(call: Call) -> list[Value]:
    parts, axis = _given(call), call.attribute("axis")
    if call.attribute("new_axis", 0):
        parts = tuple(Flow(np.expand_dims(p.ids, axis), p.integer) if isinstance(p, Flow) else np.expand_dims(p, axis) for p in parts)
    flows = [part for part in parts if isinstance(part, Flow)]
    if not flows:
        return [np.concatenate([np.asarray(part) for part in parts], axis)]
    return [Flow(np.concatenate([call.tracer.ids(part) for part in parts], axis), all(flow.integer for flow in flows))]


#: By operator.
SEQUENCES: dict[str, Callable[[Call], Sequence[Value]]] = {
    "SplitToSequence": _split,
    "SequenceConstruct": _construct,
    "SequenceEmpty": _empty,
    "SequenceInsert": _insert,
    "SequenceErase": _erase,
    "SequenceAt": _at,
    "SequenceLength": _length,
    "ConcatFromSequence": _joined,
}
