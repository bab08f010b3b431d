"""The record of pooling over the map that one timestep is."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import ShapeError, UnsupportedModelError, printable
from .maps import Axis, MapLayer, axes, map_shape, numbers, padding

FUNCTIONS = ("max", "average")


@dataclass(eq=False, repr=False)
class MapPool(MapLayer):
    """Largest value, or mean, of windows over the map of each timestep, each channel by itself: ``keras.layers.MaxPool2D`` on a frame.

    What lies beyond the map counts neither for the largest value nor, but for `include_padding`, in the mean.

    Parameters
    ----------
    function : {"max", "average"}
    size : whole numbers
        Of a window along each axis; one may stand for all.
    shape : whole numbers
        Of the input map: (rows, columns, channels) or (length, channels). A sample is such a map in C order.
    strides : whole numbers, optional
        For each axis; as `size` where absent.
    dilation : whole numbers
    padding : "same", "valid" or pairs of places before and after
        For each axis.
    include_padding : bool
        Whether means divide by the whole window: PyTorch's ``count_include_pad``.
    """

    kind: ClassVar[str] = "map_pool"
    function: str
    size: Any
    shape: Any = field(kw_only=True)
    strides: Any = None
    dilation: Any = 1
    padding: Any = "valid"
    include_padding: bool = False

    def _check(self) -> None:
        for name, words in (("function", FUNCTIONS), ("include_padding", (False, True))):
            if (value := getattr(self, name)) not in words or not isinstance(value, type(words[0])):
                shown = printable(repr(value), 60)
                raise UnsupportedModelError(f"{self.label}: {name} must be {' or '.join(map(str, words))}; got {shown}.")
        self._set("shape", map_shape(self.label, self.shape))
        rank = len(self.shape) - 1
        self._set("strides", self.size if self.strides is None else self.strides)
        for name in ("size", "strides", "dilation"):
            self._set(name, numbers(self.label, name, getattr(self, name), rank))
        self._set("padding", padding(self.label, self.padding, rank))
        for axis in self.windows:
            first, last = axis.before, (axis.places - 1) * axis.stride - axis.before
            if first > (axis.window - 1) * axis.dilation or last > axis.size - 1:
                raise ShapeError(f"{self.label}: padding {self.padding} makes windows that meet nothing of the map.")

    @property
    def windows(self) -> list[Axis]:
        """How windows lie on the map."""
        return axes(self.label, self.shape, self.size, self.strides, self.dilation, self.padding)

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """Shape of the output map."""
        return (*(axis.places for axis in self.windows), self.shape[-1])
