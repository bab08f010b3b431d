"""What traces share: numbers rounded to a layer's integers and back, all in float32."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.integers import LIMIT
from ...layers.record import Layer
from ...reference.functions import quantised

Floats = NDArray[np.float32]


def rounded(layer: Layer, x: Floats) -> Floats:
    """What the products of `layer` see of x (..., input_size): x itself where the layer reads float32."""
    return _ROUNDED[layer.numbers](layer, x)


def _dynamic(layer: Any, x: Floats) -> Floats:
    scale = layer.input_scale
    return to_steps(x, 1 / scale if scale is not None else LIMIT / np.maximum(np.abs(x).max(axis=-1, keepdims=True), np.float32(1e-30)))


#: What a layer's products see of x, by what it computes in.
_ROUNDED: dict[str, Callable[[Any, Floats], Floats]] = {
    "f32": lambda layer, x: x,
    "f16-weight": lambda layer, x: x,
    "int8-weight": lambda layer, x: x,
    "int8-dynamic": _dynamic,
    "int8-static": lambda layer, x: on_grid(x, layer.input_scale, layer.input_zero_point),
}


def to_steps(x: Floats, steps: Any) -> Floats:
    """Rounded to symmetric int8, `steps` integers a unit, and back."""
    return np.asarray(quantised(x, steps) / steps, np.float32)


def on_grid(x: Floats, scale: Floats, zero_point: int) -> Floats:
    """Rounded to int8 and back."""
    return np.asarray((np.clip(np.rint(x / scale) + zero_point, -128, 127) - zero_point) * scale, np.float32)


def int16(x: Floats, bits: int) -> Floats:
    """Rounded to int16 with `bits` behind the point, and back."""
    one = np.float32(1 << bits)
    return np.asarray(np.clip(np.rint(x * one), -32768, 32767) / one)


def at_ends(layer: Layer, y: Floats) -> NDArray[np.bool_]:
    """Which outputs of a layer that has an `output_grid` are its smallest or largest integer."""
    assert layer.output_grid is not None
    scale, zero_point = layer.output_grid
    return np.asarray(np.isin(np.rint(y / scale) + zero_point, (-128, 127)))


def float_rows(weight: NDArray[np.int8], scale: Floats) -> Floats:
    """Weights in float32: (rows, columns) times the scales of the rows."""
    return np.asarray(weight * scale[:, None])


def factors(mantissa: NDArray[np.int32], shift: NDArray[np.int8], rows: int) -> Floats:
    """What the sums of each row are multiplied by: (rows,)."""
    each = np.ldexp(mantissa / (1 << 31), shift).astype(np.float32)
    return np.repeat(each, rows // each.size)
