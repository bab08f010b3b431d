"""Windows multiply nothing."""

from . import UNTOUCHED

RULES = {"window": UNTOUCHED}
