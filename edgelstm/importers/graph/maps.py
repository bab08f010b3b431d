"""A convolution over the map of one timestep, as an expression that can be written out as a matrix too."""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ...errors import UnsupportedModelError
from ...layers.map_conv import MapConv
from .expressions import Affine, Floats, Made
from .wires import MOST_WEIGHTS, Ids


@dataclass(eq=False)
class Mapped(Made):
    """What a `MapConv` makes of one operand, the map in C order."""

    def convolution(self) -> MapConv:
        """Its record."""
        assert isinstance(self.record, MapConv)
        return self.record

    def scaled(self, numbers: Ids, scale: Floats, offset: Floats, place: str) -> "Mapped | None":
        """``scale y + offset`` of its numbers, if that is one scale and offset a channel of the whole map; else None."""
        record = self.convolution()
        channels = record.kernel.shape[-1]
        if numbers.size != prod(record.answer_shape) or (numbers != np.arange(numbers.size)).any():
            return None
        scales, offsets = scale.reshape(-1, channels), offset.reshape(-1, channels)
        if (scales != scales[0]).any() or (offsets != offsets[0]).any():
            return None
        kernel, bias = record.kernel.astype(np.float64) * scales[0], record.bias.astype(np.float64) * scales[0] + offsets[0]
        return Mapped(place, replace(record, kernel=kernel, bias=bias), self.reads)

    def affine(self) -> Affine:
        """The same as a weighted sum.

        Raises
        ------
        UnsupportedModelError
            If its matrix is larger than is imported.
        """
        record = self.convolution()
        places, inputs, outputs = prod(record.answer_shape[:-1]), record.input_width, record.kernel.shape[-1]
        if places * outputs * inputs > MOST_WEIGHTS:
            raise UnsupportedModelError(
                f"{self.place}: written out its matrix has more than {MOST_WEIGHTS} numbers, which is not imported."
            )
        kernel = _ungrouped(record)  # (taps, channels, outputs)
        matrix = np.zeros((places, outputs, inputs // record.shape[-1], record.shape[-1]))
        for place, taps in enumerate(_met(record)):
            for tap in np.flatnonzero(taps >= 0):
                matrix[place, :, taps[tap]] += kernel[tap].T
        return Affine(self.place, matrix.reshape(-1, inputs), np.tile(record.bias.astype(np.float64), places), self.reads[0])


def _ungrouped(record: MapConv) -> Floats:
    """The kernel, (taps, channels, outputs), with zeros where a group does not read."""
    channels, outputs = record.shape[-1], record.kernel.shape[-1]
    taps = record.kernel.reshape(-1, channels // record.groups, outputs)
    kernel = np.zeros((len(taps), channels, outputs))
    for read, made in zip(np.split(np.arange(channels), record.groups), np.split(np.arange(outputs), record.groups), strict=True):
        kernel[:, read[:, None], made] = taps[:, :, made]
    return kernel


def _met(record: MapConv) -> Ids:
    """(places of the answer, taps): which place of the map each tap meets; -1 outside of it."""
    found = np.zeros((1, 1), np.int64)
    for axis in record.windows:
        at = np.arange(axis.places)[:, None] * axis.stride - axis.before + np.arange(axis.window) * axis.dilation
        at = np.where((at < 0) | (at >= axis.size), -1, at)  # (places, taps) along this axis
        outer, inner = found[:, None, :, None], at[None, :, None, :]
        found = np.where((outer < 0) | (inner < 0), -1, outer * axis.size + inner).reshape(len(found) * len(at), -1)
    return found
