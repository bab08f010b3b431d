"""Rules of GRU layers: there are none yet."""

from ...errors import UnsupportedModelError
from ...layers.gru import GRU
from ...layers.record import Layer
from ..calibration import Range, Seen


def refused(layer: GRU, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    raise UnsupportedModelError(f"{layer.label}: no scheme of int8 has GRU layers. Keep it in f32.")


RULES = {"gru": {"int8-weight": refused, "int8-dynamic": refused, "int8-static": refused}}
