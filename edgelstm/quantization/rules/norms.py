"""Layers that scale a vector by its own size stay as they are: they hold little and multiply little."""

from . import UNTOUCHED

RULES = {"layer_norm": UNTOUCHED, "rms_norm": UNTOUCHED, "unit_normalization": UNTOUCHED}
