"""Rules of GRU layers."""

from collections.abc import Callable

from ...errors import UnsupportedModelError
from ...layers import record_of
from ...layers.gru import GRU
from ...layers.record import Layer
from ..calibration import Range, Seen
from ..trace import Floats
from ..weights import quantised_rows
from . import Rule, in_half, kept
from .scales import state_step, step_of


def of_rows(scheme: str) -> Rule:
    """Of weights, and of x and h too where the scheme rounds them."""

    def rule(layer: GRU, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
        dynamic = scheme == "int8-dynamic"
        return made(layer, scheme, step_of(span) if dynamic else None, state_step(layer, seen, hidden) if dynamic else None)

    return rule


def made(layer: GRU, scheme: str, input_scale: Floats | None, hidden_scale: Floats | None) -> Layer:
    """The record."""
    (weight_ih, scale_ih), (weight_hh, scale_hh) = (quantised_rows(weight) for weight in (layer.weight_ih, layer.weight_hh))
    int8: Callable[..., Layer] = record_of("gru_int8")
    return int8(
        scheme,
        weight_ih,
        weight_hh,
        scale_ih,
        scale_hh,
        layer.bias_ih,
        layer.bias_hh,
        h0=layer.h0,
        input_scale=input_scale,
        hidden_scale=hidden_scale,
        reset_after=layer.reset_after,
        gate_activation=layer.gate_activation,
        cell_activation=layer.cell_activation,
        gate_clip=layer.gate_clip,
        **kept(layer),
    )


def static(layer: GRU, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    raise UnsupportedModelError(f"{layer.label}: int8-static has no GRU layers; int8-weight and int8-dynamic have. Keep it in f32.")


RULES = {
    "gru": {"f16-weight": in_half, "int8-weight": of_rows("int8-weight"), "int8-dynamic": of_rows("int8-dynamic"), "int8-static": static}
}
