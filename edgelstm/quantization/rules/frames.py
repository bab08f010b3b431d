"""Recurrent layers over the rows of a map stay in float32: few weights meet many rows, and sums over a frame add up what each rounds."""

from . import UNTOUCHED

RULES = {"intra_rnn": UNTOUCHED, "inter_rnn": UNTOUCHED}
