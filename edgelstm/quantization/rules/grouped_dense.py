"""Fully connected layers in groups are kept in float32."""

from . import UNTOUCHED

RULES = {"grouped_dense": UNTOUCHED}
