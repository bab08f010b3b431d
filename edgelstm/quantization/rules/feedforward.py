"""Rules of the layers around recurrent ones."""

from collections.abc import Callable

from ...layers import record_of
from ...layers.feedforward import Dense
from ...layers.record import Layer
from ..calibration import Range, Seen
from ..weights import quantised_rows
from . import UNTOUCHED, Rule, in_half
from .scales import grid, multipliers, output_span, rows, step_of


def dense(scheme: str) -> Rule:
    """Of weights, and of x too where the scheme rounds it."""

    def rule(layer: Dense, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
        weight, scale = quantised_rows(layer.weight)
        int8: Callable[..., Layer] = record_of("dense_int8")
        return int8(scheme, weight, scale, layer.bias, step_of(span), name=layer.name, inputs=layer.inputs)

    return rule


def dense_static(layer: Dense, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    """Of everything."""
    assert span is not None
    x, y = grid(span), grid(output_span(seen))
    weight, bias, products = rows(layer.weight, layer.bias, x.scale)
    mantissa, shift = multipliers(layer, products / y.scale)
    integers: Callable[..., Layer] = record_of("dense_int8_static")
    return integers(weight, mantissa, shift, [x.scale], x.zero_point, [y.scale], y.zero_point, bias, name=layer.name, inputs=layer.inputs)


RULES = {
    "dense": {
        "f16-weight": in_half,
        "int8-weight": dense("int8-weight"),
        "int8-dynamic": dense("int8-dynamic"),
        "int8-static": dense_static,
    },
    "activation": UNTOUCHED,
    "softmax": UNTOUCHED,
    "log_softmax": UNTOUCHED,
    "embedding": UNTOUCHED,
    "normalizer": UNTOUCHED,
    "add": UNTOUCHED,
}
