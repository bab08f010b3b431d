"""What looks at a recording as a whole stays as it is: it multiplies nothing."""

from . import UNTOUCHED

RULES = {"last": UNTOUCHED, "repeat": UNTOUCHED, "reverse": UNTOUCHED, "mask": UNTOUCHED}
