"""Convolutional LSTM layers: no scheme has a rule for them, and all say so."""

from typing import NoReturn

from ...errors import UnsupportedModelError
from ...layers.conv_lstm import ConvLSTM
from ..calibration import Range, Seen
from ..schemes import SCHEMES
from . import Rule


def refusal(scheme: str) -> Rule:
    def rule(layer: ConvLSTM, seen: Seen, span: Range | None, hidden: Range | None) -> NoReturn:
        raise UnsupportedModelError(f"{layer.label}: {scheme} has no rule for layers of type ConvLSTM.")

    return rule


RULES = {"conv_lstm": {scheme: refusal(scheme) for scheme in SCHEMES}}
