"""Operators of quantised graphs: weights become floats, activations are rounded to the levels that the graph gives them.

A Flow of levels has the identities of the numbers that they stand for. Products in integers are then products of these numbers, divided by
the scale. The scale of DynamicQuantizeLinear is not known beforehand; since all that is computed with it is linear, any one will do in its
place: `UNIT`, so small that what a graph rounds to whole levels keeps its value.

Definitions: https://onnx.ai/onnx/operators/ and
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ...layers.activations import spelled
from ...layers.fake_quantize import FakeQuantize
from ...layers.feedforward import Embedding, Softmax
from ..graph.convolving import convolve
from ..graph.expressions import Made
from ..graph.tracing import Flow, Levels, Tracer, Value
from ..graph.wires import distinct
from .calls import Array, Call, floats
from .dynamic_lstm import dynamic_lstm
from .dynamic_rounding import rounded
from .folding import DTYPES
from .products import matrix
from .scaled_products import scaled_sums
from .sliding import SLIDING, reduced, window_of

#: The number of uint8 among ONNX's types.
_UINT8 = 2

#: What stands for a scale that depends on the recording.
UNIT = 2.0**-16

_MICROSOFT = "com.microsoft"


def fixed(call: Call, x: Flow, scale: Array, zero: Array) -> Flow:
    """Numbers as QuantizeLinear rounds them, as levels."""
    if scale.size != 1 or zero.size != 1 or zero.dtype.kind not in "iu":
        call.refuse("rounds numbers of the recording by several scales, or to no integers, which is not imported")
    levels, bounds = Levels(float(scale.item()), float(zero.item())), np.iinfo(zero.dtype)
    tracer = call.tracer
    values = tracer.values(x.ids)
    flows = ~np.isfinite(values)
    steps = np.clip(np.rint(values[~flows] / levels.scale), bounds.min - levels.zero, bounds.max - levels.zero)
    found = x.ids.copy()
    found[~flows] = tracer.ids(steps * levels.scale)
    group = tracer.grouped([x.ids[flows].reshape(-1, 1)])
    refs = group.refs[0][:, 0]
    full = [np.full(refs.size, v) for v in (levels.scale, bounds.min - levels.zero, bounds.max - levels.zero)]
    found[flows] = tracer.output(group, Made(tracer.place, FakeQuantize(*full), [refs]))[:, 0]
    return Flow(found, levels=levels)


def _numbers(call: Call, index: int, zero: int | None, scale: int | None = None) -> Flow:
    """The numbers of an input of levels, whose zero point and scale stand in inputs `zero` and `scale`."""
    x = call.flow(index)
    if x.levels is None:
        call.refuse(f"its input {index} holds integers that no QuantizeLinear before it made, which is not imported")
    given = [0.0 if at is None or not call.has(at) else floats(call.constant(at)) for at in (zero, scale)]
    if x.levels == (1, 0):  # the numbers are the levels, as those of a table are
        factor = 1.0 if scale is None else given[1]
        if (found := _of_tables(call.tracer, x, given[0], factor)) is not None:
            return found
        return call.tracer.scale(replace(x, levels=None), factor, -np.multiply(given[0], factor))
    if np.any(given[0] != x.levels.zero) or (scale is not None and np.any(given[1] != x.levels.scale)):
        call.refuse(f"its input {index} is taken back by another scale or zero point than it was quantised by, which is not imported")
    return replace(x, levels=None)


def _of_tables(tracer: Tracer, x: Flow, zero: ArrayLike, factor: ArrayLike) -> Flow | None:
    """Rows of tables of levels as rows of tables of numbers; None where they are none, or have several scales.

    Each number is rounded once, as runtimes round it. They lie on a grid, of which the next rounding halves many a step.
    """
    if np.size(zero) > 1 or np.size(factor) > 1:
        return None
    at, found = tracer.space.places(x.ids), x.ids.copy()
    for index in distinct(at.wire):
        wire = tracer.space.wires[index]
        if not isinstance(wire.source, Made) or not isinstance(record := wire.source.record, Embedding):
            return None
        table = np.multiply(np.subtract(record.weight, zero, dtype=np.float64), factor)
        made = tracer.wire(Made(tracer.place, Embedding(table), wire.source.reads), wire.steps, wire.width)
        found[at.wire == index] += made.start - wire.start
    return Flow(found)


def _weight(call: Call, index: int, zero: int, scale: int | None = None, axis: int = -1) -> Array:
    """A constant of integers less its zero point, times its scale, each one number or one along `axis`."""
    found = floats(call.constant(index))
    for at, combine in ((zero, np.subtract), (scale, np.multiply)):
        if at is not None and call.has(at):
            given = floats(call.constant(at))
            given = (
                given.reshape(())
                if given.size == 1
                else np.expand_dims(given.ravel(), [i for i in range(found.ndim) if i != axis % found.ndim])
            )
            found = combine(found, given)
    return found


def _biased(call: Call, out: Flow, index: int) -> Flow:
    return call.tracer.scale(out, 1, floats(call.constant(index))) if call.has(index) else out


def _dynamic_quantize(call: Call) -> list[Value]:
    levels = Levels(UNIT, 0.0)
    return [replace(rounded(call, call.flow(0)), levels=levels), np.array(UNIT, np.float32), np.array(0, np.uint8)]


def _quantize(call: Call) -> list[Value]:
    call.attribute("axis")
    call.attribute("saturate")
    kind = DTYPES.get(call.attribute("output_dtype", 0) or _UINT8)
    if call.attribute("block_size", 0) or kind is None:
        call.refuse("quantises in blocks, or to a type that is not imported")
    return [fixed(call, call.flow(0), call.constant(1), call.constant(2) if call.has(2) else np.array(0, kind))]


def _dequantize(call: Call) -> list[Value]:
    call.attribute("axis")
    return [_numbers(call, 0, 2, 1)]


def _matmul_integer(call: Call) -> list[Value]:
    x = _numbers(call, 0, 2)
    levels = call.flow(0).levels
    assert levels is not None
    return [call.tracer.affine(x, matrix(call, _weight(call, 1, 3)) / levels.scale)]


def _matmul_to_float(call: Call) -> list[Value]:
    """A, B, the scales of both, the zero points of both, bias."""
    return [_scaled(call, _numbers(call, 0, 4, 2), 3, 5, 6)]


def _dynamic_matmul(call: Call) -> list[Value]:
    """A in floats, B, its scale, its zero point, bias."""
    return [_scaled(call, rounded(call, call.flow(0)), 2, 3, 4)]


def _scaled(call: Call, x: Flow, scale: int, zero: int, bias: int) -> Flow:
    """x times input 1, whose scale and zero point are inputs, and a bias."""
    given = [floats(call.constant(at)) if call.has(at) else None for at in (scale, bias)]
    if given[0] is not None and (found := scaled_sums(call, x, _weight(call, 1, zero), given[0], given[1])) is not None:
        return found
    return _biased(call, call.tracer.affine(x, matrix(call, _weight(call, 1, zero, scale))), bias)


def _qlinear_matmul(call: Call) -> list[Value]:
    """A, its scale and zero point, B, its scale and zero point, those of the answer."""
    out = call.tracer.affine(_numbers(call, 0, 2, 1), matrix(call, _weight(call, 3, 5, 4)))
    return [fixed(call, out, call.constant(6), call.constant(7))]


def _qlinear(operation: str) -> Callable[[Call], list[Value]]:
    """Sum or product of A and B, each with its scale and zero point behind it; then those of the answer."""

    def apply(call: Call) -> list[Value]:
        values = [
            _numbers(call, at, at + 2, at + 1) if isinstance(call.value(at), Flow) else _weight(call, at, at + 2, at + 1) for at in (0, 3)
        ]
        flow, other = values if isinstance(values[0], Flow) else values[::-1]
        assert isinstance(flow, Flow)
        if isinstance(other, Flow):
            out = call.tracer.combine(operation, flow, other)
        else:
            out = call.tracer.scale(flow, 1, other) if operation == "add" else call.tracer.scale(flow, other, 0)
        return [fixed(call, out, call.constant(6), call.constant(7))]

    return apply


def _behind(function: Callable[[Call, Flow], Flow]) -> Callable[[Call], list[Value]]:
    """A function of x. Inputs: x, its scale and zero point, those of the answer."""

    def apply(call: Call) -> list[Value]:
        return [fixed(call, function(call, _numbers(call, 0, 2, 1)), call.constant(3), _zero(call, 4))]

    return apply


def _zero(call: Call, index: int) -> Array:
    return call.constant(index) if call.has(index) else np.array(0, np.uint8)


def _leaky(call: Call, x: Flow) -> Flow:
    return call.tracer.apply(spelled("leaky_relu", float(call.attribute("alpha", 0.01))), x)


def _mean_of_all(call: Call, x: Flow) -> Flow:
    first = 1 if call.attribute("channels_last", 0) else 2
    return reduced(call, x, list(range(first, first + x.ids.ndim - 2)), True, "mean")


def _softmax(call: Call, x: Flow) -> Flow:
    axis = call.axis(call.attribute("axis", -1), x.ids.ndim)
    if call.attribute("opset", 13) < 13 and axis != x.ids.ndim - 1:
        call.refuse("goes over several axes, which is not imported")
    turned = Flow(np.moveaxis(x.ids, axis, -1))
    return Flow(np.moveaxis(call.tracer.rows(turned, Softmax, turned.shape[-1]).ids, -1, axis))


def _qlinear_concat(call: Call) -> list[Value]:
    """Scale and zero point of the answer; then each array with its own."""
    places = range(2, len(call.values), 3)
    parts = [_numbers(call, at, at + 2, at + 1) if isinstance(call.value(at), Flow) else _weight(call, at, at + 2, at + 1) for at in places]
    joined = np.concatenate([call.tracer.ids(part) for part in parts], call.attribute("axis"))
    return [fixed(call, Flow(joined), call.constant(0), call.constant(1))]


def _qgemm(call: Call) -> list[Value]:
    """A, its scale and zero point, B with its own, C in levels of both scales' product, those of the answer, which is floats without."""
    if call.attribute("transA", 0):
        call.refuse("turns what flows, which is not imported")
    turned, alpha = bool(call.attribute("transB", 0)), float(call.attribute("alpha", 1.0))
    weight = _weight(call, 3, 5, 4, axis=0 if turned else -1)
    bias = alpha * floats(call.constant(6)) * floats(call.constant(1)) * floats(call.constant(4)) if call.has(6) else None
    out = call.tracer.affine(_numbers(call, 0, 2, 1), alpha * matrix(call, weight.T if turned else weight))
    out = out if bias is None else call.tracer.scale(out, 1, bias)
    return [fixed(call, out, call.constant(7), _zero(call, 8)) if call.has(7) else out]


def _convolved(call: Call, x: Flow, weight: Array, bias: Array | None) -> Flow:
    sizes = tuple(call.attribute("kernel_shape") or weight.shape[2:])
    if sizes != weight.shape[2:]:
        call.refuse(f"says a kernel of {sizes} and has weights of shape {weight.shape}")
    return convolve(call.tracer, x, weight, bias, window_of(call, x.shape[2:], sizes), call.attribute("group", 1))


def _conv_integer(call: Call) -> list[Value]:
    levels = call.flow(0).levels
    x = _numbers(call, 0, 2)
    assert levels is not None
    return [_convolved(call, x, _weight(call, 1, 3, axis=0) / levels.scale, None)]


def _qlinear_conv(call: Call) -> list[Value]:
    """x, its scale and zero point, weights, their scale and zero point, those of the answer, bias in levels of both scales' product.

    The channels of x and of the answer may stand last.
    """
    x, weight = _numbers(call, 0, 2, 1), _weight(call, 3, 5, 4, axis=0)
    bias = floats(call.constant(8)) * floats(call.constant(1)) * floats(call.constant(4)) if call.has(8) else None
    if not call.attribute("channels_last", 0):
        return [fixed(call, _convolved(call, x, weight, bias), call.constant(6), call.constant(7))]
    out = fixed(call, _convolved(call, _moved(x, -1, 1), weight, bias), call.constant(6), call.constant(7))
    return [_moved(out, 1, -1)]


def _moved(x: Flow, axis: int, to: int) -> Flow:
    return replace(x, ids=np.moveaxis(x.ids, axis, to))


def _pool_of_last(call: Call) -> list[Value]:
    """MaxPool of an array whose channels stand last."""
    call.values[0] = _moved(call.flow(0), -1, 1)
    return [_moved(found, 1, -1) for found in SLIDING["MaxPool"](call) if isinstance(found, Flow)]


#: By domain and operator.
QUANTISED: dict[tuple[str, str], Callable[[Call], Sequence[Value]]] = {
    ("ai.onnx", "DynamicQuantizeLinear"): _dynamic_quantize,
    **{(domain, "QuantizeLinear"): _quantize for domain in ("ai.onnx", _MICROSOFT)},
    **{(domain, "DequantizeLinear"): _dequantize for domain in ("ai.onnx", _MICROSOFT)},
    ("ai.onnx", "MatMulInteger"): _matmul_integer,
    ("ai.onnx", "ConvInteger"): _conv_integer,
    ("ai.onnx", "QLinearMatMul"): _qlinear_matmul,
    ("ai.onnx", "QLinearConv"): _qlinear_conv,
    (_MICROSOFT, "QLinearConv"): _qlinear_conv,
    (_MICROSOFT, "NhwcMaxPool"): _pool_of_last,
    (_MICROSOFT, "QLinearAdd"): _qlinear("add"),
    (_MICROSOFT, "QLinearMul"): _qlinear("mul"),
    (_MICROSOFT, "QLinearSigmoid"): _behind(lambda call, x: call.tracer.apply("sigmoid", x)),
    (_MICROSOFT, "QLinearLeakyRelu"): _behind(_leaky),
    (_MICROSOFT, "QLinearGlobalAveragePool"): _behind(_mean_of_all),
    (_MICROSOFT, "QLinearSoftmax"): _behind(_softmax),
    (_MICROSOFT, "QLinearConcat"): _qlinear_concat,
    (_MICROSOFT, "QGemm"): _qgemm,
    (_MICROSOFT, "MatMulIntegerToFloat"): _matmul_to_float,
    (_MICROSOFT, "DynamicQuantizeMatMul"): _dynamic_matmul,
    (_MICROSOFT, "DynamicQuantizeLSTM"): dynamic_lstm,
}

#: Those that take levels, of which the largest stands for the largest number; others compute with numbers.
TAKES_LEVELS = frozenset(op for _, op in QUANTISED) | {"MaxPool", "Pad"}
