"""Convolutional LSTM layers are kept in float32."""

from . import UNTOUCHED

RULES = {"conv_lstm": UNTOUCHED}
