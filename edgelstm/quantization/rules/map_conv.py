"""Convolutions over maps are kept in float32."""

from . import UNTOUCHED

RULES = {"map_conv": UNTOUCHED, "map_conv_transpose": UNTOUCHED}
