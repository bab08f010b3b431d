"""Resize and Upsample to the nearest number: which number of an axis each answer is.

Definition: https://onnx.ai/onnx/operators/onnx__Resize.html.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calls import Array, Call

#: Most answers along one axis.
_MOST = 1 << 16

#: By ``nearest_mode``: places between two numbers -> the number that is taken.
_NEAREST: dict[str, Callable[[NDArray[np.float64]], NDArray[Any]]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def resized(call: Call, data: Array) -> list[Array]:
    """The nearest number of each axis to every answer."""
    mode, nearest = call.attribute("mode", "nearest"), call.attribute("nearest_mode", "round_prefer_floor")
    old = call.node.op == "Upsample" or call.opset < 11
    where = "asymmetric" if old else call.attribute("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else nearest
    for name in ("cubic_coeff_a", "exclude_outside", "extrapolation_value", "antialias", "keep_aspect_ratio_policy"):
        call.attribute(name)
    axes = call.attribute("axes")
    if mode != "nearest" or nearest not in _NEAREST:
        call.refuse(f"resizes in mode {mode!r}, which is not imported; the nearest number is")
    for axis, length, scale in _lengths(call, data, axes, old):
        answers = np.arange(length, dtype=np.float64)
        if where in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
            answers = (answers + 0.5) / scale - 0.5 if where != "pytorch_half_pixel" or length > 1 else 0 * answers
        elif where == "align_corners":
            answers = answers * (data.shape[axis] - 1) / max(1, length - 1)
        elif where == "asymmetric":
            answers = answers / scale
        else:
            call.refuse(f"resizes by {where!r}, which is not imported")
        data = data.take(np.clip(_NEAREST[nearest](answers), 0, data.shape[axis] - 1).astype(np.int64), axis)
    return [data]


def _lengths(call: Call, data: Array, axes: list[int] | None, old: bool) -> list[tuple[int, int, float]]:
    """Axes, how many answers they get, and how many times as many that is."""
    at = 1 if old else 2
    scales = call.attribute("scales") if not call.has(at) else call.constant(at).ravel().tolist()
    sizes = call.constant(3).ravel().tolist() if call.has(3) else None
    each = [call.axis(axis, data.ndim) for axis in axes] if axes else list(range(data.ndim))
    if sizes is None and scales:
        sizes = [int(np.floor(data.shape[axis] * scale)) for axis, scale in zip(each, scales, strict=True)]
    else:
        scales = [size / data.shape[axis] for axis, size in zip(each, sizes or (), strict=True)]
    found = [(axis, int(size), float(scale)) for axis, size, scale in zip(each, sizes or (), scales or (), strict=True)]
    if any(not 0 < size <= _MOST or scale <= 0 for _, size, scale in found):
        call.refuse(f"resizes to {sizes}, which is nothing or more than {_MOST} a side")
    return [one for one in found if one[1] != data.shape[one[0]]]
