"""Rules of RNN layers."""

from collections.abc import Callable

from ...errors import UnsupportedModelError
from ...layers import record_of
from ...layers.record import Layer
from ...layers.rnn import RNN
from ..calibration import Range, Seen
from ..trace import Floats
from ..weights import quantised_rows
from . import Rule, kept, without_half
from .scales import state_step, step_of


def of_rows(scheme: str) -> Rule:
    """Of weights, and of x and h too where the scheme rounds them."""

    def rule(layer: RNN, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
        dynamic = scheme == "int8-dynamic"
        return made(layer, scheme, step_of(span) if dynamic else None, state_step(layer, seen, hidden) if dynamic else None)

    return rule


def made(layer: RNN, scheme: str, input_scale: Floats | None, hidden_scale: Floats | None) -> Layer:
    """The record."""
    (weight_ih, scale_ih), (weight_hh, scale_hh) = (quantised_rows(weight) for weight in (layer.weight_ih, layer.weight_hh))
    int8: Callable[..., Layer] = record_of("rnn_int8")
    return int8(
        scheme,
        weight_ih,
        weight_hh,
        scale_ih,
        scale_hh,
        layer.bias,
        h0=layer.h0,
        input_scale=input_scale,
        hidden_scale=hidden_scale,
        activation=layer.activation,
        gate_clip=layer.gate_clip,
        **kept(layer),
    )


def static(layer: RNN, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    raise UnsupportedModelError(f"{layer.label}: int8-static has no RNN layers; int8-weight and int8-dynamic have. Keep it in f32.")


RULES = {
    "rnn": {
        "f16-weight": without_half,
        "int8-weight": of_rows("int8-weight"),
        "int8-dynamic": of_rows("int8-dynamic"),
        "int8-static": static,
    }
}
