"""Attention stays as it is: it holds little, and what it multiplies are activations."""

from . import UNTOUCHED

RULES = {"attention_pool": UNTOUCHED, "attention": UNTOUCHED}
