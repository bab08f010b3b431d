"""ATen's recurrent operators as ONNX's LSTM, GRU and RNN nodes, one a stacked layer.

Weights come as one list: for each layer and direction weight_ih, weight_hh and, if has_biases, bias_ih and bias_hh; of an LSTM
with a projection weight_hr too (``torch/nn/modules/rnn.py``). Gates are i f g o and r z n here, i o f c and z r h there.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..from_onnx.writer import Ref, Writer
from .native import DOMAIN

#: Writes one call of an operator; its parameters are called as the operator's schema calls them.
Handler: TypeAlias = Callable[..., "Ref | list[Ref]"]

#: By ONNX's name: our rows of gates in its order.
_ROWS = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


def _handler(op: str, **attributes: Any) -> Handler:
    """The operator that is written as nodes of `op`: outputs y, h and, of an LSTM, c."""

    def write(w: Writer, *given: Any, **named: Any) -> list[Ref]:
        is_packed = "batch_sizes" in named or (len(given) > 3 and isinstance(given[3], list))
        return packed(w, *given, **named) if is_packed else padded(w, *given, **named)

    def packed(w: Writer, data: Ref, batch_sizes: Ref, *rest: Any, **named: Any) -> list[Ref]:
        return padded(w, data, *rest, **{**named, "batch_first": False})

    def padded(
        w: Writer,
        input: Ref,  # noqa: A002
        hx: Ref | Sequence[Ref],
        params: Sequence[Ref],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> list[Ref]:
        w.require(not train, "is in training mode; export model.eval()")
        states = [hx] if isinstance(hx, Ref) else list(hx)
        arrays, directions = (4 if has_biases else 2), 2 if bidirectional else 1
        projects = op == "LSTM" and len(params) == num_layers * directions * (arrays + 1)
        return _stack(w, _Shape(op, num_layers, directions, arrays, projects, batch_first, attributes), input, states, params)

    return write


def _cell(op: str, **attributes: Any) -> Handler:
    """One timestep of a cell, as a recording of one step: h and, of an LSTM, c."""

    def write(
        w: Writer,
        input: Ref,  # noqa: A002
        hx: Ref | Sequence[Ref],
        w_ih: Ref,
        w_hh: Ref,
        b_ih: Ref | None = None,
        b_hh: Ref | None = None,
    ) -> list[Ref]:
        w.require(input.rank == 2, "is a cell that reads an array of other than two axes")
        params = [w_ih, w_hh, *(bias for bias in (b_ih, b_hh) if bias is not None)]
        shape = _Shape(op, 1, 1, len(params), False, False, attributes)
        states = [w.one("Unsqueeze", state, w.ints([0]), rank=3) for state in ([hx] if isinstance(hx, Ref) else hx)]
        _, ends = _layer(w, shape, 0, w.one("Unsqueeze", input, w.ints([0]), rank=3), states, params)
        return [w.one("Squeeze", end, w.ints([0]), rank=2) for end in ends]

    return write


#: ``aten.lstm.input``, ``gru.input``, ``rnn_tanh.input`` and ``rnn_relu.input``, and their cells.
RECURRENT: dict[str, Handler] = {
    "lstm": _handler("LSTM"),
    "gru": _handler("GRU", linear_before_reset=1),
    "rnn_tanh": _handler("RNN", word="Tanh"),
    "rnn_relu": _handler("RNN", word="Relu"),
    "lstm_cell": _cell("LSTM"),
    "gru_cell": _cell("GRU", linear_before_reset=1),
    "rnn_tanh_cell": _cell("RNN", word="Tanh"),
    "rnn_relu_cell": _cell("RNN", word="Relu"),
}


class _Shape(NamedTuple):
    """ONNX's operator; layers, directions, arrays of each and whether a projection follows; whether the batch is first; attributes."""

    op: str
    layers: int
    directions: int
    arrays: int
    projects: bool
    batch_first: bool
    attributes: dict[str, Any]

    @property
    def each(self) -> int:
        """Arrays of one direction."""
        return self.arrays + self.projects

    def attributes_of(self, hidden: int) -> dict[str, Any]:
        rest = dict(self.attributes)
        words = {"activations": [rest.pop("word")] * self.directions} if "word" in rest else {}
        return {"direction": "bidirectional" if self.directions == 2 else "forward", "hidden_size": hidden, **words, **rest}


def _stack(w: Writer, shape: _Shape, x: Ref, states: list[Ref], params: Sequence[Ref]) -> list[Ref]:
    w.require(isinstance(x, Ref) and x.rank in (2, 3), "reads an array that has not two or three axes")
    expected = shape.layers * shape.directions * shape.each
    w.require(len(params) == expected, f"has {len(params)} arrays for {shape.layers} layers of {shape.directions} directions")
    alone = x.rank == 2
    x = w.one("Unsqueeze", x, w.ints([1]), rank=3) if alone else x
    states = [w.one("Unsqueeze", state, w.ints([1]), rank=3) if alone else state for state in states]
    turned = shape.batch_first and not alone
    w.batch_first |= turned
    y = w.one("Transpose", x, perm=[1, 0, 2]) if turned else x
    ends: list[list[Ref]] = [[] for _ in states]
    for layer in range(shape.layers):
        y, outputs = _layer(w, shape, layer, y, states, params)
        for kept, end in zip(ends, outputs, strict=True):
            kept.append(end)
    y = w.one("Transpose", y, perm=[1, 0, 2]) if turned else y
    last = [w.one("Concat", *kept, axis=0) if len(kept) > 1 else kept[0] for kept in ends]
    return [w.one("Squeeze", ref, w.ints([1]), rank=2) if alone else ref for ref in (y, *last)]


def _layer(w: Writer, shape: _Shape, layer: int, x: Ref, states: list[Ref], params: Sequence[Ref]) -> tuple[Ref, list[Ref]]:
    """The outputs of one layer, (steps, batch, directions * size), and what its states end as."""
    each = shape.directions * shape.each
    parts = params[layer * each : (layer + 1) * each]
    packed = [_packed(w, shape.op, parts[index :: shape.each]) for index in range(shape.arrays)]
    bias = w.constant(np.concatenate(packed[2:], axis=1)) if packed[2:] else None
    size = int(packed[1].shape[-1])
    bounds = [w.ints([n]) for n in (layer * shape.directions, (layer + 1) * shape.directions, 0)]
    begins = [w.one("Slice", state, *bounds, rank=3) for state in states]
    inputs = [x, w.constant(packed[0]), w.constant(packed[1]), bias, None, *begins]
    if shape.projects:
        projections = np.stack([w.array(part) for part in parts[shape.arrays :: shape.each]])
        inputs, hidden, domain = [*inputs, None, w.constant(projections)], int(projections.shape[-1]), DOMAIN
    else:
        hidden, domain = size, "ai.onnx"
    y, *ends = w.several(shape.op, inputs, len(states) + 1, [4, *[3] * len(states)], domain=domain, **shape.attributes_of(hidden))
    y = w.one("Transpose", y, perm=[0, 2, 1, 3])  # (steps, batch, directions, size)
    return w.one("Reshape", y, w.ints([0, 0, shape.directions * size]), rank=3), ends


def _packed(w: Writer, op: str, parts: Sequence[Ref]) -> NDArray[Any]:
    """One array of all directions, its rows of gates in ONNX's order."""
    arrays = [w.array(part) for part in parts]
    order, found = _ROWS[op], []
    for array in arrays:
        w.require(array.shape == arrays[0].shape and array.shape[0] % len(order) == 0, f"has weights of shapes {[a.shape for a in arrays]}")
        blocks = np.split(array, len(order))
        found.append(np.concatenate([blocks[place] for place in order]))
    return np.stack(found)
