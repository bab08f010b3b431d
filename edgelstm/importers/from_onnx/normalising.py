"""Normalisation by stored numbers, over the numbers of a frame, and over a recording.

Definitions: https://onnx.ai/onnx/operators/onnx__BatchNormalization.html, onnx__LayerNormalization.html,
onnx__RMSNormalization.html, onnx__InstanceNormalization.html, onnx__GroupNormalization.html.
"""

from collections.abc import Callable

import numpy as np

from ..graph.emitting import layer
from ..graph.norms import grouped_norm
from ..graph.tracing import Flow, Value
from .calls import Array, Call, floats


def _batch_norm(call: Call) -> list[Value]:
    x = call.flow(0)
    epsilon = call.attribute("epsilon", 1e-5)
    call.attribute("momentum")
    call.attribute("spatial")
    if call.attribute("training_mode", 0):
        call.refuse("is in training mode; export the model in evaluation mode")
    scale, bias, mean, variance = (floats(call.constant(i)) for i in range(1, 5))
    factor = scale / np.sqrt(variance + epsilon)
    shape = [-1 if i == min(1, x.ids.ndim - 1) else 1 for i in range(x.ids.ndim)]
    return [call.tracer.scale(x, factor.reshape(shape), (bias - mean * factor).reshape(shape))]


def _layer_norm(call: Call) -> list[Value]:
    x, weight = call.flow(0), call.constant(1)
    axis = call.axis(call.attribute("axis", -1), x.ids.ndim)
    epsilon = call.attribute("epsilon", 1e-5)
    call.attribute("stash_type")
    flat = Flow(x.ids.reshape(*x.shape[:axis], -1))
    width = flat.shape[-1]
    bias = np.broadcast_to(call.constant(2) if call.has(2) else np.zeros(1), x.shape[axis:]).ravel()
    given = {"weight": np.broadcast_to(weight, x.shape[axis:]).ravel(), "bias": bias, "epsilon": float(epsilon)}
    out = call.tracer.rows(flat, lambda: layer("LayerNorm", call.tracer.place, **given), width)
    return [Flow(out.ids.reshape(x.shape))]


def _rms_norm(call: Call) -> list[Value]:
    x, weight = call.flow(0), call.constant(1)
    axis = call.axis(call.attribute("axis", -1), x.ids.ndim)
    given = {"weight": np.broadcast_to(weight, x.shape[axis:]).ravel(), "epsilon": float(call.attribute("epsilon", 1e-5))}
    call.attribute("stash_type")
    flat = Flow(x.ids.reshape(*x.shape[:axis], -1))
    out = call.tracer.rows(flat, lambda: layer("RMSNorm", call.tracer.place, **given), flat.shape[-1])
    return [Flow(out.ids.reshape(x.shape))]


def _instance_norm(call: Call) -> list[Value]:
    return [_over_groups(call, call.flow(0).shape[1])]


def _group_norm(call: Call) -> list[Value]:
    call.attribute("stash_type")
    return [_over_groups(call, call.attribute("num_groups"))]


def _over_groups(call: Call, groups: int) -> Flow:
    """Groups of neighbouring channels of (batch, channels, axes …), with weights of each channel, or of each group."""
    x, channels = call.flow(0), call.flow(0).shape[1]
    if x.ids.ndim < 2 or not 0 < groups <= channels or channels % groups:
        call.refuse(f"divides the channels of an array of shape {x.shape} into {groups} groups")
    weight, bias = _each(call, 1, channels), _each(call, 2, channels)
    return grouped_norm(call.tracer, x, groups, weight, bias, float(call.attribute("epsilon", 1e-5)))


def _each(call: Call, index: int, channels: int) -> Array:
    """A number for each channel, of which an input has one for each channel or group."""
    given = floats(call.constant(index)).ravel()
    if not given.size or channels % given.size:
        call.refuse(f"has {given.size} weights for {channels} channels")
    return np.repeat(given, channels // given.size)


#: By operator.
NORMALISING: dict[str, Callable[[Call], list[Value]]] = {
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
}
