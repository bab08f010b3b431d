"""Attention that a network of Keras spells out: a softmax over time of one score a timestep, and the sum of timesteps weighted by it.

Between the two stand tensors that are not timestep by timestep: time moves to the last dimension and back, and numbers repeat. None of them
becomes a record; what does not end in a weighted sum is laid out anew where its steps are fixed, or refused.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import UnsupportedModelError
from ...layers.activations import spelled
from ...layers.attention import AttentionPool
from ...layers.feedforward import Softmax
from ...layers.joining import Mul
from ...layers.recording import Repeat
from . import laying
from .build import Build, Shape, Value
from .kinds import Call


def turns(x: Value, target: Shape) -> bool:
    """Whether `target` is a tensor of one number a timestep with its time moved, from the first dimension to the last or back."""
    if not x.time or len(target) > 2 or target == x.shape:
        return False
    if x.turned:
        return (len(x.shape) == 2 and target == x.shape[::-1]) or (x.width == 1 and target == (x.steps, 1))
    return x.features == (1,) and target in ((x.steps,), (1, x.steps))


def turned(call: Call, target: Shape) -> Value:
    """A tensor of one number a timestep with its time moved; see `turns`."""
    x = call.x
    if not x.turned or len(target) == 1 or target[-1] == x.steps != target[0]:
        return replace(x, shape=target, turned=call.name, mask=None)
    if x.weights or target[1] == 1:
        return replace(x, shape=target, turned="")
    raise call.refused(f"it spreads one number a timestep over {target[1]}, and a softmax over time does not stand before it")


def repeated(call: Call, count: int) -> Value:
    """``RepeatVector``: (steps,) -> (count, steps)."""
    x = call.x
    if len(x.shape) != 1 or not count:
        raise call.refused(f"it repeats a tensor of shape {x.shape} {count} times")
    return replace(x, shape=(count, x.steps))


def over_time(x: Value, axis: Any) -> bool:
    """Whether an axis, as Keras counts it with the batch, is that of time, and there is one number a timestep."""
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if x.looks:
        return axis in (-1, 2)
    if type(axis) is not int or not x.time or x.features not in ((), (1,)):
        return False
    return axis % (len(x.shape) + 1) == (len(x.shape) if x.turned else 1)


def weights(call: Call) -> Value:
    """A softmax over time."""
    if call.x.looks and not call.x.weights:
        return replace(call.x, weights=True)
    if call.x.mask is not None or call.x.weights:
        raise call.refused("it is a softmax over time of what has a mask, or is one already; edgelstm imports it of scores without a mask")
    return replace(call.x, weights=True)


def weighted(call: Call) -> Value:
    """Timesteps times their weights."""
    *others, w = sorted(call.inputs, key=lambda value: value.weights)
    if len(others) != 1 or others[0].weights or w.turned or not _fit(others[0], w) or w.features not in ((1,), others[0].features):
        shapes = ", ".join(str(x.shape) for x in call.inputs)
        raise call.refused(
            f"it multiplies tensors of shapes {shapes} by a softmax over time; edgelstm imports timesteps times their weights"
        )
    return replace(others[0], scores=w.name)


def _fit(rows: Value, w: Value) -> bool:
    """Whether weights are those of these timesteps, which are vectors."""
    return bool(rows.time and len(rows.features) == 1 and rows.steps == w.steps and not (rows.turned or rows.scores or any(rows.zeros)))


def of_time(call: Call, axes: Any, pairs: list[tuple[Value, Any]]) -> Value:
    """The product over time of timesteps and their weights. pairs: each of two tensors, and its axis of `axes`."""
    (rows, along), (w, of) = sorted(pairs, key=lambda pair: pair[0].weights)
    if rows.weights or not _fit(rows, w) or w.width != 1 or along not in (1, -2) or not over_time(w, of):
        raise call.refused(f"it sums over axes {axes} of shapes {call.inputs[0].shape} and {call.inputs[1].shape}, which is not time")
    y = _pooled(call, rows, w.name)
    if len(w.shape) == 1:
        return y
    return replace(y, shape=(1, *y.shape) if call.inputs[0] is w else (*y.shape, 1))


def mean(call: Call) -> Value:
    """The mean over time of timesteps times their weights, which add up to 1."""
    x = call.x
    if x.steps is None or x.mask is not None:
        raise call.refused("it takes the mean of weighted timesteps, whose number must be fixed and without a mask; sum them instead")
    return call.build.apply(spelled("affine", 1 / x.steps, 0.0), f"{call.name}.mean", total(call))


def total(call: Call) -> Value:
    """The sum over time of timesteps times their weights."""
    return _pooled(call, call.x, call.x.scores)


def _pooled(call: Call, rows: Value, scores: str) -> Value:
    pooled = call.build.add(AttentionPool(**call.at(rows, scores)))
    return call.build.ended(call.name, Value(pooled, rows.shape, True))


def settled(build: Build, label: str, x: Value) -> Value:
    """A tensor timestep by timestep, or one vector or map of all of them.

    Raises
    ------
    UnsupportedModelError
        If it is on its way to attention, and `label` takes it elsewhere.
    """
    if not (x.turned or x.weights or x.scores or x.looks):
        return x
    if x.steps is None or x.looks:
        what = "lays all timesteps side by side, and the file leaves their number open"
        if x.weights or x.scores or x.looks:
            what = (
                "reads a softmax over time; edgelstm imports the sum of timesteps weighted by it, and others of a fixed number of timesteps"
            )
        raise UnsupportedModelError(f"{label} {what}.")
    scores = laying.laid(build, Value(x.scores or x.name, (x.steps, 1), True))
    shares = replace(scores, name=build.add(Softmax(**build.at(f"{scores.name}.softmax", scores)))) if x.weights or x.scores else scores
    if not x.scores:
        each = np.arange(x.steps) if x.turned or len(x.shape) == 1 else np.arange(x.steps)[:, None]
        return laying.gathered(build, f"{shares.name}.repeated", [shares], np.broadcast_to(each, [n or 0 for n in x.shape]))
    rows = laying.laid(build, replace(x, scores=""))
    spread = laying.spread(build, f"{shares.name}.repeated", shares, (x.steps, x.width))
    return replace(rows, name=build.add(Mul(**build.at(f"{rows.name}.weighted", rows, spread))))


def apart(call: Call) -> Call:
    """The same call on tensors that are no softmax over time, nor weighted by one, for what changes numbers."""
    return replace(call, inputs=[settled(call.build, call.spec.label, x) if x.weights or x.scores else x for x in call.inputs])


def recalled(call: Call, x: Value, rows: Value, features: Shape) -> Value:
    """What sums a recording up, at each of the timesteps `rows`."""
    count = rows.steps if call.build.fixed(rows) else None
    name = call.build.add(Repeat(count, **call.at(x, name=f"{call.name}.repeated")))
    return Value(name, (rows.steps, *features), True)
