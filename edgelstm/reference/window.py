"""Twin of the window."""

from .sliding import sliding

TWINS = {"window": sliding(lambda layer, rows: rows.ravel())}
