"""How large an input may be, so that no intermediate value of a model can overflow float32."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import CompileError
from ..model import INPUT, Model

#: Largest magnitude of an initial cell for which the gates' common denominator cannot overflow. A cell that grows by itself stays below
#: 2**24, where float32 no longer counts ones.
LARGEST_CELL = 1e9


class Reach(NamedTuple):
    """No value inside a layer exceeds ``gain * |input| + offset``, and none that leaves it exceeds `most`."""

    gain: float
    offset: float
    most: float = float("inf")


def _row_sums(weight: Any, scale: Any = 1.0) -> Any:
    return np.abs(weight).sum(axis=1, dtype=np.float64) * scale


def _largest(array: Any) -> float:
    return float(np.abs(array).max())


def _lstm(layer: Any) -> Reach:
    if layer.c0 is not None and _largest(layer.c0) > LARGEST_CELL:
        raise CompileError(
            f"{layer.label}: c0 reaches {_largest(layer.c0):.1e}; cells beyond {LARGEST_CELL:.0e} overflow. Check its source."
        )
    scales, units, factor = (1.0, 1.0), (1.0, 1.0), 0.0
    if layer.kind == "lstm_int8":
        scales = layer.weight_scale_ih, layer.scale_hh
        units = (_unit(layer.product_scale),) * 2
        if layer.scheme == "int8-weight":
            units = _unit(layer.scale_ih), _unit(layer.scale_hh)
        elif layer.input_scale is None:
            factor = float(layer.hidden_steps) * 2.0**layer.input_shift  # of an integer of x's products
    state = 1.0 if layer.h0 is None else max(1.0, _largest(layer.h0))
    recurrent = (_row_sums(layer.weight_hh, scales[1]) * state + np.abs(layer.bias)) / units[1]
    return Reach(max(_largest(_row_sums(layer.weight_ih, scales[0]) / units[0]), factor), _largest(recurrent), state)


def _unit(scale: Any) -> Any:
    """What sums are counted in before they are multiplied by the scales of their rows, where that is less than 1."""
    return np.minimum(scale.astype(np.float64), 1.0)


def _dense(layer: Any) -> Reach:
    scale, unit = (layer.scale, _unit(layer.scale)) if layer.kind == "dense_int8" else (1.0, 1.0)
    return Reach(_largest(_row_sums(layer.weight, scale) / unit), _largest(layer.bias))


def _normalizer(layer: Any) -> Reach:
    inverse = np.maximum(1 / np.abs(layer.scale.astype(np.float64)), 1)
    return Reach(_largest(inverse), _largest(layer.mean * inverse))


def _integers(layer: Any) -> Reach:
    scale = layer.hidden_scale if layer.kind == "lstm_int8_static" else layer.output_scale
    return Reach(_largest(1 / layer.input_scale), 128.0, 256 * _largest(scale))


#: By kind of layer. Those that are not here pass values on as they are.
_REACH: dict[str, Callable[[Any], Reach]] = {
    "lstm": _lstm,
    "lstm_int8": _lstm,
    "lstm_int8_static": _integers,
    "dense": _dense,
    "dense_int8": _dense,
    "dense_int8_static": _integers,
    "normalizer": _normalizer,
    "embedding": lambda layer: Reach(0.0, _largest(layer.weight)),
    "softmax": lambda _layer: Reach(1.0, 0.0, 1.0),
    "activation": lambda layer: Reach(1.0, 0.0, 1.0 if layer.function in ("tanh", "sigmoid") else float("inf")),
}


def input_limit(model: Model) -> float:
    """Largest power of two that inputs may reach without any intermediate value leaving a quarter of float32's range.

    Raises
    ------
    CompileError
        If the weights are so large that there is none, or an initial cell is.
    """
    bound = float(np.finfo(np.float32).max) / 4
    reaches = [_REACH[layer.kind](layer) if layer.kind in _REACH else Reach(1.0, 0.0) for layer in model.layers]
    for exponent in range(126, -127, -1):
        values = {INPUT: 2.0**exponent}
        most = 0.0
        for layer, reach in zip(model.layers, reaches, strict=True):
            given = [values[name] for name in layer.inputs]
            inner = reach.gain * (sum(given) if layer.kind == "add" else max(given)) + reach.offset
            most = max(most, inner)
            values[layer.name] = min(inner, reach.most)
        if most <= bound:
            return 2.0**exponent
    raise CompileError("the model's weights are so large that any input overflows float32. Check the file that it was converted from.")
