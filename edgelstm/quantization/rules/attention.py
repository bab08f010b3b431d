"""Attention pooling stays as it is: it multiplies little."""

from . import UNTOUCHED

RULES = {"attention_pool": UNTOUCHED}
