"""Values of the step before stay as they are: they hold nothing and multiply nothing."""

from . import UNTOUCHED

RULES = {"previous": UNTOUCHED}
