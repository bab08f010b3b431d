"""Rules of GRU layers."""

from . import in_half
from .hidden import rules_of_rows

_OPTIONS = ("bias_ih", "bias_hh", "reset_after", "gate_activation", "cell_activation", "gate_clip")

RULES = {"gru": rules_of_rows("gru_int8", in_half, _OPTIONS)}
