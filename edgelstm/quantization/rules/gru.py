"""No scheme touches GRU layers."""

from . import UNTOUCHED

RULES = {"gru": UNTOUCHED}
