"""The record of a value of the step before: the way back in a loop of layers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError, UsageError, printable
from .maps import map_shape
from .record import MAX_SIZE, Array, Layer, checked_array, require_shape
from .wire import Wire


@dataclass(eq=False, repr=False)
class Previous(Layer):
    """What another layer gave one step before: ``y_t = x_(t-1)`` of the layer called `of`, wherever it stands. It makes a loop of layers.

    With it any recurrent cell is a graph of the other layers. Its one input tells when it is due, and nothing else: `of` must be due at the
    same steps. A state that grows without end is cut at 2**60; at 2**30 where the model squares it, or multiplies it by itself.

    Parameters
    ----------
    size : whole number(s)
        Of what `of` gives: how many, or the shape of a map.
    initial : (size,) or (rows, columns, channels) or (length, channels), optional
        The value before the first step. Zero where absent.
    of : str
        Name of a layer.

    Examples
    --------
    An Elman layer of 8 units:

    >>> layers = [
    ...     el.Previous(8, of="h", name="before", inputs=["input"]),
    ...     el.Dense(weight, bias, inputs=["input", "before"]),  # weight: (8, input_size + 8)
    ...     el.Activation("tanh", name="h"),
    ... ]
    """

    kind: ClassVar[str] = "previous"
    size: Any
    initial: Array = None
    of: str = field(kw_only=True)  # type: ignore[misc]

    def _check(self) -> None:
        if not isinstance(self.of, str) or not self.of:
            raise UsageError(f"{self.label}: of must be the name of the layer whose value it gives; got {printable(repr(self.of), 60)}.")
        if len(self.inputs) > 1:
            raise UsageError(f"{self.label} names one input, which tells when it is due; got {printable(', '.join(self.inputs), 100)}.")
        if isinstance(self.size, (list, tuple)):
            self._set("size", map_shape(self.label, self.size))
        elif isinstance(self.size, bool) or not isinstance(self.size, int) or not 1 <= self.size <= MAX_SIZE:
            raise ShapeError(f"{self.label}: size must be a whole number from 1 to {MAX_SIZE}; got {printable(repr(self.size), 60)}.")
        if self.initial is not None:
            self._set("initial", checked_array(self.label, "initial", self.initial, len(self.shape)))
            require_shape(self.label, "initial", self.initial, self.shape, f"size is {self.size}")

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, of={printable(repr(self.of), 60)})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its values."""
        return self.size if isinstance(self.size, tuple) else (self.size,)

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.of,)

    def reads(self, wanted: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
        return wanted

    @property
    def receptive_field(self) -> int:
        return 0

    def output_size(self, sizes: Sequence[int]) -> int:
        return prod(self.shape)

    def output_wire(self, wires: Sequence[Wire]) -> Wire:
        return wires[0]._replace(shape=self.shape)
