"""Pooling over maps stays as it is: it multiplies nothing."""

from . import UNTOUCHED

RULES = {"map_pool": UNTOUCHED}
