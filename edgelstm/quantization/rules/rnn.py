"""Rules of RNN layers."""

from . import without_half
from .hidden import rules_of_rows

RULES = {"rnn": rules_of_rows("rnn_int8", without_half, ("bias", "activation", "gate_clip"))}
