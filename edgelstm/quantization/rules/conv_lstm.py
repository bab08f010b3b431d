"""Convolutional LSTM layers: no scheme has a rule for them."""

from . import REFUSED

RULES = {"conv_lstm": REFUSED}
