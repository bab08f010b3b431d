"""Quantised weights: ONNX Runtime's DynamicQuantizeLSTM, and QDQ pairs around constants and numbers of the recording.

Definitions: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DynamicQuantizeLSTM.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..graph.tracing import Value
from .calls import Array, Call, floats
from .recurrent import recurrent

_ROUNDED = "{} rounds what flows to 8 bits; edgelstm computes it in float32, with the weights that the file holds."


def _weights(call: Call, index: int, scale: int, zero: int) -> Array:
    """(directions, 4 * hidden_size, inputs) of an int8 array (directions, inputs, 4 * hidden_size)."""
    data, factor = call.constant(index), floats(call.constant(scale))
    offset = floats(call.constant(zero)) if call.has(zero) else np.zeros(1)
    factor, offset = (a.reshape(a.shape[0], 1, -1) if a.ndim else a.reshape(1, 1, 1) for a in (factor, offset))
    return np.swapaxes((data - offset) * factor, 1, 2).astype(np.float32)


def _dynamic_lstm(call: Call) -> Sequence[Value]:
    """X, W, R, B, sequence_lens, initial_h, initial_c, P, then scale and zero point of W and of R."""
    weights = [_weights(call, 1, 8, 9), _weights(call, 2, 10, 11)]
    values = [call.value(0), *weights, *call.values[3:8]]
    plain = replace(call.node, op="LSTM")
    inner = Call(plain, values, call.tracer, call.runner, call.opset)
    found = recurrent(inner)
    for name in [*plain.attributes]:
        if name not in inner.unused:
            call.attribute(name)
    _note(call)
    return found


def _note(call: Call) -> None:
    note = _ROUNDED.format(call.node.op)
    if note not in call.runner.notes:
        call.runner.notes.append(note)


def _steps(call: Call) -> tuple[Array, Array]:
    """Scale and zero point of a QuantizeLinear or DequantizeLinear node: one of each."""
    for name in ("axis", "saturate", "block_size", "output_dtype", "precision"):
        call.attribute(name)
    scale, zero = floats(call.constant(1)), floats(call.constant(2)) if call.has(2) else np.zeros(())
    if scale.size != 1 or zero.size != 1:
        call.refuse("has a scale for each channel of what flows, which is not imported")
    return scale.reshape(()), zero.reshape(())


def _quantize(call: Call) -> list[Value]:
    """x / scale + zero; the rounding is left out."""
    scale, zero = _steps(call)
    _note(call)
    return [call.tracer.scale(call.flow(0), 1 / scale, zero)]


def _dequantize(call: Call) -> list[Value]:
    """(x - zero) * scale."""
    scale, zero = _steps(call)
    return [call.tracer.scale(call.flow(0), scale, -zero * scale)]


def _dynamic_quantize(call: Call) -> list[Value]:
    """x, with the scale 1 and the zero point 0 that undo what follows."""
    _note(call)
    return [call.flow(0), np.ones((), np.float32), np.zeros((), np.uint8)]


def _integer_matmul(call: Call) -> list[Value]:
    """``(a - a_zero) @ (b - b_zero)``, with a as it was before it was quantised."""
    weight = floats(call.constant(1)) - (floats(call.constant(3)) if call.has(3) else 0)
    zero = floats(call.constant(2)) if call.has(2) else np.zeros(1)
    return [call.tracer.affine(call.tracer.scale(call.flow(0), 1, -zero) if zero.any() else call.flow(0), weight)]


#: By domain and operator.
QUANTIZED: dict[tuple[str, str], Callable[[Call], Sequence[Value]]] = {
    ("com.microsoft", "DynamicQuantizeLSTM"): _dynamic_lstm,
    ("ai.onnx", "QuantizeLinear"): _quantize,
    ("ai.onnx", "DequantizeLinear"): _dequantize,
    ("ai.onnx", "DynamicQuantizeLinear"): _dynamic_quantize,
    ("ai.onnx", "MatMulInteger"): _integer_matmul,
}
