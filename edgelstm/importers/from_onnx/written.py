"""One step of a recurrent node in a longer recording, written out: a cell that other nodes lead from step to step."""

from typing import TYPE_CHECKING

import numpy as np

from ..graph.tracing import Flow, Value
from .calls import Array, Call

if TYPE_CHECKING:
    from .recurrent import Node


def written_out(call: Call, node: "Node", x: Flow) -> list[Flow]:
    """The outputs of a node that reads x (1, sequences, inputs), with its states as what flows or constants."""
    if len(node.directions) > 1 or node.directions[0] or node.options[0]:
        call.refuse("is one step of a cell with options, from a state that is computed; plain cells are imported so")
    tracer, hidden = call.tracer, node.hidden
    given: list[Value] = [_state(value, x.shape[1], hidden) for value in (*node.initial, None)[:2]]
    bias = np.zeros((2, node.count * hidden)) if node.b is None else node.b[0].reshape(2, -1)
    read = tracer.affine(Flow(x.ids[0]), node.w[0].T.astype(np.float64), bias[0])
    own = _product(call, given[0], node.r[0].T.astype(np.float64), bias[1], read)
    a, b = ([Flow(part) for part in np.split(flow.ids, node.count, axis=-1)] for flow in (read, own))
    if node.op == "RNN":
        h = tracer.apply("tanh", tracer.combine("add", a[0], b[0]))
        ends = [h]
    elif node.op == "GRU":  # z r h
        z, r = (tracer.apply("sigmoid", tracer.combine("add", a[k], b[k])) for k in range(2))
        n = tracer.apply("tanh", tracer.combine("add", a[2], tracer.combine("mul", r, b[2])))
        kept = _times(call, z, given[0])
        h = tracer.combine("add", tracer.combine("mul", tracer.scale(z, -1, 1), n), kept)
        ends = [h]
    else:  # i o f c
        i, o, f = (tracer.apply("sigmoid", tracer.combine("add", a[k], b[k])) for k in range(3))
        g = tracer.apply("tanh", tracer.combine("add", a[3], b[3]))
        c = tracer.combine("add", _times(call, f, given[1]), tracer.combine("mul", i, g))
        h = tracer.combine("mul", o, tracer.apply("tanh", c))
        ends = [h, c]
    return [Flow(h.ids[None, None]), *(Flow(end.ids[None]) for end in ends)]


def _state(value: Value | None, sequences: int, hidden: int) -> Value:
    """(sequences, hidden) of (1, sequences, hidden)."""
    if isinstance(value, Flow):
        return Flow(value.ids[0])
    zeros: Array = np.zeros((sequences, hidden))
    return zeros if value is None else np.asarray(value[0], np.float64)


def _product(call: Call, h: Value, weight: Array, bias: Array, like: Flow) -> Flow:
    if isinstance(h, Flow):
        return call.tracer.affine(h, weight, bias)
    return call.tracer.scale(like, 0, h @ weight + bias)


def _times(call: Call, gate: Flow, state: Value) -> Flow:
    return call.tracer.combine("mul", gate, state) if isinstance(state, Flow) else call.tracer.scale(gate, state, 0)
