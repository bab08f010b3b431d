"""Operators on constants alone, computed at once.

Definitions: https://onnx.ai/onnx/operators/.
"""

import math
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import numpy as np

from .calls import Array, Call

#: Most numbers that a computed constant may have, and most products that it may be made of.
_MOST, _MOST_PRODUCTS = 1 << 24, 1 << 28

#: NumPy's types by the number of ONNX's TensorProto.DataType.
DTYPES = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
    11: np.float64, 12: np.uint32, 13: np.uint64,
}  # fmt: skip


def bounded(call: Call, shape: Any) -> tuple[int, ...]:
    """A shape of constants that is not too large."""
    size, found = 1, tuple(int(n) for n in shape)
    for n in found:
        size *= n
    if any(n < 0 for n in found) or size > _MOST:
        call.refuse(f"makes a constant of shape {found}; at most {_MOST} numbers are imported")
    return found


def bounded_inputs(call: Call) -> None:
    """Refuse constants that would become too many numbers by broadcasting, or take too many products."""
    shapes = [value.shape for value in call.values if isinstance(value, np.ndarray)]
    if call.node.op in ("MatMul", "Gemm") and len(shapes) == 2 and all(shapes):
        rows, columns = math.prod(shapes[0][:-1]), math.prod(shapes[1]) // max(1, shapes[1][-2] if len(shapes[1]) > 1 else shapes[1][0])
        bounded(call, (rows, columns))
        products = rows * math.prod(shapes[1])
    elif call.node.op == "Einsum":
        terms = str(call.node.attributes.get("equation", "")).replace(" ", "").partition("->")[0].split(",")
        products = math.prod({a: n for term, shape in zip(terms, shapes, strict=False) for a, n in zip(term, shape, strict=False)}.values())
    else:
        most = [max(lengths) for lengths in zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1)]
        products = min(math.prod(most), _MOST_PRODUCTS + 1) if call.node.op in BROADCASTING else 0
        if products > _MOST:
            bounded(call, most[::-1])
    if products > _MOST_PRODUCTS:
        call.refuse(f"takes {products} products of constants; at most {_MOST_PRODUCTS} are computed")


def cast(call: Call, data: Array) -> Array:
    call.attribute("saturate")
    call.attribute("round_mode")
    to = call.attribute("to")
    if to not in DTYPES:
        call.refuse(f"converts to type {to}, which is not imported")
    return data.astype(DTYPES[to])


def _constant(call: Call) -> Array:
    names = ("value", "value_float", "value_int", "value_floats", "value_ints", "value_string", "value_strings")
    name = next((name for name in names if name in call.unused), None)
    if name is None:
        call.refuse("holds no value")
    return np.asarray(call.attribute(name), np.float32 if "float" in name else None)


def _constant_of_shape(call: Call, shape: Array) -> Array:
    value = call.attribute("value", np.zeros(1, np.float32))
    return np.full(bounded(call, shape), value.ravel()[0], value.dtype)


def _range(call: Call, start: Array, limit: Array, delta: Array) -> Array:
    bounded(call, [max(0, -(-(limit.item() - start.item()) // delta.item()))])
    return np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


def _reduce(function: Callable[..., Any]) -> Callable[..., Array]:
    def reduce(call: Call, data: Array, *_: Array) -> Array:
        axes, noop = call.ints(1, "axes"), call.attribute("noop_with_empty_axes", 0)
        if noop and not axes:
            return data
        return np.asarray(function(data, axis=tuple(axes) if axes else None, keepdims=bool(call.attribute("keepdims", 1)))).astype(
            data.dtype
        )

    return reduce


def _concat(call: Call, *parts: Array) -> Array:
    bounded(call, [sum(part.size for part in parts)])
    return np.concatenate(parts, call.attribute("axis", 0))


def _divide(call: Call, a: Array, b: Array) -> Array:
    return np.asarray(np.trunc(a / b)).astype(a.dtype) if a.dtype.kind in "iu" else np.asarray(a / b)


def _cumulated(call: Call, data: Array, axis: Array) -> Array:
    backward, exclusive = call.attribute("reverse", 0), call.attribute("exclusive", 0)
    turned = np.flip(data, int(axis)) if backward else data
    found = np.cumsum(turned, int(axis)) - (turned if exclusive else 0)
    return (np.flip(found, int(axis)) if backward else found).astype(data.dtype)


def _place(function: Callable[..., Any]) -> Callable[..., Array]:
    """ArgMax and ArgMin."""

    def find(call: Call, data: Array) -> Array:
        axis, last = call.axis(call.attribute("axis", 0), data.ndim), call.attribute("select_last_index", 0)
        found = function(np.flip(data, axis) if last else data, axis=axis, keepdims=bool(call.attribute("keepdims", 1)))
        return np.asarray(data.shape[axis] - 1 - found if last else found, np.int64)

    return find


def _one_hot(call: Call, indices: Array, depth: Array, values: Array) -> Array:
    axis = call.attribute("axis", -1)
    bounded(call, (*indices.shape, int(depth.item())))
    hot = np.arange(depth.item()) == indices[..., None] % depth.item()
    return np.moveaxis(np.where(hot, values[1], values[0]), -1, axis)


def largest(call: Call) -> list[Array]:
    """TopK of a constant, as of the lengths by which a batch is sorted: values and their places, the first of equals first."""
    data, count = call.constant(0), int(call.constant(1).item()) if call.has(1) else call.attribute("k")
    axis = call.axis(call.attribute("axis", -1), data.ndim)
    call.attribute("sorted", 1)
    keys = np.moveaxis(data, axis, -1).astype(np.float64)
    order = np.argsort(-keys if call.attribute("largest", 1) else keys, axis=-1, kind="stable")[..., :count]
    if not 0 <= count <= data.shape[axis]:
        call.refuse(f"takes {count} of {data.shape[axis]} numbers")
    places = np.moveaxis(order, -1, axis).astype(np.int64)
    return [np.take_along_axis(data, places, axis), places]


def spread(call: Call, given: Array, data: Array, axis: int, block: int) -> Array:
    """Scales or zero points of a constant, as they broadcast with it: one for all, one along an axis, or one for each block along it."""
    if given.size == 1:
        return given.reshape(())
    at = call.axis(axis, data.ndim)
    length = data.shape[at]
    wanted: tuple[int, ...] = (length,)
    if block:
        wanted = (*data.shape[:at], -(-length // block) if block > 0 else 0, *data.shape[at + 1 :])
    if given.shape != wanted:
        call.refuse(f"has scales or zero points of shape {given.shape} where it needs {wanted}")
    return np.take(given, np.arange(length) // block, at) if block else given.reshape([-1 if i == at else 1 for i in range(data.ndim)])


def dequantize(call: Call, data: Array, scale: Array, zero: Array | None = None) -> Array:
    """``(data - zero) * scale``."""
    axis, block = call.attribute("axis", 1), call.attribute("block_size", 0)
    call.attribute("output_dtype")
    offset = 0.0 if zero is None else spread(call, zero, data, axis, block).astype(np.float64)
    return np.asarray((data.astype(np.float64) - offset) * spread(call, scale, data, axis, block)).astype(np.float32)


def quantize(call: Call, data: Array, scale: Array, zero: Array | None = None) -> Array:
    """``round(data / scale) + zero`` within the bounds of its type, halves to even."""
    axis, block, kind = call.attribute("axis", 1), call.attribute("block_size", 0), call.attribute("output_dtype", 0)
    call.attribute("saturate")
    to = np.dtype(DTYPES.get(kind, np.float32) if kind else np.uint8) if zero is None else zero.dtype
    if to.kind not in "iu":
        call.refuse("quantises to a type that is not imported")
    offset = 0 if zero is None else spread(call, zero, data, axis, block).astype(np.int64)
    factor, bounds = spread(call, scale, data, axis, block).astype(np.float32), np.iinfo(to)
    return np.asarray(np.clip(np.rint(data.astype(np.float32) / factor) + offset, bounds.min, bounds.max)).astype(to)


def _plain(function: Callable[..., Any]) -> Callable[..., Array]:
    """A NumPy function without attributes."""
    return lambda call, *arrays: np.asarray(function(*arrays))


def _float(function: Callable[..., Any]) -> Callable[..., Array]:
    """A NumPy function that keeps the type of its first argument."""
    return lambda call, *arrays: np.asarray(function(*arrays)).astype(arrays[0].dtype)


def _modulo(call: Call, a: Array, b: Array) -> Array:
    return np.fmod(a, b) if call.attribute("fmod", 0) else np.mod(a, b)


def _gemm(call: Call, a: Array, b: Array, c: Array | None = None) -> Array:
    a, b = (x.T if call.attribute(name, 0) else x for x, name in ((a, "transA"), (b, "transB")))
    out = call.attribute("alpha", 1.0) * (a @ b)
    beta = call.attribute("beta", 1.0)
    return np.asarray(out if c is None else out + beta * c).astype(a.dtype)


#: By operator: a call and its inputs -> its output.
FOLDS: dict[str, Callable[..., Array]] = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "Concat": _concat,
    "Cast": cast,
    "CastLike": lambda call, data, like: data.astype(like.dtype),
    "Add": _plain(np.add),
    "Sub": _plain(np.subtract),
    "Mul": _plain(np.multiply),
    "Div": _divide,
    "Mod": _modulo,
    "Pow": _float(np.power),
    "Neg": _plain(np.negative),
    "Abs": _plain(np.abs),
    "Sqrt": _plain(np.sqrt),
    "Exp": _plain(np.exp),
    "Log": _plain(np.log),
    "Floor": _float(np.floor),
    "Ceil": _plain(np.ceil),
    "Round": _plain(np.round),
    "Sign": _plain(np.sign),
    "Reciprocal": _float(lambda x: 1 / x),
    "Sigmoid": _float(lambda x: 1 / (1 + np.exp(-x))),
    "Tanh": _plain(np.tanh),
    "Relu": _plain(lambda x: np.maximum(x, 0)),
    "Softplus": _float(lambda x: np.logaddexp(0, x)),
    "Equal": _plain(np.equal),
    "Greater": _plain(np.greater),
    "GreaterOrEqual": _plain(np.greater_equal),
    "Less": _plain(np.less),
    "LessOrEqual": _plain(np.less_equal),
    "Not": _plain(np.logical_not),
    "And": _plain(np.logical_and),
    "Or": _plain(np.logical_or),
    "Where": _plain(np.where),
    "Max": lambda call, *a: np.asarray(np.max(np.broadcast_arrays(*a), axis=0)),
    "Min": lambda call, *a: np.asarray(np.min(np.broadcast_arrays(*a), axis=0)),
    "Sum": lambda call, *a: np.asarray(sum(a)),
    "MatMul": _plain(np.matmul),
    "Gemm": _gemm,
    "Einsum": lambda call, *a: np.asarray(np.einsum(call.attribute("equation").replace(" ", ""), *a)),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMean": _reduce(np.mean),
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
    "NonZero": _plain(lambda x: np.array(np.nonzero(x), np.int64)),
    "CumSum": _cumulated,
    "ArgMax": _place(np.argmax),
    "ArgMin": _place(np.argmin),
    "OneHot": _one_hot,
    "Trilu": lambda call, data, *k: np.triu(data, *map(int, k)) if call.attribute("upper", 1) else np.tril(data, *map(int, k)),
    "DequantizeLinear": dequantize,
    "QuantizeLinear": quantize,
}

#: Those whose inputs broadcast.
BROADCASTING = {
    *("Add", "Sub", "Mul", "Div", "Mod", "Pow", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Where"),
    *("Max", "Min", "Sum"),
}
