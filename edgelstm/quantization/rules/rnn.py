"""No scheme touches RNN layers."""

from . import UNTOUCHED

RULES = {"rnn": UNTOUCHED}
