"""Steps of a recurrent layer written out: cells that other nodes lead from step to step, and decoders that begin as an encoder ends."""

from typing import NamedTuple

import numpy as np

from ...layers.activations import spelled
from ..graph.tracing import Flow, Tracer, Value
from ..graph.wires import Ids
from .calls import Array

#: Most steps that are written out.
MOST_STEPS = 64


class Plain(NamedTuple):
    """A cell without options. gates: their letters in the order of the rows: ``i f g o`` of an LSTM, ``r z n`` of a GRU, ``n`` of an RNN.

    w: (gates * hidden, inputs); r: (gates * hidden, hidden); bias: (2, gates * hidden), of both; clip: the most that an LSTM's c may be.
    """

    gates: str
    w: Array
    r: Array
    bias: Array
    clip: float | None = None


def written_out(tracer: Tracer, cell: Plain, x: Ids | Array, states: list[Value]) -> list[Ids]:
    """What a layer gives that reads x (steps, sequences, inputs), identities or numbers, and begins with `states` (sequences, hidden).

    That is h, (steps, sequences, hidden), and what its states end as, h and of an LSTM c, (sequences, hidden). Of x and h one at least
    holds identities.
    """
    if len(x) > MOST_STEPS:
        tracer.refuse(f"begins as the graph computes, and runs over {len(x)} steps; at most {MOST_STEPS} are written out")
    step = _rnn if cell.gates == "n" else _lstm if "g" in cell.gates else _gru
    rows = list[Ids]()
    for row in x:
        states = step(tracer, cell, Flow(row) if x.dtype == np.int64 else row, states)
        assert isinstance(states[0], Flow)
        rows.append(states[0].ids)
    return [np.stack(rows), *(state.ids for state in states if isinstance(state, Flow))]


def _sums(tracer: Tracer, cell: Plain, x: Value, h: Value) -> tuple[dict[str, Flow], dict[str, Flow]]:
    """By gate, what it reads from x and from h, with the biases of both."""
    read = tracer.affine(x, cell.w.T.astype(np.float64), cell.bias[0]) if isinstance(x, Flow) else None
    own = tracer.affine(h, cell.r.T.astype(np.float64), cell.bias[1]) if isinstance(h, Flow) else None
    if own is None and read is not None:
        own = tracer.scale(read, 0, h @ cell.r.T + cell.bias[1])
    elif read is None and own is not None:
        read = tracer.scale(own, 0, x @ cell.w.T + cell.bias[0])
    assert read is not None
    assert own is not None
    a, b = (np.split(flow.ids, len(cell.gates), axis=-1) for flow in (read, own))
    return {g: Flow(ids) for g, ids in zip(cell.gates, a, strict=True)}, {g: Flow(ids) for g, ids in zip(cell.gates, b, strict=True)}


def _rnn(tracer: Tracer, cell: Plain, x: Value, before: list[Value]) -> list[Value]:
    a, b = _sums(tracer, cell, x, before[0])
    return [tracer.apply("tanh", tracer.combine("add", a["n"], b["n"]))]


def _gru(tracer: Tracer, cell: Plain, x: Value, before: list[Value]) -> list[Value]:
    a, b = _sums(tracer, cell, x, before[0])
    z, r = (tracer.apply("sigmoid", tracer.combine("add", a[gate], b[gate])) for gate in "zr")
    n = tracer.apply("tanh", tracer.combine("add", a["n"], tracer.combine("mul", r, b["n"])))
    return [tracer.combine("add", tracer.combine("mul", tracer.scale(z, -1, 1), n), _times(tracer, z, before[0]))]


def _lstm(tracer: Tracer, cell: Plain, x: Value, before: list[Value]) -> list[Value]:
    a, b = _sums(tracer, cell, x, before[0])
    i, f, o = (tracer.apply("sigmoid", tracer.combine("add", a[gate], b[gate])) for gate in "ifo")
    g = tracer.apply("tanh", tracer.combine("add", a["g"], b["g"]))
    c = tracer.combine("add", _times(tracer, f, before[1]), tracer.combine("mul", i, g))
    c = c if cell.clip is None else tracer.apply(spelled("clip", -cell.clip, cell.clip), c)
    return [tracer.combine("mul", o, tracer.apply("tanh", c)), c]


def _times(tracer: Tracer, gate: Flow, state: Value) -> Flow:
    return tracer.combine("mul", gate, state) if isinstance(state, Flow) else tracer.scale(gate, state, 0)
