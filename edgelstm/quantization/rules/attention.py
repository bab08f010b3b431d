"""Attention stays as it is: pooling multiplies little, and a memory comes when the model runs."""

from . import UNTOUCHED

RULES = dict.fromkeys(("attention_pool", "attention", "self_attention", "window_attention"), UNTOUCHED)
