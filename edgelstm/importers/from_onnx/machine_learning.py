"""Operators of the domain ai.onnx.ml, which scikit-learn's converter writes around networks.

Definitions: https://onnx.ai/onnx/operators/#ai-onnx-ml.
"""

from collections.abc import Callable

import numpy as np

from ..graph.tracing import Value
from .calls import Call, floats


def _scaler(call: Call) -> list[Value]:
    """``(x - offset) * scale``, each one number or one for each along the last axis."""
    offset, scale = (floats(np.asarray(call.attribute(name) or [default])) for name, default in (("offset", 0.0), ("scale", 1.0)))
    return [call.tracer.scale(call.flow(0), scale, -offset * scale)]


def _linear(call: Call) -> list[Value]:
    """LinearRegressor: a row of coefficients for each target."""
    x, targets = call.flow(0), int(call.attribute("targets", 1))
    if (how := call.attribute("post_transform", "NONE")) != "NONE":
        call.refuse(f"passes its answers through {how}, which is not imported; export without post_transform")
    weight = floats(np.asarray(call.attribute("coefficients"))).reshape(targets, -1)
    if x.ids.ndim != 2 or x.shape[1] != weight.shape[1]:
        call.refuse(f"has {weight.shape[1]} coefficients a target and reads an array of shape {x.shape}")
    out = call.tracer.affine(x, weight.T)
    bias = call.attribute("intercepts")
    return [out if bias is None else call.tracer.scale(out, 1, np.asarray(bias, np.float64))]


#: By domain and operator.
MACHINE_LEARNING: dict[tuple[str, str], Callable[[Call], list[Value]]] = {
    ("ai.onnx.ml", "Scaler"): _scaler,
    ("ai.onnx.ml", "LinearRegressor"): _linear,
}
