"""Vectors of any width, and arithmetic on them."""
