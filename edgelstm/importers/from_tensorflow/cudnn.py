"""CudnnRNN: stacked, bidirectional layers whose weights are one vector, layer by layer as nodes LSTM, GRU and RNN of ONNX.

Source: ``tensorflow/core/ops/cudnn_rnn_ops.cc``. The vector has the weights of all layers, and behind them all biases: of each layer and
direction the gates of what it reads, then those of its state, in the order i f g o or r z n.
"""

from typing import Any, NamedTuple

import numpy as np

from ..from_onnx.calls import Array, Call, floats
from ..graph.tracing import Value
from .values import Handler, one, onnx, plain

#: By mode: the operator, its gates in ONNX's order as rows of cuDNN's, and attributes.
_MODES: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "lstm": ("LSTM", (0, 3, 1, 2), {}),
    "gru": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),
    "rnn_tanh": ("RNN", (0,), {"activations": ["Tanh"]}),
    "rnn_relu": ("RNN", (0,), {"activations": ["Relu"]}),
}

#: Attributes that change nothing without dropout.
_SILENT = ("seed", "seed2", "is_training", "S", "T", "debug_info")


class _Weights(NamedTuple):
    """Arrays of one layer as ONNX has them: w (directions, gates * hidden, inputs), r, b (directions, 2 * gates * hidden)."""

    w: Array
    r: Array
    b: Array


def _unpacked(call: Call, params: Array, order: tuple[int, ...], inputs: int, hidden: int, layers: int, directions: int) -> list[_Weights]:
    gates, place = len(order), 0

    def take(columns: int) -> Array:
        nonlocal place
        part = params[place : place + gates * hidden * columns]
        place += gates * hidden * columns
        return part.reshape(gates, hidden, columns)[list(order)].reshape(gates * hidden, columns)

    widths = [inputs, *[hidden * directions] * (layers - 1)]
    if params.size != directions * gates * hidden * sum(width + hidden + 2 for width in widths):
        call.refuse(f"has {params.size} weights, which do not fit {layers} layer(s) of {hidden} units over {inputs} inputs")
    matrices = [[(take(width), take(hidden)) for _ in range(directions)] for width in widths]
    biases = [[np.concatenate([take(1), take(1)]).ravel() for _ in range(directions)] for _ in widths]
    return [
        _Weights(np.stack([w for w, _ in pairs]), np.stack([r for _, r in pairs]), np.stack(bias))
        for pairs, bias in zip(matrices, biases, strict=True)
    ]


def _cudnn(call: Call) -> list[Value]:
    """Inputs: x (time, batch, inputs), h and c (layers * directions, batch, hidden), weights, lengths."""
    mode, direction, time_major = call.attribute("rnn_mode", "lstm"), call.attribute("direction", "unidirectional"), True
    if call.node.op == "CudnnRNNV3":
        time_major = call.attribute("time_major", True)
    dropped = call.attribute("dropout", 0.0) and call.node.attributes.get("is_training", True)
    for name in _SILENT:
        call.attribute(name)
    skips = call.attribute("input_mode", "linear_input") == "skip_input"
    if mode not in _MODES or dropped or skips or call.attribute("num_proj", 0):
        call.refuse(f"is a layer of mode {mode!r} with dropout, projection or skipped inputs, which is not imported")
    op, order, attributes = _MODES[mode]
    directions = 2 if direction == "bidirectional" else 1
    x, *states = (call.value(index) for index in range(3 if op == "LSTM" else 2))
    if not time_major:
        x, *states = (one(call, "Transpose", value, perm=[1, 0, 2]) for value in (x, *states))
    steps, _, inputs = x.shape
    stacked, _, hidden = states[0].shape
    if call.has(4) and (call.constant(4) != steps).any():
        call.refuse("runs over a part of the recording alone, which is not imported")
    parts = _unpacked(call, floats(call.constant(3)).ravel(), order, inputs, hidden, stacked // directions, directions)
    ends: list[list[Value]] = []
    for layer, (w, r, b) in enumerate(parts):
        begins = [_rows(call, state, layer * directions, directions) for state in states]
        given = {"direction": "bidirectional" if directions == 2 else "forward", "hidden_size": hidden, **attributes}
        if directions == 2 and "activations" in given:
            given["activations"] = given["activations"] * 2
        y, *after = onnx(call, op, x, w, r, b, np.full(x.shape[1], steps), *begins, outputs=1 + len(states), **given)
        turned = one(call, "Transpose", y, perm=[0, 2, 1, 3])  # (time, batch, directions, hidden)
        x = one(call, "Reshape", turned, np.array([*turned.shape[:2], directions * hidden]))
        ends.append(after)
    last = [one(call, "Concat", *(after[index] for after in ends), axis=0) for index in range(len(states))]
    found = [x, *last] if time_major else [one(call, "Transpose", value, perm=[1, 0, 2]) for value in (x, *last)]
    return found if op == "LSTM" else [*found, np.zeros(0, np.float32)]


def _rows(call: Call, state: Value, first: int, count: int) -> Value:
    """The states of one layer."""
    return one(call, "Slice", state, *(np.array([n]) for n in (first, first + count, 0, 1)))


#: By operator.
CUDNN: dict[str, Handler] = {op: plain(_cudnn) for op in ("CudnnRNN", "CudnnRNNV2", "CudnnRNNV3")}
