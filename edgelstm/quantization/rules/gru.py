"""Rules of GRU layers."""

from typing import Any

from ...errors import UnsupportedModelError
from ...layers.record import Layer
from ..calibration import Range, Seen
from . import Rule, in_half
from .hidden import rules_of_rows

_OPTIONS = ("bias_ih", "bias_hh", "reset_after", "gate_activation", "cell_activation", "gate_clip")


def without_norm(rule: Rule) -> Rule:
    """The same of layers without a norm; no scheme has others."""

    def plain(layer: Any, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
        if layer.norm is not None:
            raise UnsupportedModelError(f"{layer.label}: no scheme has a GRU with norm={layer.norm!r}. Keep it in f32.")
        return rule(layer, seen, span, hidden)

    return plain


RULES = {"gru": {scheme: without_norm(rule) for scheme, rule in rules_of_rows("gru_int8", in_half, _OPTIONS).items()}}
