"""Sums of overlapping blocks stay as they are: they multiply nothing."""

from . import UNTOUCHED

RULES = {"overlap_add": UNTOUCHED}
