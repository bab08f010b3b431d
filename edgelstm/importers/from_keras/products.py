"""Products of tensors of which no one is a softmax: scores of timesteps by a vector, of all timesteps by each other, and of two vectors."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import printable
from ...layers.activations import spelled
from ...layers.attention import SelfAttention
from ...layers.feedforward import Dense
from ...layers.joining import Mul
from ...layers.norms import UnitNormalization
from ...layers.record import MAX_SIZE
from . import laying, weighting
from .build import Looks, Value
from .kinds import Call
from .settings import Options


def dot(call: Call) -> Value:
    """``Dot``: timesteps and their weights over time, or vectors, of which one or both may be those of timesteps."""
    axes, unit = call.options.take("axes", object, None), call.options.take("normalize", bool, False)
    given = axes if isinstance(axes, list) and len(axes) == 2 else [axes, axes]
    if len(call.inputs) != 2:
        raise call.refused(f"it reads {len(call.inputs)} tensors, where it multiplies two")
    if not any(x.weights for x in call.inputs):
        return _vectors(call, given, unit)
    if unit:
        raise call.refused("it brings a softmax over time to length 1")
    if any(x.looks for x in call.inputs):
        return _found(call, given)
    return weighting.of_time(call, axes, list(zip(call.inputs, given, strict=True)))


def matmul(call: Call) -> Value:
    """``matmul``, of Keras 3's ``ops`` and TensorFlow's: the last axis of one tensor by the one before the last of another."""
    given = call.options.take("call", dict, {})
    first, second = given.get("transpose_a"), given.get("transpose_b")
    more = {name: value for name, value in given.items() if name not in ("transpose_a", "transpose_b") and value not in (None, False)}
    if more or any(len(x.shape) != 2 for x in call.inputs):
        shapes = ", ".join(str(x.shape) for x in call.inputs)
        raise call.refused(
            f"it multiplies tensors of shapes {shapes} with {printable(more, 60)}; edgelstm imports matrices of each example"
        )
    axes = [1 if first else 2, 2 if second else 1]
    return dot(replace(call, options=Options({"axes": axes}, call.spec.label, 2)))


def _vectors(call: Call, axes: Sequence[Any], unit: bool) -> Value:
    """The product of two vectors, or of each timestep's. unit: whether they are brought to length 1 first."""
    xs = [weighting.settled(call.build, call.spec.label, x) for x in call.inputs]
    rows = [x for x in xs if x.time]
    last = all(axis in (-1, len(x.shape)) for x, axis in zip(xs, axes, strict=True))
    if not unit and all(x.time is False and len(x.features) == 2 for x in xs):
        return _of_maps(call, xs, axes)
    vectors = all(x.time is not None and x.features and x.width == x.features[-1] for x in xs)
    if not last or not vectors or len({x.width for x in xs}) != 1 or any(x.mask or any(x.zeros) for x in xs):
        raise call.refused(f"it sums over axes {axes} of shapes {xs[0].shape} and {xs[1].shape}; edgelstm imports it over the features")
    if unit:
        xs = [replace(x, name=call.build.add(UnitNormalization(**call.at(x, name=f"{call.name}.unit")))) for x in xs]
    if not rows:
        return Value(_summed(call, xs), (1,) if len(xs[0].shape) == len(xs[1].shape) == 1 else (1, 1), False, over=xs[0].over)
    if len(rows) == 1:
        return _scores(call, xs, rows[0])
    if rows[0].steps != rows[1].steps:
        raise call.refused(f"it multiplies sequences of {rows[0].steps} and {rows[1].steps} timesteps")
    return Value(xs[0].name, (xs[0].steps, xs[1].steps), True, looks=Looks(xs[0].name, xs[1].name, xs[0].width))


def _of_maps(call: Call, xs: Sequence[Value], axes: Sequence[Any]) -> Value:
    """The product of two maps over one axis of each: rows of one by rows of the other, number by number, and the sums of these."""
    turned = []
    for x, axis in zip(xs, axes, strict=True):
        at = axis - 1 if type(axis) is int and axis > 0 else axis
        if type(at) is not int or not -2 <= at < 2 or None in x.features:
            raise call.refused(f"it sums over axes {axes} of shapes {xs[0].shape} and {xs[1].shape}")
        turned.append(np.moveaxis(laying.places(x), at, -1))  # (rows, numbers that are summed)
    a, b = turned
    if a.shape[1] != b.shape[1] or len(a) * len(b) * a.shape[1] > MAX_SIZE:
        raise call.refused(f"it multiplies maps of shapes {xs[0].shape} and {xs[1].shape}; up to {MAX_SIZE} products are imported")
    shape = (len(a), len(b), a.shape[1])
    spread = [np.broadcast_to(a[:, None], shape), np.broadcast_to(b[None], shape)]
    found = [laying.gathered(call.build, f"{call.name}.{n}", [x], places) for n, (x, places) in enumerate(zip(xs, spread, strict=True))]
    product = found[0].with_features(call.build.add(Mul(**call.at(*found, name=f"{call.name}.product"))), shape)
    mean = laying.pooled(call.build, f"{call.name}.mean", product, 2, "average")
    return call.build.apply(spelled("affine", float(shape[2]), 0.0), call.name, mean)


def _scores(call: Call, xs: Sequence[Value], rows: Value) -> Value:
    """One product of each timestep and a vector, which sums a recording up."""
    vector = next(x for x in xs if not x.time)
    at_each = Value(vector.name, rows.shape, True) if vector.static else weighting.recalled(call, vector, rows, rows.features)
    name = _summed(call, [x if x.time else at_each for x in xs])
    if len(vector.shape) == 1:
        return Value(name, (rows.steps,), True, turned=call.name)
    if xs[0] is vector:
        return Value(name, (1, rows.steps), True, turned=call.name)
    return Value(name, (rows.steps, 1), True)


def _summed(call: Call, xs: Sequence[Value]) -> str:
    """The sum of the products of two vectors, number by number."""
    product = call.build.add(Mul(**call.at(*xs, name=f"{call.name}.product")))
    return call.build.add(Dense(np.ones((1, xs[0].width)), **call.at(product)))


def _found(call: Call, axes: Sequence[Any]) -> Value:
    """Timesteps weighted by a softmax of scores of all timesteps by each other."""
    w, rows = call.inputs
    if not w.looks or list(axes) not in ([2, 1], [-1, 1], [2, -2], [-1, -2]) or not rows.time or rows.steps != w.steps:
        raise call.refused(f"it multiplies tensors of shapes {w.shape} and {rows.shape} over axes {axes}")
    if len(rows.features) != 1 or rows.turned or rows.scores or rows.looks or rows.mask or any(rows.zeros):
        raise call.refused(f"it weights a tensor of shape {rows.shape}; edgelstm imports one vector a timestep, without a mask")
    record = SelfAttention(w.looks.size, scale=w.looks.scale, **call.at(w.looks.query, w.looks.key, rows))
    return Value(call.build.add(record), rows.shape, True)
