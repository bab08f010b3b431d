"""What rules of layers share whose state is h alone: rows of weights in int8, with x and h where the scheme rounds them."""

from collections.abc import Callable
from typing import Any

from ...errors import UnsupportedModelError
from ...layers import record_of
from ...layers.record import Layer
from ..calibration import Range, Seen
from ..weights import quantised_rows
from . import Rule, kept
from .scales import state_step, step_of


def rules_of_rows(kind: str, half: Rule, options: tuple[str, ...]) -> dict[str, Rule]:
    """Rules for every scheme.

    Parameters
    ----------
    kind : str
        Of the record in int8.
    half : Rule
        The one of f16-weight.
    options : tuple of str
        Fields that both records have, biases among them.
    """
    int8 = {scheme: _of_rows(scheme, kind, options) for scheme in ("int8-weight", "int8-dynamic")}
    return {"f16-weight": half, **int8, "int8-static": _static}


def _of_rows(scheme: str, kind: str, options: tuple[str, ...]) -> Rule:
    def rule(layer: Any, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
        (weight_ih, scale_ih), (weight_hh, scale_hh) = (quantised_rows(weight) for weight in (layer.weight_ih, layer.weight_hh))
        dynamic = scheme == "int8-dynamic"
        made: Callable[..., Layer] = record_of(kind)
        return made(
            scheme=scheme,
            weight_ih=weight_ih,
            weight_hh=weight_hh,
            scale_ih=scale_ih,
            scale_hh=scale_hh,
            h0=layer.h0,
            input_scale=step_of(span) if dynamic else None,
            hidden_scale=state_step(layer, seen, hidden) if dynamic else None,
            **{name: getattr(layer, name) for name in options},
            **kept(layer),
        )

    return rule


def _static(layer: Layer, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    kind = layer.kind.upper()
    raise UnsupportedModelError(f"{layer.label}: int8-static has no {kind} layers; int8-weight and int8-dynamic have. Keep it in f32.")
