"""Keras' layers that lay the same numbers out anew: what they do to a timestep, or across timesteps of a fixed window."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ...errors import printable
from ...layers.recording import MOST_REPEATED, Repeat
from . import laying, weighting
from .build import Shape, Value
from .kinds import Call, Kind


def _flatten(call: Call) -> Value:
    call.options.must_be("data_format", "channels_last", None)
    x = call.x
    if x.scores or (x.turned and x.width != 1):
        x = weighting.settled(call.build, call.spec.label, x)
    if x.time is None:
        return x
    if not x.time or (x.steps == 1 and not x.weights):
        return replace(x, shape=(x.width,), time=False, mask=None)
    if x.width == 1:
        return weighting.turned(call, (x.steps,))
    if x.steps is None:
        raise call.refused("it lays all timesteps side by side, and the file leaves their number open")
    return replace(laying.laid(call.build, x), shape=(x.steps * x.width,))


def _reshape(call: Call) -> Value:
    wanted = call.options.take("target_shape", list, None)
    if wanted is None:  # the operator of Keras 3, whose shape begins with the batch
        batch, *wanted = call.options.take("newshape", list)
        if batch != -1:
            raise call.refused(f"it makes a tensor of {batch} examples")
    if not all(type(size) is int and size >= -1 for size in wanted) or wanted.count(-1) > 1:
        raise call.refused(f"its target_shape is {wanted}")
    return reshaped(call, _solved(wanted, call.x.shape))


def reshaped(call: Call, target: Shape) -> Value:
    """Its only input with the same numbers in another shape, that of an example."""
    x = call.x
    if weighting.turns(x, target):
        return weighting.turned(call, target)
    if x.time is None and len(x.shape) == 1 and None not in target and prod(n or 0 for n in target) == x.width > (target[0] or 0):
        return replace(x, shape=target, time=False)
    if x.time is None and len(x.shape) == 1:
        if len(target) < 2 or (x.shape[0] is not None and target[0] != x.shape[0]) or prod(size or 1 for size in target[1:]) != 1:
            raise call.refused(f"it makes {target} of a vector of {x.shape[0]}; edgelstm imports it where all are there")
        return replace(x, shape=target, time=True)
    if x.time and (target[:1] != x.shape[:1] or prod(size or 0 for size in target[1:]) != x.width):
        if x.steps is not None and target == (x.steps * x.width,):
            return _flatten(call)
        raise call.refused(f"it makes {target} of {x.shape}, and so mixes timesteps; edgelstm lays the values of each timestep out anew")
    if not x.time and (None in target or prod(size or 0 for size in target) != x.width):
        raise call.refused(f"it makes {target} of {x.shape}, which has other numbers")
    return replace(x, shape=target)


def _solved(wanted: list[int], shape: Shape) -> Shape:
    """A target shape with its -1 resolved, where all other sizes are known."""
    if -1 not in wanted:
        return tuple(wanted)
    known, rest = [size for size in shape if size is not None], prod(size for size in wanted if size != -1)
    if None in shape:
        open_size: int | None = None
    else:
        open_size = prod(known) // rest if rest else 0
    return tuple(open_size if size == -1 else size for size in wanted)


def _permute(call: Call) -> Value:
    return permuted(call, tuple(call.options.take("dims", list)))


def permuted(call: Call, dims: tuple[Any, ...]) -> Value:
    """Its only input with its axes, counted from 1 on, in another order."""
    x = call.x
    if len(x.shape) == 2 and dims == (2, 1) and weighting.turns(x, x.shape[::-1]):
        return weighting.turned(call, x.shape[::-1])
    if not all(type(axis) is int for axis in dims):
        raise call.refused(f"its axes are {printable(dims, 60)}")
    if sorted(dims) == list(range(1, len(x.shape) + 1)) and (x.time is False or (x.steps == 1 and dims[0] != 1)):
        return _turned(call, dims)
    moved = [axis for axis in dims if axis <= len(x.shape) and x.shape[axis - 1] != 1]
    if sorted(dims) != list(range(1, len(x.shape) + 1)) or moved != sorted(moved) or (x.time and dims[0] != 1):
        raise call.refused(f"it moves axes of {x.shape} to the order {dims}; edgelstm imports it where numbers stay in their order")
    return replace(x, shape=tuple(x.shape[axis - 1] for axis in dims))


def _turned(call: Call, dims: tuple[int, ...]) -> Value:
    """A map, or the one timestep that there is, with its axes moved: LSTM-FCN's dimension shuffle."""
    x = replace(call.x, shape=(1, *call.x.features), time=False) if call.x.time else call.x
    return laying.gathered(call.build, call.name, [x], laying.places(x).transpose([axis - 1 for axis in dims]))


def _beside(call: Call, count: int) -> Value:
    """What stands beside a sequence, at each of its timesteps."""
    x = call.x
    if len(x.shape) != 1 or {count} != {shape[0] for shape in call.build.given}:
        raise call.refused(f"it repeats {x.shape}, which stands beside a sequence, {count} times; edgelstm imports one for each timestep")
    return replace(x, shape=(count, *x.shape), time=True, static=False)


def _repeat(call: Call) -> Value:
    """What sums up a sequence, or a vector that the model begins with, at every timestep of another sequence."""
    x, count = call.x, call.options.count("n")
    if x.turned:
        return weighting.repeated(call, count)
    if x.static:
        return _beside(call, count)
    if x.time or len(x.shape) != 1:
        raise call.refused(f"it repeats a vector; it is given a tensor of shape {x.shape}")
    if not 1 <= count <= MOST_REPEATED:
        raise call.refused(f"it repeats its input {count} times; edgelstm imports from 1 to {MOST_REPEATED}")
    if call.build.inside:
        return laying.gathered(call.build, call.name, [x], np.tile(laying.places(x), (count, 1)))
    source = call.build.measured(call.name, x)
    name = call.build.add(Repeat(None if x.over == count else count, **call.at(source)))
    return Value(name, (count, x.width), True)


KINDS = {
    "Flatten": Kind(_flatten, attends=True),
    "Reshape": Kind(_reshape, attends=True),
    "Permute": Kind(_permute, attends=True),
    "RepeatVector": Kind(_repeat, attends=True),
}
