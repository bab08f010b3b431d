"""Layers that join inputs or take a part of one stay as they are: they hold little and multiply little."""

from . import UNTOUCHED

RULES = {"mul": UNTOUCHED, "concat": UNTOUCHED, "slice": UNTOUCHED, "gather": UNTOUCHED}
