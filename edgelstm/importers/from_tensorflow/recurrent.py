"""Recurrent cells and layers in one operator: BlockLSTM, LSTMBlockCell, GRUBlockCell.

Source: ``tensorflow/core/ops/rnn_ops.cc`` and ``lstm_ops.h``. Gates stand in the order i g f o, in BlockLSTMV2 in i f g o.
"""

from typing import Any, NamedTuple

import numpy as np

from ...layers.lstm import LSTM
from ..from_onnx.calls import Array, Call, floats
from ..from_onnx.records import over_steps
from ..graph.tracing import Flow, Value
from .values import Handler, Inner, one, plain


class _Cell(NamedTuple):
    """Arrays of a block cell by gate, i f g o: weight (4, inputs + hidden, hidden), bias (4, hidden), peephole (3, hidden)."""

    weight: Array
    bias: Array
    peephole: Array | None
    clip: float | None


def _cell(call: Call, first: int) -> _Cell:
    """The arrays that begin at input `first`: w, wci, wcf, wco, b."""
    w, b = floats(call.constant(first)), floats(call.constant(first + 4))
    if w.ndim != 2 or not w.shape[1] or w.shape[1] % 4 or b.shape != w.shape[1:] or w.shape[0] < w.shape[1] // 4:
        call.refuse(f"has weights of shape {w.shape} and a bias of shape {b.shape}")
    hidden, newer = w.shape[1] // 4, call.node.op == "BlockLSTMV2"
    order = [0, 1, 2, 3] if newer else [0, 2, 1, 3]
    bias = b.reshape(4, hidden)[order]
    if not newer:
        bias = bias + np.array([0, call.attribute("forget_bias", 1.0), 0, 0])[:, None]
    clip = call.attribute("cell_clip", 0.0 if newer else 3.0)
    rows = None
    if call.attribute("use_peephole", False):
        rows = np.stack([floats(call.constant(first + index)) for index in (1, 2, 3)])
    return _Cell(w.reshape(-1, 4, hidden).transpose(1, 0, 2)[order], bias, rows, clip if clip > 0 else None)


def _block(call: Call) -> list[Value]:
    """BlockLSTM: steps, x (steps, sequences, inputs), c, h, weights."""
    x, cell = call.flow(1), _cell(call, 4)
    if (call.constant(0) != x.shape[0]).any():
        call.refuse("runs over a part of the recording alone, which is not imported")
    inputs, hidden = x.shape[-1], cell.weight.shape[2]
    if cell.weight.shape[1] != inputs + hidden:
        call.refuse(f"reads {inputs} numbers a step and has weights of shape {cell.weight.shape[1:]}")
    turned = cell.weight.transpose(0, 2, 1).reshape(4 * hidden, -1)
    given: dict[str, Any] = {"peephole": cell.peephole, "cell_clip": cell.clip}
    record = LSTM(turned[:, :inputs], turned[:, inputs:], cell.bias.ravel(), **given)
    y, c = over_steps(call, record, x.ids, {"c0": call.value(2), "h0": call.value(3)})
    return [Inner(), Flow(c), *[Inner()] * 4, Flow(y)]


def _lstm_cell(call: Call) -> list[Value]:
    """LSTMBlockCell, one step: x, c, h, weights."""
    x, before, cell = call.value(0), call.value(1), _cell(call, 3)
    both = one(call, "Concat", x, call.value(2), axis=1)

    def gate(index: int) -> Value:
        return one(call, "Add", one(call, "MatMul", both, cell.weight[index]), cell.bias[index])

    def looking(index: int, row: int, at: Value) -> Value:
        if cell.peephole is None:
            return one(call, "Sigmoid", gate(index))
        return one(call, "Sigmoid", one(call, "Add", gate(index), one(call, "Mul", at, cell.peephole[row])))

    fresh = one(call, "Mul", looking(0, 0, before), one(call, "Tanh", gate(2)))
    c = one(call, "Add", one(call, "Mul", looking(1, 1, before), before), fresh)
    c = c if cell.clip is None else one(call, "Clip", c, -cell.clip, cell.clip)
    h = one(call, "Mul", looking(3, 2, c), one(call, "Tanh", c))
    return [Inner(), c, *[Inner()] * 4, h]


def _gru_cell(call: Call) -> list[Value]:
    """GRUBlockCell, one step: x, h, weights of r and u, of c, and their biases."""
    x, before = call.value(0), call.value(1)
    weights, biases = [floats(call.constant(index)) for index in (2, 3)], [floats(call.constant(index)) for index in (4, 5)]
    hidden = weights[1].shape[-1]

    def total(state: Value, weight: Array, bias: Array) -> Value:
        return one(call, "Add", one(call, "MatMul", one(call, "Concat", x, state, axis=1), weight), bias)

    r, u = (one(call, "Sigmoid", total(before, weights[0][:, part], biases[0][part])) for part in (slice(hidden), slice(hidden, None)))
    c = one(call, "Tanh", total(one(call, "Mul", r, before), weights[1], biases[1]))
    rest = one(call, "Sub", np.ones((), np.float32), u)
    h = one(call, "Add", one(call, "Mul", u, before), one(call, "Mul", rest, c))
    return [r, u, c, h]


#: By operator.
RECURRENT: dict[str, Handler] = {
    "BlockLSTM": plain(_block),
    "BlockLSTMV2": plain(_block),
    "LSTMBlockCell": plain(_lstm_cell),
    "GRUBlockCell": plain(_gru_cell),
}
