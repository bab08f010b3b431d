"""Keras' layers that scale and shift each number: normalisations, rescaling, and slopes of channels."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.channelwise import BatchNorm, PReLU
from ...layers.feedforward import Normalizer
from ...layers.norms import LayerNorm, RMSNorm, UnitNormalization
from . import laying
from .build import Value
from .kinds import Call, Kind, named
from .settings import Spec
from .weights import Slot


def _batch_norm_slots(spec: Spec) -> list[Slot]:
    trained = [Slot((), name) for name, flag in (("gamma", "scale"), ("beta", "center")) if spec.flag(flag, True)]
    return [*trained, Slot((), "moving_mean", False), Slot((), "moving_variance", False)]


def _batch_norm(call: Call) -> Value:
    x = call.x
    call.options.must_be("mode", 0)
    axis = call.feature_axis(call.options.take("axis", object, -1))
    channels = (x.features[axis],) if x.width else ()  # a width that the file leaves open is refused here
    arrays = {name: call.arrays.get(name, channels).astype(np.float64) for name in _order(call)}
    scale = arrays.get("gamma", np.float64(1)) / np.sqrt(arrays["moving_variance"] + call.options.take("epsilon", float, 1e-3))
    offset = arrays.get("beta", np.float64(0)) - scale * arrays["moving_mean"]
    call.options.drop("scale", "center")
    record = BatchNorm(_along(scale, x, axis), _along(offset, x, axis), **call.at(x))
    return replace(x, name=call.build.add(record))


def _along(values: NDArray[Any], x: Value, axis: int) -> NDArray[Any]:
    """Numbers of one axis of the features, for every value of a timestep."""
    features = [size or 1 for size in x.features]
    return np.broadcast_to(values.reshape([-1 if at == axis else 1 for at in range(len(features))]), features).reshape(-1)


def _order(call: Call) -> list[str]:
    return [slot.name for slot in _batch_norm_slots(call.spec)]


def _tiled(values: NDArray[Any], x: Value) -> NDArray[Any]:
    """Numbers of channels, which are the last dimension, for every value of a timestep."""
    return np.tile(values, x.width // values.size)


def _layer_norm_slots(spec: Spec) -> list[Slot]:
    return [Slot((), name) for name, flag in (("gamma", "scale"), ("beta", "center")) if spec.flag(flag, True)]


def _layer_norm(call: Call) -> Value:
    x, given_axes = call.vectors, call.options.take("axis", object, -1)
    axes = sorted(replace(call, inputs=[x]).feature_axis(axis) for axis in (given_axes if isinstance(given_axes, list) else [given_axes]))
    sizes = [size or 0 for size in x.features[axes[0] :]] if axes else []
    if axes != list(range(len(x.features)))[-len(axes) :]:
        raise call.refused(f"it goes along axes {given_axes} of a tensor of shape {x.shape}; edgelstm imports the last ones")
    channels = prod(sizes)
    epsilon, rms = call.options.take("epsilon", float, 1e-3), call.options.take("rms_scaling", bool, False)
    given = {name: _tiled(call.arrays.get(name, sizes).ravel(), x) for name in ("gamma", "beta") if name in call.arrays}
    call.options.drop("scale", "center")
    weight = given.get("gamma", np.ones(x.width))
    if rms:
        raise call.refused("its rms_scaling divides by the deviation and subtracts no mean, which edgelstm does not import")
    return replace(x, name=call.build.add(LayerNorm(weight, given.get("beta"), epsilon, x.width // channels, **call.at(x))))


def _group_norm(call: Call) -> Value:
    """Each group of channels by its own mean and variance: over all timesteps, or over the rows of a map."""
    x, groups = call.x, call.options.take("groups", int, 32)
    call.options.must_be("axis", -1, len(x.shape), [-1], [len(x.shape)])
    channels, epsilon = x.features[-1] or 0 if x.features else 0, call.options.take("epsilon", float, 1e-3)
    groups = channels if groups == -1 else groups
    if not channels or groups < 1 or channels % groups or x.mask is not None or (x.time and len(x.features) != 1):
        raise call.refused(f"it is imported on one vector a timestep, or the rows of a map, without a mask; it is given {x.shape}")
    given = {name: call.arrays.get(name, (channels,)) for name in ("gamma", "beta") if name in call.arrays}
    call.options.drop("scale", "center")
    weight, bias = given.get("gamma", np.ones(channels)), given.get("beta", np.zeros(channels))
    if x.time:
        return replace(x, name=call.build.add(LayerNorm(weight, bias, epsilon, groups, "recording", **call.at(x))))
    places = laying.places(x)
    turned = np.moveaxis(places.reshape(-1, groups, channels // groups), 1, 0)  # (groups, rows, channels of one)
    y = laying.gathered(call.build, f"{call.name}.turned", [x], turned)
    each = turned.ravel() % channels
    y = replace(y, name=call.build.add(LayerNorm(weight[each], bias[each], epsilon, groups, **call.at(y))))
    return laying.gathered(call.build, f"{call.name}.back", [y], np.argsort(turned.ravel()).reshape(places.shape))


def _rms_norm(call: Call) -> Value:
    x = call.flat
    call.options.must_be("axis", -1, len(x.shape), [-1], [len(x.shape)])
    weight = call.arrays.get("scale", (x.width,))
    return replace(x, name=call.build.add(RMSNorm(weight, call.options.take("epsilon", float, 1e-6), **call.at(x))))


def _unit_norm(call: Call) -> Value:
    call.options.must_be("axis", -1, len(call.x.shape), [-1])
    return replace(call.flat, name=call.build.add(UnitNormalization(**call.at())))


def _normalization_slots(spec: Spec) -> list[Slot]:
    if spec.config.get("mean") is not None:
        return []
    return [Slot((), name, False) for name in ("mean", "variance", "count")]


def _normalization(call: Call) -> Value:
    """``(x - mean) / max(sqrt(variance), 1e-7)``, or the inverse."""
    x, said = call.x, call.options.take("axis", object, -1)
    axes = sorted(call.feature_axis(axis) for axis in (said if isinstance(said, list) else [] if said is None else [said]))
    sizes = [x.features[axis] for axis in axes]
    given = {name: call.options.take(name, object, None) for name in ("mean", "variance")}
    if given["mean"] is None:
        given = {name: call.arrays.get(name, sizes) for name in given}
    along = [size if axis in axes else 1 for axis, size in enumerate(x.features)]
    mean, variance = (_everywhere(np.asarray(given[name], np.float64), along, x) for name in ("mean", "variance"))
    scale = np.maximum(np.sqrt(variance), 1e-7)
    if call.options.take("invert", bool, False):
        return replace(x, name=call.build.add(BatchNorm(scale, mean, **call.at(x))))
    return replace(x, name=call.build.add(Normalizer(mean, scale, **call.at(x))))


def _everywhere(values: NDArray[Any], along: list[int | None], x: Value) -> NDArray[Any]:
    """Numbers of some axes of the features, or one for all of these, for every value of a timestep."""
    shaped = values.reshape(-1)[:1].reshape([1] * len(along)) if values.size == 1 else values.reshape([size or 1 for size in along])
    return np.broadcast_to(shaped, [size or 1 for size in x.features]).reshape(-1)


def _rescaling(call: Call) -> Value:
    x = call.x
    scale, offset = (
        np.broadcast_to(np.asarray(call.options.take(name, object, default), np.float64), (x.features[-1] or 1,))
        for name, default in (("scale", 1.0), ("offset", 0.0))
    )
    return replace(x, name=call.build.add(BatchNorm(_tiled(scale, x), _tiled(offset, x), **call.at(x))))


def _prelu(call: Call) -> Value:
    x, axes = call.x, call.options.take("shared_axes", list, None) or []
    slope = call.arrays.get("alpha", tuple(1 if axis + 1 in axes else size for axis, size in enumerate(x.shape)))
    if x.time and (not axes or 1 not in axes) and x.steps != 1:
        raise call.refused("it has a slope for each timestep; edgelstm has one for each channel (shared_axes=[1])")
    slope = np.broadcast_to(slope[0] if x.time else slope, [size or 1 for size in x.features]).reshape(-1)
    return replace(x, name=call.build.add(PReLU(slope, **call.at(x))))


KINDS = {
    "BatchNormalization": Kind(_batch_norm, _batch_norm_slots),
    "LayerNormalization": Kind(_layer_norm, _layer_norm_slots),
    "GroupNormalization": Kind(_group_norm, _layer_norm_slots),
    "RMSNormalization": Kind(_rms_norm, named("scale", biased=False)),
    "UnitNormalization": Kind(_unit_norm),
    "Normalization": Kind(_normalization, _normalization_slots),
    "Rescaling": Kind(_rescaling),
    "PReLU": Kind(_prelu, named("alpha", biased=False)),
}
