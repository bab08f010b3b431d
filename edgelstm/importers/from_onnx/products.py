"""Products of what flows with constant matrices.

Definitions: https://onnx.ai/onnx/operators/onnx__MatMul.html, onnx__Gemm.html, onnx__Einsum.html.
"""

import math
from collections.abc import Callable

import numpy as np

from ..graph.attention import weighted
from ..graph.recalling import recalled_product
from ..graph.scores import looked, product
from ..graph.summing import summed
from ..graph.tracing import Flow, Value
from .calls import Array, Call, floats

#: Most matrices of one product.
_MOST_MATRICES = 1 << 12


def _matmul(call: Call) -> list[Value]:
    a, b = call.value(0), call.value(1)
    if isinstance(a, Flow) and isinstance(b, Flow):
        return [_of_two(call, a, b)]
    if isinstance(a, Flow):
        weight = call.constant(1)
        if weight.ndim == 1:
            return [Flow(call.tracer.affine(a, weight[:, None]).ids[..., 0])]
        if weight.ndim > 2 and weight.size > weight.shape[-1] * weight.shape[-2]:
            return [_of_many(call, a, weight)]
        return [call.tracer.affine(a, matrix(call, weight))]
    flow = call.flow(1)
    turned = Flow(np.swapaxes(flow.ids, -1, -2) if flow.ids.ndim > 1 else flow.ids)
    out = call.tracer.affine(turned, matrix(call, call.constant(0).T))
    return [Flow(np.swapaxes(out.ids, -1, -2) if flow.ids.ndim > 1 else out.ids)]


def _of_two(call: Call, a: Flow, b: Flow) -> Flow:
    """The product of two arrays that both flow: of weights of steps and rows, of queries and keys, or number by number."""
    if (pooled := weighted(call.tracer, a, b)) is not None:
        return pooled
    if (found := product(call.tracer, a, b)) is not None:
        return Flow(found)
    if (recalled := recalled_product(call.tracer, a, b)) is not None:
        return recalled
    left, right = (ids[None] if ids.ndim == 1 else ids for ids in (a.ids, b.ids.T if b.ids.ndim == 1 else np.swapaxes(b.ids, -1, -2)))
    if left.shape[-1] != right.shape[-1]:
        call.refuse(f"multiplies arrays of shapes {a.shape} and {b.shape}")
    terms = call.tracer.combine("mul", Flow(left[..., :, None, :]), Flow(right[..., None, :, :]))
    ids = summed(call.tracer, terms.ids)  # (…, rows, columns)
    ids = ids[..., 0] if b.ids.ndim == 1 else ids
    return Flow(ids[..., 0, :] if a.ids.ndim == 1 and b.ids.ndim > 1 else ids[..., 0] if a.ids.ndim == 1 else ids)


def _of_many(call: Call, a: Flow, weight: Array) -> Flow:
    """Products with a batch of constant matrices, each of rows of its own, or of the same rows."""
    ids = a.ids[None] if a.ids.ndim == 1 else a.ids
    batch, (inputs, outputs) = np.broadcast_shapes(ids.shape[:-2], weight.shape[:-2]), weight.shape[-2:]
    matrices = weight.reshape(-1, inputs, outputs)
    if len(matrices) > _MOST_MATRICES or ids.shape[-1] != inputs:
        call.refuse(f"multiplies an array of shape {a.shape} by matrices of shape {weight.shape}")
    which = np.broadcast_to(np.arange(len(matrices)).reshape(weight.shape[:-2]), batch)
    left = np.broadcast_to(ids, (*batch, *ids.shape[-2:]))
    parts = [left[which == index] for index in range(len(matrices))]  # (items, rows, inputs) of each matrix
    found = np.empty((*batch, ids.shape[-2], outputs), np.int64)
    if all(np.array_equal(part, parts[0]) for part in parts):
        joined = call.tracer.affine(Flow(parts[0]), np.moveaxis(matrices, 0, 1).reshape(inputs, -1)).ids  # (items, rows, all)
        made = list(np.moveaxis(joined.reshape(*joined.shape[:-1], len(matrices), outputs), -2, 0))
    else:
        made = [call.tracer.affine(Flow(part), one).ids for part, one in zip(parts, matrices, strict=True)]
    for index, part in enumerate(made):
        found[which == index] = part
    return Flow(found[..., 0, :] if a.ids.ndim == 1 else found)


def matrix(call: Call, weight: Array) -> Array:
    """A constant factor without axes of size one in front."""
    while weight.ndim > 2 and weight.shape[0] == 1:
        weight = weight[0]
    if weight.ndim != 2:
        call.refuse(f"multiplies by a constant of shape {weight.shape}, which is not imported; it needs a matrix")
    return weight


def _gemm(call: Call) -> list[Value]:
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    a = call.flow(0)
    a = Flow(a.ids.T) if call.attribute("transA", 0) else a
    weight = call.constant(1)
    weight = weight.T if call.attribute("transB", 0) else weight
    weight = weight if alpha == 1 else alpha * floats(weight)
    out = call.tracer.affine(a, weight)
    if not call.has(2):
        return [out]
    bias = call.value(2)
    if isinstance(bias, Flow):
        return [call.tracer.combine("add", out, bias if beta == 1 else call.tracer.scale(bias, beta, 0))]
    return [call.tracer.scale(out, 1, beta * floats(bias))]


def _einsum(call: Call) -> list[Value]:
    """A sum over axes of what flows, with one constant or another array that flows: axes in common are groups, or summed."""
    equation = call.attribute("equation").replace(" ", "")
    left, _, result = equation.partition("->")
    terms = left.split(",")
    flows = [i for i, value in enumerate(call.values) if isinstance(value, Flow)]
    if "." in equation or not result or len(terms) != 2 or any(len(set(term)) != len(term) for term in terms):
        call.refuse(f"the sum {equation!r} is not imported; it needs two arrays, each axis of which has a name of its own")
    if len(flows) == 2:
        return [_einsum_of_two(call, terms, result)]
    x, w = terms[flows[0]], terms[1 - flows[0]]
    weight = call.constant(1 - flows[0])
    summed = [a for a in x if a in w and a not in result]
    groups = [a for a in x if a in w and a in result]
    rows = [a for a in x if a not in w]
    outs = [a for a in w if a not in x]
    if set(rows) - set(result) or set(outs) - set(result) or len(set(x)) != len(x):
        call.refuse(f"the sum {equation!r} is not imported")
    ids = np.transpose(call.flow(flows[0]).ids, [x.index(a) for a in (*groups, *rows, *summed)])
    matrix = np.transpose(weight, [w.index(a) for a in (*groups, *summed, *outs)])
    g, r = ids.shape[: len(groups)], ids.shape[len(groups) : len(groups) + len(rows)]
    o = matrix.shape[len(groups) + len(summed) :]
    k = int(np.prod(ids.shape[len(groups) + len(rows) :]))
    ids, matrix = ids.reshape(int(np.prod(g)), -1, k), matrix.reshape(int(np.prod(g)), k, -1)
    parts = [call.tracer.affine(Flow(i), m).ids for i, m in zip(ids, matrix, strict=True)]
    out = np.stack(parts).reshape(*g, *r, *o)
    order = [*groups, *rows, *outs]
    return [Flow(np.transpose(out, [order.index(a) for a in result]))]


def _einsum_of_two(call: Call, terms: list[str], result: str) -> Flow:
    """The sum of two arrays that both flow, as a product of matrices."""
    x, y = terms
    groups, summed = [a for a in x if a in y and a in result], [a for a in x if a in y and a not in result]
    rows, columns = [a for a in x if a not in y], [a for a in y if a not in x]
    if set(rows + columns) - set(result) or set(result) - set(x + y):
        call.refuse(f"the sum {x},{y}->{result} is not imported")
    a, b = call.flow(0).ids, call.flow(1).ids
    sizes = dict(zip(x + y, a.shape + b.shape, strict=True))
    shape = [sizes[axis] for axis in groups]
    a = np.transpose(a, [x.index(axis) for axis in groups + rows + summed]).reshape(*shape, math.prod(sizes[r] for r in rows), -1)
    b = np.transpose(b, [y.index(axis) for axis in groups + summed + columns]).reshape(*shape, a.shape[-1], -1)
    order = groups + rows + columns
    out = _of_two(call, Flow(a), Flow(b)).ids.reshape([sizes[axis] for axis in order])
    return Flow(np.transpose(out, [order.index(axis) for axis in result]))


def _attention(call: Call) -> list[Value]:
    """Definition: https://onnx.ai/onnx/operators/onnx__Attention.html."""
    heads = call.attribute("q_num_heads", 0)
    if call.attribute("kv_num_heads", heads) != heads or call.has(4) or call.has(5) or call.attribute("softcap", 0.0):
        call.refuse("shares keys among heads, or has keys of earlier calls or a softcap, none of which is imported")
    call.attribute("qk_matmul_output_mode", 0)
    call.attribute("softmax_precision", 0)
    parts = [call.flow(i).ids for i in range(3)]
    apart = parts[0].ndim == 3 and heads > 0
    if apart:
        parts = [np.moveaxis(ids.reshape(*ids.shape[:2], heads, -1), 2, 1) for ids in parts]
    steps = parts[0].shape[-2]
    mask = call.constant(3) if call.has(3) else np.zeros(())
    mask = np.where(mask, 0.0, -np.inf) if mask.dtype == bool else floats(mask)
    if call.attribute("is_causal", 0):
        mask = mask + np.where(np.tri(steps) > 0, 0.0, -np.inf)
    scale = float(call.attribute("scale", parts[0].shape[-1] ** -0.5))
    found = looked(call.tracer, parts, scale, mask)
    if found is None:
        call.refuse("is imported where a recording's steps look at each other")
    return [Flow(np.moveaxis(found, 1, 2).reshape(found.shape[0], found.shape[2], -1) if apart else found)]


#: By operator.
PRODUCTS: dict[str, Callable[[Call], list[Value]]] = {"MatMul": _matmul, "Gemm": _gemm, "Einsum": _einsum, "Attention": _attention}
