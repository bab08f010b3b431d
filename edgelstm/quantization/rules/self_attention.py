"""Self-attention stays as it is: what it multiplies are activations."""

from . import UNTOUCHED

RULES = {"self_attention": UNTOUCHED}
