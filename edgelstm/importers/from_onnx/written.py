"""Steps of a recurrent node written out: cells that other nodes lead from step to step, and decoders that begin as an encoder ends."""

from typing import TYPE_CHECKING

import numpy as np

from ..graph.tracing import Flow, Value
from ..graph.wires import Ids
from .calls import Array, Call

if TYPE_CHECKING:
    from .recurrent import Node

#: Most steps that are written out.
MOST_STEPS = 64


def written_out(call: Call, node: "Node", x: Ids) -> list[Ids]:
    """What a node gives that reads x (steps, sequences, inputs): (steps, 1, sequences, hidden), and what its states end as."""
    if len(node.directions) > 1 or node.directions[0] or node.options[0]:
        call.refuse("begins as the graph computes and runs in both directions, or has options; plain cells are imported so")
    if len(x) > MOST_STEPS:
        call.refuse(f"begins as the graph computes, and runs over {len(x)} steps; at most {MOST_STEPS} are written out")
    states = [_state(value, x.shape[1], node.hidden) for value in (*node.initial, None)[:2]]
    rows = list[Ids]()
    for row in x:
        states = _step(call, node, Flow(row), states)
        assert isinstance(states[0], Flow)
        rows.append(states[0].ids)
    return [np.stack(rows)[:, None], *(state.ids[None] for state in states if isinstance(state, Flow))]


def _step(call: Call, node: "Node", x: Flow, before: list[Value]) -> list[Value]:
    """The states behind one step that reads x (sequences, inputs): h, and of an LSTM c."""
    tracer, hidden = call.tracer, node.hidden
    bias = np.zeros((2, node.count * hidden)) if node.b is None else node.b[0].reshape(2, -1)
    read = tracer.affine(x, node.w[0].T.astype(np.float64), bias[0])
    own = _product(call, before[0], node.r[0].T.astype(np.float64), bias[1], read)
    a, b = ([Flow(part) for part in np.split(flow.ids, node.count, axis=-1)] for flow in (read, own))
    if node.op == "RNN":
        return [tracer.apply("tanh", tracer.combine("add", a[0], b[0]))]
    if node.op == "GRU":  # z r h
        z, r = (tracer.apply("sigmoid", tracer.combine("add", a[k], b[k])) for k in range(2))
        n = tracer.apply("tanh", tracer.combine("add", a[2], tracer.combine("mul", r, b[2])))
        kept = _times(call, z, before[0])
        return [tracer.combine("add", tracer.combine("mul", tracer.scale(z, -1, 1), n), kept)]
    i, o, f = (tracer.apply("sigmoid", tracer.combine("add", a[k], b[k])) for k in range(3))  # i o f c
    g = tracer.apply("tanh", tracer.combine("add", a[3], b[3]))
    c = tracer.combine("add", _times(call, f, before[1]), tracer.combine("mul", i, g))
    return [tracer.combine("mul", o, tracer.apply("tanh", c)), c]


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
