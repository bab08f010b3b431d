"""ONNX Runtime's LSTM of 8-bit weights, which rounds x over its range and h at every step over its own.

Definition: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DynamicQuantizeLSTM.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers.record import Layer
from ..graph.frames import lies_inside, rows_of
from ..graph.tracing import Flow, Value
from ..graph.wires import Ids
from .calls import Array, Call, floats
from .dynamic_rounding import levels_of, rounded
from .file import Node as Operator
from .recurrent import Node, along_recording, made_record, recurrent_with


def dynamic_lstm(call: Call) -> Sequence[Value]:
    """An LSTM node's inputs, its weights transposed; behind them scale and zero point of both weights."""
    levels, scales = zip(*(_weight(call, *at) for at in ((1, 8, 9), (2, 10, 11))), strict=True)
    given = {name: call.attribute(name) for name in call.unused}
    operator = Operator("LSTM", call.node.domain, call.node.name, call.node.inputs, call.node.outputs, given)
    x = rounded(call, call.flow(0))

    def inner(*weights: Array) -> Call:
        return Call(operator, [x, *weights, *call.values[3:8]], call.tracer, call.runner, call.opset)

    whole = inner(*levels)
    outputs = _of_levels(whole, scales)
    if outputs is None:
        whole = inner(*(one * scale[:, :, None] for one, scale in zip(levels, scales, strict=True)))
        outputs = recurrent_with(whole, {"fake_quantize_hidden": True})
    if whole.unused:
        call.refuse(f"has the attribute {', '.join(whole.unused)}, which edgelstm does not honour")
    return outputs


def _weight(call: Call, index: int, scale: int, zero: int) -> tuple[Array, Array]:
    """Levels less their zero point (directions, 4 * hidden, columns), and scales (directions, 4 * hidden)."""
    weight = floats(call.constant(index))  # (directions, columns, 4 * hidden)
    factor, offset = (floats(call.constant(at)).reshape(len(weight), 1, -1) for at in (scale, zero))
    levels = np.swapaxes(weight - offset, 1, 2)
    return levels, np.broadcast_to(factor[:, 0], levels.shape[:2])


def _of_levels(call: Call, scales: Sequence[Array]) -> Sequence[Value] | None:
    """The outputs of a node along the recording whose cells are plain ones; None where it is another."""
    x, node = call.flow(0), _Levels(call, scales)
    tracer, starts = call.tracer, any(isinstance(value, Flow) for value in node.initial)
    if x.ids.ndim != 3 or any(node.options) or node.computed or any((np.float32(one) <= 0).any() for one in scales):
        return None
    if len(x.ids) == 1 and tracer.steps > 1 and starts:
        return None
    ids = np.swapaxes(x.ids, 0, 1) if node.batch_first else x.ids
    if rows_of(tracer, ids) is not None or lies_inside(tracer, ids) or (found := levels_of(tracer, ids)) is None:
        return None
    levels, scale = found
    node.check_lengths(len(levels))
    return along_recording(node, np.concatenate([levels, scale], axis=-1))


class _Levels(Node):
    """A node that reads levels and, behind them, their scale. scales: of the rows of both weights, (directions, rows)."""

    def __init__(self, call: Call, scales: Sequence[Array]) -> None:
        super().__init__(call)
        self.scales = scales

    @property
    def width(self) -> int:
        return super().width + 1

    def operands(self, reads: Ids) -> list[Ids]:
        return [reads[:-1], reads[-1:]]

    def record(self, index: int, reverse: bool) -> Layer:
        bias = np.zeros((2, 4 * self.hidden)) if self.b is None else self.b[index].reshape(2, -1)
        given: dict[str, Any] = {"weight_ih": self._gates(self.w[index]), "weight_hh": self._gates(self.r[index])}
        given |= {name: self._gates(one[index]) for name, one in zip(("scale_ih", "scale_hh"), self.scales, strict=True)}
        given |= {"bias": self._gates(bias.sum(0)), **({"reverse": True} if reverse else {})}
        return made_record(self.call, "DynamicLSTM", given)
