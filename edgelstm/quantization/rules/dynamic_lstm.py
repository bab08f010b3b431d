"""Layers whose weights are whole numbers already are refused by name."""

from ...errors import UnsupportedModelError
from ...layers.record import Layer
from ..calibration import Range, Seen


def refused(layer: Layer, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    raise UnsupportedModelError(
        f"{layer.label}: its weights are levels of 8 bits already. Quantise the model of float32 weights that it was made of."
    )


RULES = {"dynamic_lstm": dict.fromkeys(("f16-weight", "int8-weight", "int8-dynamic", "int8-static"), refused)}
