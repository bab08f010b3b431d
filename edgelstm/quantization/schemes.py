"""Which record each scheme makes of each layer. One table; a further scheme is one more entry."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError, UnsupportedModelError
from ..layers import LSTM, Activation, Add, Dense, Embedding, Layer, Normalizer, Softmax
from ..layers_int8 import LIMIT, DenseInt8, LSTMInt8
from . import static
from .calibration import Range, Seen, ranges
from .trace import Floats
from .weights import quantised_rows

#: A layer, what it met, and the range of its input or None for a scale of each step -> the quantised record.
Rule = Callable[[Any, Seen, Range | None], Layer]

#: Layers that no scheme touches: they hold little and multiply nothing.
UNTOUCHED = (Activation, Softmax, Normalizer, Add, Embedding)


class Scheme(NamedTuple):
    """How a scheme quantises.

    Parameters
    ----------
    rules : dict
        By type of float layer.
    candidates : callable
        What to try for a layer's input, most preferred first. A layer that reads integers takes their range instead.
    integers_only : bool
        Whether a float32 Dense layer beside would miss what the scheme is for.
    """

    rules: dict[type[Layer], Rule]
    candidates: Callable[[Seen], list[Range | None]]
    integers_only: bool = False


def _lstm(scheme: str) -> Rule:
    def rule(layer: LSTM, seen: Seen, span: Range | None) -> Layer:
        weight_ih, scale_ih = quantised_rows(layer.weight_ih)
        weight_hh, scale_hh = quantised_rows(layer.weight_hh)
        return LSTMInt8(
            scheme,
            weight_ih,
            weight_hh,
            scale_ih,
            scale_hh,
            layer.bias,
            _step(span),
            layer.h0,
            layer.c0,
            name=layer.name,
            inputs=layer.inputs,
        )

    return rule


def _dense(scheme: str) -> Rule:
    def rule(layer: Dense, seen: Seen, span: Range | None) -> Layer:
        weight, scale = quantised_rows(layer.weight)
        return DenseInt8(scheme, weight, scale, layer.bias, _step(span), name=layer.name, inputs=layer.inputs)

    return rule


def _step(span: Range | None) -> Floats | None:
    return None if span is None else np.array([span.magnitude / LIMIT], np.float32)


#: Every scheme, by name.
SCHEMES: dict[str, Scheme] = {
    "int8-weight": Scheme({LSTM: _lstm("int8-weight"), Dense: _dense("int8-weight")}, lambda seen: [None]),
    "int8-dynamic": Scheme({LSTM: _lstm("int8-dynamic"), Dense: _dense("int8-dynamic")}, lambda seen: [*ranges(seen.inputs), None]),
    "int8-static": Scheme({LSTM: static.lstm, Dense: static.dense}, lambda seen: [*ranges(seen.inputs)], integers_only=True),
}


def quantised(layer: Layer, scheme: str, seen: Seen, span: Range | None) -> Layer:
    """The record that `scheme` makes of a layer.

    Raises
    ------
    UnsupportedModelError
        If it cannot; the message names the layer and the reason.
    """
    rule = SCHEMES[scheme].rules.get(type(layer))
    if rule is None:
        raise UnsupportedModelError(f"{layer.label}: {scheme} has no rule for layers of type {type(layer).__name__}.")
    try:
        return rule(layer, seen, span)
    except ShapeError as problem:
        raise UnsupportedModelError(f"{scheme}: {problem}") from None
