"""Rules of RNN layers: there are none yet."""

from ...errors import UnsupportedModelError
from ...layers.record import Layer
from ...layers.rnn import RNN
from ..calibration import Range, Seen


def refused(layer: RNN, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    raise UnsupportedModelError(f"{layer.label}: no scheme of int8 has RNN layers. Keep it in f32.")


RULES = {"rnn": {"int8-weight": refused, "int8-dynamic": refused, "int8-static": refused}}
