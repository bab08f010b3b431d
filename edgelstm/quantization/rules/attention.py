"""Attention stays as it is: pooling multiplies little, and a memory comes when the model runs."""

from . import UNTOUCHED

RULES = {"attention_pool": UNTOUCHED, "attention": UNTOUCHED, "self_attention": UNTOUCHED}
