"""Keras' layers that scale and shift each number: normalisations, rescaling, and slopes of channels."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.channelwise import BatchNorm, PReLU
from ...layers.feedforward import Normalizer
from ...layers.norms import LayerNorm, RMSNorm, UnitNormalization
from .build import Value
from .kinds import Call, Kind, named
from .settings import Spec
from .weights import Slot


def _batch_norm_slots(spec: Spec) -> list[Slot]:
    trained = [Slot((), name) for name, flag in (("gamma", "scale"), ("beta", "center")) if spec.flag(flag, True)]
    return [*trained, Slot((), "moving_mean", False), Slot((), "moving_variance", False)]


def _batch_norm(call: Call) -> Value:
    x = call.x
    last = len(x.shape)
    call.options.must_be("axis", -1, last, [-1], [last])
    call.options.must_be("mode", 0)
    channels = (x.features[-1],)
    arrays = {name: call.arrays.get(name, channels).astype(np.float64) for name in _order(call)}
    scale = arrays.get("gamma", np.float64(1)) / np.sqrt(arrays["moving_variance"] + call.options.take("epsilon", float, 1e-3))
    offset = arrays.get("beta", np.float64(0)) - scale * arrays["moving_mean"]
    call.options.drop("scale", "center")
    record = BatchNorm(_tiled(scale, x), _tiled(offset, x), **call.at(x))
    return replace(x, name=call.build.add(record))


def _order(call: Call) -> list[str]:
    return [slot.name for slot in _batch_norm_slots(call.spec)]


def _tiled(values: NDArray[Any], x: Value) -> NDArray[Any]:
    """Numbers of channels, which are the last dimension, for every value of a timestep."""
    return np.tile(values, x.width // values.size)


def _layer_norm_slots(spec: Spec) -> list[Slot]:
    return [Slot((), name) for name, flag in (("gamma", "scale"), ("beta", "center")) if spec.flag(flag, True)]


def _layer_norm(call: Call) -> Value:
    x, channels = call.vectors, call.vectors.features[-1] or 0
    call.options.must_be("axis", -1, len(x.shape), [-1], [len(x.shape)])
    epsilon, rms = call.options.take("epsilon", float, 1e-3), call.options.take("rms_scaling", bool, False)
    given = {name: _tiled(call.arrays.get(name, (channels,)), x) for name in ("gamma", "beta") if name in call.arrays}
    call.options.drop("scale", "center")
    weight = given.get("gamma", np.ones(x.width))
    if rms:
        raise call.refused("its rms_scaling divides by the deviation and subtracts no mean, which edgelstm does not import")
    return replace(x, name=call.build.add(LayerNorm(weight, given.get("beta"), epsilon, x.width // channels, **call.at(x))))


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
    x = call.x
    call.options.must_be("axis", -1, [-1], [len(x.shape)], len(x.shape))
    given = {name: call.options.take(name, object, None) for name in ("mean", "variance")}
    if given["mean"] is None:
        given = {name: call.arrays.get(name, (x.features[-1],)) for name in given}
    mean, variance = (np.broadcast_to(np.asarray(given[n], np.float64).reshape(-1), (x.features[-1] or 1,)) for n in ("mean", "variance"))
    scale = np.maximum(np.sqrt(variance), 1e-7)
    if call.options.take("invert", bool, False):
        return replace(x, name=call.build.add(BatchNorm(_tiled(scale, x), _tiled(mean, x), **call.at(x))))
    return replace(x, name=call.build.add(Normalizer(_tiled(mean, x), _tiled(scale, x), **call.at(x))))


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
    "RMSNormalization": Kind(_rms_norm, named("scale", biased=False)),
    "UnitNormalization": Kind(_unit_norm),
    "Normalization": Kind(_normalization, _normalization_slots),
    "Rescaling": Kind(_rescaling),
    "PReLU": Kind(_prelu, named("alpha", biased=False)),
}
