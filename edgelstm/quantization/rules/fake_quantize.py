"""Layers that round activations stay as they are: they multiply no matrix."""

from . import UNTOUCHED

RULES = {"fake_quantize": UNTOUCHED, "requantize": UNTOUCHED, "dynamic_fake_quantize": UNTOUCHED, "rescale": UNTOUCHED}
