"""Which record each scheme makes of each layer. One table; a further scheme is one more entry."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError, UnsupportedModelError
from ..layers.dense_int8 import DenseInt8
from ..layers.feedforward import Activation, Add, Dense, Embedding, Normalizer, Softmax
from ..layers.integers import LIMIT, MOST_BIAS, MOST_FLOAT_SHIFT, MOST_SHIFT
from ..layers.lstm import LSTM
from ..layers.lstm_int8 import LSTMInt8
from ..layers.record import Layer
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


def _lstm_weight(layer: LSTM, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    """Of weights alone: no window changes it."""
    (weight_ih, scale_ih), (weight_hh, scale_hh) = (quantised_rows(weight) for weight in (layer.weight_ih, layer.weight_hh))
    start: dict[str, Any] = {"h0": layer.h0, "c0": layer.c0, "name": layer.name, "inputs": layer.inputs}
    return LSTMInt8("int8-weight", weight_ih, weight_hh, scale_hh, layer.bias, scale_ih=scale_ih, **start)


def _lstm_dynamic(layer: LSTM, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    if hidden is not None and layer.h0 is not None:
        most = max(hidden.magnitude, float(np.abs(layer.h0).max()))
        hidden = hidden._replace(low=-most, high=most)
    input_scale, hidden_scale = _step(span), _step(hidden)
    powers = [float(np.square(values, dtype=np.float64).mean()) for values in (seen.inputs, seen.outputs)]
    # Where x is calibrated, its integers count as steps of h.
    steps = LIMIT if hidden_scale is None else 1 / float(hidden_scale[0])
    ratio = 1.0 if input_scale is None else float(input_scale[0]) * steps
    weight_ih = np.asarray(layer.weight_ih * np.float32(ratio))
    least = np.abs(layer.bias) * np.float32(2 * steps / MOST_BIAS)  # the bias is an integer of it
    shifts = (-MOST_FLOAT_SHIFT, MOST_FLOAT_SHIFT) if span is None else (0, MOST_SHIFT)
    joint = joint_rows(weight_ih, layer.weight_hh, (powers[0] / ratio**2, powers[1]), shifts, least)
    return LSTMInt8(
        "int8-dynamic",
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


def _dense(scheme: str) -> Rule:
    def rule(layer: Dense, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
        weight, scale = quantised_rows(layer.weight)
        return DenseInt8(scheme, weight, scale, layer.bias, _step(span), name=layer.name, inputs=layer.inputs)

    return rule


def _step(span: Range | None) -> Floats | None:
    return None if span is None else np.array([span.magnitude / LIMIT], np.float32)


def _input_ranges(seen: Seen) -> list[Range | None]:
    """Fixed ranges, and None for a scale of each step. What cannot leave +-1 is covered as far as louder windows take it."""
    if seen.every_input is not None:
        return [ranges(seen.every_input)[0], None]
    return [*ranges(_with(seen.inputs, seen.loud_inputs) if seen.bounded else seen.inputs), None]


def _hidden_ranges(seen: Seen) -> list[Range | None]:
    """+-1, which no h can leave, and what calibration saw, over louder windows too; of a cell that still grows it has not seen all."""
    if seen.cell is None or seen.cell.grows or seen.loud_outputs is None:
        return [None]
    return [None, ranges(_with(seen.outputs, seen.loud_outputs))[0]]


def _with(values: Floats, loud: Floats | None) -> Floats:
    return values if loud is None else np.concatenate([values, loud])


#: Every scheme, by name.
SCHEMES: dict[str, Scheme] = {
    "int8-weight": Scheme({LSTM: _lstm_weight, Dense: _dense("int8-weight")}, lambda seen: [None]),
    "int8-dynamic": Scheme({LSTM: _lstm_dynamic, Dense: _dense("int8-dynamic")}, _input_ranges, _hidden_ranges),
    "int8-static": Scheme({LSTM: static.lstm, Dense: static.dense}, static.input_ranges, integers_only=True),
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
