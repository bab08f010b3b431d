"""Magnitudes stay as they are: they hold nothing."""

from . import UNTOUCHED

RULES = {"magnitude": UNTOUCHED}
