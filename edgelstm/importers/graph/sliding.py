"""How a window slides along axes of an array of identities."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .wires import Ids


class Window(NamedTuple):
    """A window that slides along axes, one number an axis each: taps, rows from one answer to the next, rows between taps, padding."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def at(self, axes: list[int]) -> "Window":
        """The same along some of the axes."""
        return Window(*(tuple(values[a] for a in axes) for values in self))

    def places(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """How many answers lie along each axis of an array of that shape."""
        spans = (d * (k - 1) + 1 for k, d in zip(self.sizes, self.dilations, strict=True))
        sizes = zip(shape, self.before, self.after, spans, self.strides, strict=True)
        return tuple((n + before + after - span) // stride + 1 for n, before, after, span, stride in sizes)

    def views(self, padded: Ids) -> Ids:
        """(…, answers along each axis, taps along each axis) of an array whose last axes are padded already."""
        rank = len(self.sizes)
        spans = tuple(d * (k - 1) + 1 for k, d in zip(self.sizes, self.dilations, strict=True))
        view = sliding_window_view(padded, spans, axis=tuple(range(-rank, 0)))
        cut = (slice(None),) * (padded.ndim - rank)
        found: Ids = view[(*cut, *(slice(None, None, s) for s in self.strides), *(slice(None, None, d) for d in self.dilations))]
        return found

    def padded(self, array: Ids, value: int) -> Ids:
        """`array` with its last axes padded."""
        widths = [(0, 0)] * (array.ndim - len(self.sizes)) + list(zip(self.before, self.after, strict=True))
        return np.pad(array, widths, constant_values=value)
