"""Convolutions along time stay in float32: no scheme has a record for them."""

from . import UNTOUCHED

RULES = {"conv1d": UNTOUCHED}
