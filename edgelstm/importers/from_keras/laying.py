"""Timesteps side by side, as one map, and the values of such maps laid out anew.

A layer that mixes timesteps otherwise than those that slide, or run along them, is followed on the map of all timesteps, where the file
fixes their number: it answers when the last one is there.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedModelError
from ...layers.joining import Concat, Gather, Slice
from ...layers.map_pool import MapPool
from ...layers.record import MAX_SIZE
from ...layers.sliding import MAX_HISTORY
from ...layers.window import Window
from .build import Build, Masked, Value

Places = NDArray[np.int64]


def attempted(build: Build, make: Callable[[Sequence[Value]], Value | list[Value]], inputs: Sequence[Value]) -> Value | list[Value]:
    """What a layer gives of its inputs as they are; where that is refused, of all timesteps of a sequence as one map.

    Raises
    ------
    UnsupportedModelError
        What the layer says of its inputs as they are.
    """
    try:
        with build.undone():
            return make(inputs)
    except UnsupportedModelError as problem:
        if not any(_lays(x) for x in inputs):
            raise
        refusal = problem
    try:
        with build.undone():
            return make([laid(build, x) if _lays(x) else x for x in inputs])
    except UnsupportedModelError:
        raise refusal from None


def _lays(x: Value) -> bool:
    """Whether all timesteps of a tensor can stand side by side."""
    steps, apart = x.steps, x.mask is not None or any(x.zeros) or x.turned or x.weights or x.scores or x.looks
    return bool(steps and not apart and None not in x.features and steps * x.width <= min(MAX_SIZE, MAX_HISTORY))


def laid(build: Build, x: Value) -> Value:
    """All timesteps of a sequence of fixed length as one map, (timesteps, features …)."""
    steps = x.steps
    assert steps is not None
    if (source := build.repeats(x)) is not None:
        row = Value(source, x.features, False)
        return gathered(build, f"{x.name}.rows", [row], np.stack([places(row)] * steps))
    x = build.measured("steps", x)
    full: dict[str, Any] = {} if build.joins else {"stride": steps, "padding": "valid"}
    name = build.add(Window(steps, **full, **build.at(f"{x.name}.steps", x)))
    rows = Value(name, (1, steps * x.width), True)
    found = build.ended(f"{x.name}.rows", rows).name if build.joins else name
    return Value(found, (steps, *x.features), False)


def counted(build: Build, name: str, rows: Value, padding: float) -> str:
    """The record that has, for each row of a map or number of a vector inside of a timestep, 0 where all of it is `padding`, else 1."""
    count, *features = [n or 0 for n in rows.features]
    width, found = prod(features), []
    for row in range(count):
        part = build.add(Slice(row * width, (row + 1) * width, **build.at(f"{name}.{row}.read", rows)))
        found.append(build.mask(Masked(part, padding)))
    return build.add(Concat(**build.at(f"{name}.counted", *found)))


def places(x: Value) -> Places:
    """The place of each number of a timestep, or of a map, in its shape.

    Raises
    ------
    UnsupportedModelError
        If there are too many.
    """
    if x.width > MAX_SIZE:
        raise UnsupportedModelError(f"a tensor of shape {x.shape} has more than {MAX_SIZE} values a timestep.")
    return np.arange(x.width).reshape([n or 0 for n in x.features])


def gathered(build: Build, name: str, xs: Sequence[Value], wanted: Places) -> Value:
    """Numbers by their `places` among those of tensors side by side, in the shape of `wanted`.

    Raises
    ------
    UnsupportedModelError
        If they are none, or too many.
    """
    if not 0 < wanted.size <= MAX_SIZE:
        raise UnsupportedModelError(f"layer {name!r} makes a tensor of shape {wanted.shape}; one to {MAX_SIZE} values are imported.")
    start, stop = int(wanted.flat[0]), int(wanted.flat[0]) + wanted.size
    if len(xs) > 1 or (wanted.ravel() != np.arange(start, stop)).any():
        found = build.add(Gather(wanted.ravel(), **build.at(name, *xs)))
    else:
        found = xs[0].name if wanted.size == xs[0].width else build.add(Slice(start, stop, **build.at(name, *xs)))
    return xs[0].with_features(found, wanted.shape)


def beside(build: Build, name: str, xs: Sequence[Value], axis: int) -> Value:
    """Maps joined along an axis of their features."""
    starts = np.cumsum([0, *(x.width for x in xs)]).tolist()
    parts = [start + places(x) for x, start in zip(xs, starts, strict=False)]
    return gathered(build, name, xs, np.concatenate(parts, axis=axis))


def spread(build: Build, name: str, x: Value, features: tuple[int, ...]) -> Value:
    """A tensor repeated to larger features, as NumPy broadcasts it."""
    return gathered(build, name, [x], np.broadcast_to(places(x), features))


def pooled(build: Build, name: str, x: Value, axis: int, function: str) -> Value:
    """The mean, or the largest, along one axis of the features."""
    turned = gathered(build, f"{name}.turned", [x], np.moveaxis(places(x), axis, 0))
    rows, *rest = (n or 0 for n in turned.features)
    record = MapPool(function, (rows,), shape=(rows, prod(rest)), **build.at(name, turned))
    return turned.with_features(build.add(record), tuple(rest))
