"""No scheme of int8 has these layers: they are refused by name."""

from ...errors import UnsupportedModelError
from ...layers.record import Layer
from ..calibration import Range, Seen
from . import without_half


def refused(layer: Layer, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    raise UnsupportedModelError(f"{layer.label}: no scheme of int8 has layers of type {type(layer).__name__}. Keep it in f32.")


SCHEMES = {"f16-weight": without_half, "int8-weight": refused, "int8-dynamic": refused, "int8-static": refused}

RULES = {"min_gru": SCHEMES, "min_lstm": SCHEMES}
