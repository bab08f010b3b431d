"""What computes with numbers of the recording, operator by operator.

Definitions: https://onnx.ai/onnx/operators/.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...layers.feedforward import Embedding, Softmax
from ...layers.record import MAX_SIZE
from ..graph import scores
from ..graph.attention import over_steps, weights
from ..graph.convolving import larger
from ..graph.emitting import layer
from ..graph.ends import along_rows
from ..graph.functions import inverse, logarithm, power
from ..graph.gelu import gelu
from ..graph.laying import looked_up, taken_as_whole
from ..graph.norms import normalised
from ..graph.tracing import Flow, Levels, Value
from ..graph.wires import MOST
from .activations import ACTIVATIONS, clipped
from .block_levels import BLOCK_LEVELS
from .calls import Call, floats
from .choosing import CHOOSING
from .folding import DTYPES
from .fourier import FOURIER
from .fused import FUSED
from .loops import loop, unrolled
from .machine_learning import MACHINE_LEARNING
from .normalising import NORMALISING
from .parts import UNROLLED
from .products import PRODUCTS
from .quantised import QUANTISED
from .ranking import RANKING
from .recurrent import recurrent
from .scans import scan
from .sliding import SLIDING


def _add(call: Call) -> list[Value]:
    return [_sum(call, call.value(0), call.value(1), 1)]


def _sub(call: Call) -> list[Value]:
    return [_sum(call, call.value(0), call.value(1), -1)]


def _sum(call: Call, a: Value, b: Value, sign: int) -> Value:
    if isinstance(a, Flow) and isinstance(b, Flow):
        return call.tracer.combine("add", a, b if sign == 1 else call.tracer.scale(b, -1, 0))
    if isinstance(a, Flow):
        return call.tracer.scale(a, 1, sign * floats(b))  # type: ignore[arg-type]
    return call.tracer.scale(b, sign, floats(a))  # type: ignore[arg-type]


def _mul(call: Call) -> list[Value]:
    a, b = call.value(0), call.value(1)
    if isinstance(a, Flow) and isinstance(b, Flow):
        return [gelu(call.tracer, a, b) or call.tracer.combine("mul", a, b)]
    flow, factor = (a, b) if isinstance(a, Flow) else (b, a)
    return [call.tracer.scale(flow, floats(factor), 0)]  # type: ignore[arg-type]


def _div(call: Call) -> list[Value]:
    divisor, dividend = call.value(1), call.value(0)
    if not isinstance(divisor, Flow):
        return [call.tracer.scale(call.flow(0), 1 / floats(divisor), 0)]
    if not isinstance(dividend, Flow):
        return [call.tracer.scale(inverse(call.tracer, divisor), floats(dividend), 0)]
    norm = normalised(call.tracer, dividend, divisor)
    return [norm or call.tracer.combine("mul", dividend, inverse(call.tracer, divisor))]


def _pow(call: Call) -> list[Value]:
    exponent = np.unique(call.constant(1))
    if exponent.size != 1:
        call.refuse(f"raises to the powers {exponent}, where it needs one for all")
    return [power(call.tracer, call.flow(0), float(exponent[0]))]


def _total(call: Call) -> list[Value]:
    found = call.value(0)
    for value in call.values[1:]:
        assert value is not None
        found = found + value if not isinstance(found, Flow) and not isinstance(value, Flow) else _sum(call, found, value, 1)
    return [found]


def _mean(call: Call) -> list[Value]:
    (found,) = _total(call)
    assert isinstance(found, Flow)
    return [call.tracer.scale(found, 1 / len(call.values), 0)]


def _concat(call: Call) -> list[Value]:
    axis = call.attribute("axis", 0)
    values = [value for value in call.values if value is not None]
    if sum(value.ids.size if isinstance(value, Flow) else value.size for value in values) > MOST:
        call.refuse(f"joins more than {MOST} numbers, which is more than is imported")
    joined = along_rows(call.tracer, np.concatenate([call.tracer.ids(value) for value in values], axis))
    return [Flow(joined, all(isinstance(v, Flow) and v.integer for v in values))]


def _pad(call: Call) -> list[Value]:
    mode = call.attribute("mode", "constant")
    pads = call.ints(1, "pads") or []
    flow = call.flow(0)
    x = flow.ids
    axes = call.ints(3, "") or list(range(x.ndim))
    half = len(pads) // 2
    widths = [(0, 0)] * x.ndim
    for before, after, axis in zip(pads[:half], pads[half:], axes, strict=True):
        widths[call.axis(axis, x.ndim)] = (before, after)
    if any(n < 0 for pair in widths for n in pair):
        cut = tuple(slice(max(0, -a), n - max(0, -b)) for (a, b), n in zip(widths, x.shape, strict=True))
        x, widths = x[cut], [(max(0, a), max(0, b)) for a, b in widths]
    size = math.prod(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
    if mode not in ("constant", "reflect", "edge", "wrap") or size > MOST:
        call.refuse(f"pads in mode {mode!r} by {widths}, which is not imported")
    if mode == "reflect" and any(max(pair) >= n for pair, n in zip(widths, x.shape, strict=True) if any(pair)):
        call.refuse(f"mirrors {widths} numbers of an array of shape {x.shape}, which has fewer")
    if mode != "constant":
        return [replace(flow, ids=np.pad(x, widths, mode=mode))]
    value = call.constant(2).item() if call.has(2) else call.attribute("value", 0.0)
    scale, zero = flow.levels or (1.0, 0.0)
    filling = int(call.tracer.ids(np.array([(value - zero) * scale]))[0])
    return [replace(flow, ids=np.pad(x, widths, constant_values=filling))]


def _cast(call: Call) -> list[Value]:
    x, to = call.flow(0), call.attribute("to")
    call.attribute("saturate")
    call.attribute("round_mode")
    whole = to in DTYPES and np.dtype(DTYPES[to]).kind in "iu"
    if to in DTYPES and np.dtype(DTYPES[to]).kind == "b" and not x.integer:
        call.refuse("asks which numbers of the recording are not zero, which is not imported")
    if to not in DTYPES or (whole and not x.integer and not taken_as_whole(call.tracer.space, x.ids)):
        call.refuse("converts numbers of the recording to whole ones, which is not imported")
    return [Flow(x.ids, whole or (x.integer and np.dtype(DTYPES[to]).kind == "b"))]


def _gather(call: Call) -> list[Value]:
    """Rows of a constant table, by an index of the recording."""
    table, index = call.constant(0), call.flow(1)
    if call.attribute("axis", 0) != 0 or table.ndim != 2:
        call.refuse(f"looks up numbers of the recording in an array of shape {table.shape}; an embedding is a matrix of rows")
    found = _looked_up(call, index, table)
    return [replace(found, levels=Levels(1.0, 0.0)) if table.dtype in (np.int8, np.uint8) else found]


def _looked_up(call: Call, index: Flow, table: np.ndarray) -> Flow:
    found = looked_up(call.tracer, index.ids, table)
    return call.tracer.rows(Flow(index.ids[..., None]), lambda: Embedding(table), table.shape[1]) if found is None else Flow(found)


def _scatter(call: Call) -> list[Value]:
    """Numbers put in places that are known: of ScatterND, and along an axis of ScatterElements."""
    if call.attribute("reduction", "none") != "none":
        call.refuse("adds or multiplies what it puts in places, which is not imported")
    index, flows = call.constant(1).astype(np.int64), any(isinstance(call.value(at), Flow) for at in (0, 2))
    data, given = (call.tracer.ids(call.value(at)) if flows else call.constant(at) for at in (0, 2))
    data = np.array(data)
    if call.node.op == "ScatterND":
        data[tuple(np.moveaxis(index, -1, 0))] = given
    else:
        axis = call.axis(call.attribute("axis", 0), data.ndim)
        np.put_along_axis(data, index % data.shape[axis], given, axis)
    return [Flow(data) if flows else data]


def _one_hot(call: Call) -> list[Value]:
    """A row of a table with one number that differs, for an index of the recording."""
    depth, (off, on) = int(call.constant(1).item()), floats(call.constant(2)).tolist()
    index = call.flow(0)
    if call.attribute("axis", -1) not in (-1, index.ids.ndim) or not 1 <= depth <= MAX_SIZE:
        call.refuse(f"spreads an index to {depth} numbers along another axis than the last, which is not imported")
    table = np.where(np.eye(depth, dtype=bool), on, off)
    return [_looked_up(call, index, table)]


def _softmax(call: Call) -> list[Value]:
    x = call.flow(0)
    axis = call.axis(call.node.attributes.get("axis", -1 if call.opset >= 13 else 1), x.ids.ndim)
    turned = np.moveaxis(x.ids, axis, -1)
    if (found := scores.softmax(call.tracer, turned)) is not None and call.opset >= 13:
        call.attribute("axis")
        return [Flow(np.moveaxis(found, -1, axis))]
    if over_steps(call.tracer, turned) and (call.opset >= 13 or turned.size == turned.shape[-1] * call.tracer.space.batch):
        call.attribute("axis")
        return [Flow(np.moveaxis(weights(call.tracer, Flow(turned)).ids, -1, axis))]
    return [_over(call, call.flow(0), Softmax)]


def _log_softmax(call: Call) -> list[Value]:
    return [_over(call, call.flow(0), lambda: layer("LogSoftmax", call.tracer.place))]


def _over(call: Call, x: Flow, make: Callable[[], Any]) -> Flow:
    """A layer along one axis; before operator set 13 along all from that axis on."""
    axis = call.axis(call.attribute("axis", -1 if call.opset >= 13 else 1), x.ids.ndim)
    if call.opset < 13 and axis != x.ids.ndim - 1:
        flat = Flow(x.ids.reshape(*x.shape[:axis], -1))
        return Flow(call.tracer.rows(flat, make, flat.shape[-1]).ids.reshape(x.shape))
    turned = Flow(np.moveaxis(x.ids, axis, -1))
    return Flow(np.moveaxis(call.tracer.rows(turned, make, turned.shape[-1]).ids, -1, axis))


def _max(call: Call) -> list[Value]:
    return [_bound(call, 0)]


def _min(call: Call) -> list[Value]:
    return [_bound(call, 1)]


def _bound(call: Call, side: int) -> Value:
    """The larger (side 0) or smaller (side 1) of some arrays, number by number."""
    flows = [value for value in call.values if isinstance(value, Flow)]
    constants = [floats(value) for value in call.values if value is not None and not isinstance(value, Flow)]
    found = flows[0]
    for other in flows[1:]:
        found = larger(call.tracer, found, other, 1 if side == 0 else -1)
    for bound in constants:
        if np.unique(bound).size != 1:
            call.refuse("takes the larger or smaller of its input and a constant that differs from number to number")
        number = float(bound.ravel()[0])
        found = clipped(call, found, *((number, None) if side == 0 else (None, number)))
    return found


OPERATORS: dict[tuple[str, str], Callable[[Call], Sequence[Value]]] = (
    QUANTISED
    | BLOCK_LEVELS
    | FUSED
    | MACHINE_LEARNING
    | {
        ("ai.onnx", op): handler
        for op, handler in {
            **ACTIVATIONS,
            **SLIDING,
            "LSTM": recurrent,
            "GRU": recurrent,
            "RNN": recurrent,
            **PRODUCTS,
            "Add": _add,
            "Sub": _sub,
            "Mul": _mul,
            "Div": _div,
            "Pow": _pow,
            "Neg": lambda call: [call.tracer.scale(call.flow(0), -1, 0)],
            "Concat": _concat,
            "Pad": _pad,
            "Cast": _cast,
            "CastLike": lambda call: [call.value(0)],
            "Gather": _gather,
            "OneHot": _one_hot,
            "ScatterND": _scatter,
            "ScatterElements": _scatter,
            "Softmax": _softmax,
            "LogSoftmax": _log_softmax,
            **NORMALISING,
            **CHOOSING,
            **RANKING,
            **FOURIER,
            "Log": lambda call: [logarithm(call.tracer, call.flow(0))],
            "Reciprocal": lambda call: [inverse(call.tracer, call.flow(0))],
            "Sum": _total,
            "Mean": _mean,
            "Max": _max,
            "Min": _min,
            "Loop": loop,
            "Scan": scan,
        }.items()
    }
    | {UNROLLED: unrolled}
)
