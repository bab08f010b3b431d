"""Pooling multiplies nothing."""

from . import UNTOUCHED

RULES = dict.fromkeys(("max_pool1d", "average_pool1d", "global_max_pool1d", "global_average_pool1d"), UNTOUCHED)
