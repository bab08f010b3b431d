"""Which record each scheme makes of each layer. One table; a further scheme is one more entry."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError, UnsupportedModelError
from ..layers import LSTM, Activation, Add, Dense, Embedding, Layer, Normalizer, Softmax
from ..layers_int8 import LIMIT, MOST_BIAS, MOST_SHIFT, DenseInt8, LSTMInt8
from . import static
from .calibration import Range, Seen, ranges
from .trace import Floats
from .weights import joint_rows, quantised_rows

#: A layer, what it met, and the ranges of its input and of its state, or None for a scale of each step and for +-1 -> the quantised record.
Rule = Callable[[Any, Seen, Range | None, Range | None], Layer]

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
    hidden : callable
        The same for its state: for layers without one, None alone.
    integers_only : bool
        Whether a float32 Dense layer beside would miss what the scheme is for.
    """

    rules: dict[type[Layer], Rule]
    candidates: Callable[[Seen], list[Range | None]]
    hidden: Callable[[Seen], list[Range | None]] = lambda seen: [None]
    integers_only: bool = False


def _lstm(scheme: str) -> Rule:
    def rule(layer: LSTM, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
        if hidden is not None and layer.h0 is not None:
            most = max(hidden.magnitude, float(np.abs(layer.h0).max()))
            hidden = hidden._replace(low=-most, high=most)
        input_scale, hidden_scale = _step(span), _step(hidden)
        powers = [float(np.square(values, dtype=np.float64).mean()) for values in (seen.inputs, seen.outputs)]
        # Where x is calibrated, its integers count as steps of h.
        steps = LIMIT if hidden_scale is None else 1 / float(hidden_scale[0])
        ratio = 1.0 if input_scale is None else float(input_scale[0]) * steps
        weight_ih = np.asarray(layer.weight_ih * np.float32(ratio))
        least = np.abs(layer.bias) * np.float32(2 * steps / MOST_BIAS) if scheme == "int8-dynamic" else None  # the bias is an integer of it
        joint = joint_rows(weight_ih, layer.weight_hh, (powers[0] / ratio**2, powers[1]), -MOST_SHIFT if span is None else 0, least)
        return LSTMInt8(
            scheme,
            joint.first,
            joint.second,
            joint.scale,
            layer.bias,
            input_scale,
            hidden_scale,
            joint.shift,
            layer.h0,
            layer.c0,
            name=layer.name,
            inputs=layer.inputs,
        )

    return rule


def _dense(scheme: str) -> Rule:
    def rule(layer: Dense, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
        weight, scale = quantised_rows(layer.weight)
        return DenseInt8(scheme, weight, scale, layer.bias, _step(span), name=layer.name, inputs=layer.inputs)

    return rule


def _step(span: Range | None) -> Floats | None:
    return None if span is None else np.array([span.magnitude / LIMIT], np.float32)


def _hidden_ranges(seen: Seen) -> list[Range | None]:
    """+-1, which no h can leave, and what calibration saw; of a cell that still grows it has not seen all."""
    if seen.cell is None or seen.cell.grows:
        return [None]
    return [None, ranges(seen.outputs)[0]]


#: Every scheme, by name.
SCHEMES: dict[str, Scheme] = {
    "int8-weight": Scheme({LSTM: _lstm("int8-weight"), Dense: _dense("int8-weight")}, lambda seen: [None]),
    "int8-dynamic": Scheme(
        {LSTM: _lstm("int8-dynamic"), Dense: _dense("int8-dynamic")}, lambda seen: [*ranges(seen.inputs), None], _hidden_ranges
    ),
    "int8-static": Scheme({LSTM: static.lstm, Dense: static.dense}, lambda seen: [*ranges(seen.inputs)], integers_only=True),
}


def quantised(layer: Layer, scheme: str, seen: Seen, span: Range | None, hidden: Range | None = None) -> Layer:
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
        return rule(layer, seen, span, hidden)
    except ShapeError as problem:
        raise UnsupportedModelError(f"{scheme}: {problem}") from None
