"""Attention that a network of Keras spells out: a softmax over time of one score a timestep, and the sum of timesteps weighted by it.

Between the two stand tensors that are not timestep by timestep: time moves to the last dimension and back, and numbers repeat. None of them
becomes a record; what does not end in a weighted sum is laid out anew where its steps are fixed, or refused.
"""

from dataclasses import replace
from typing import Any

from ...errors import UnsupportedModelError
from ...layers.activations import spelled
from ...layers.attention import AttentionPool
from ...layers.window import Window
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
    if type(axis) is not int or not x.time or x.features not in ((), (1,)):
        return False
    return axis % (len(x.shape) + 1) == (len(x.shape) if x.turned else 1)


def weights(call: Call) -> Value:
    """A softmax over time."""
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


def dot(call: Call) -> Value:
    """``Dot`` over time of timesteps and their weights."""
    axes = call.options.take("axes", object, None)
    first, second = axes if isinstance(axes, list) and len(axes) == 2 else (axes, axes)
    call.options.must_be("normalize", False)
    pairs = [(x, axis) for x, axis in zip(call.inputs, (first, second), strict=False)]
    if len(call.inputs) != 2 or sum(x.weights for x in call.inputs) != 1:
        raise call.refused("it is imported as the sum of timesteps weighted by a softmax over time")
    (rows, along), (w, of) = sorted(pairs, key=lambda pair: pair[0].weights)
    if not _fit(rows, w) or w.width != 1 or along not in (1, -2) or not over_time(w, of):
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
    """A tensor timestep by timestep, or one vector of all of them.

    Raises
    ------
    UnsupportedModelError
        If it is on its way to attention, and `label` takes it elsewhere.
    """
    if not (x.turned or x.weights or x.scores):
        return x
    if x.weights or x.scores or x.width != 1 or x.steps is None:
        what = "lays all timesteps side by side, and the file leaves their number open"
        if x.weights or x.scores:
            what = "reads a softmax over time; edgelstm imports the sum of timesteps weighted by it"
        raise UnsupportedModelError(f"{label} {what}.")
    name = build.add(Window(x.steps, stride=x.steps, padding="valid", **build.at(x.turned, x)))
    return Value(name, x.shape, False)
