"""What flows between layers: values of a shape, at a rate."""

from collections.abc import Sequence
from math import prod

from ..errors import UnsupportedModelError, printable
from ..runtime import rates
from ..runtime.fields import Fields


class Wire(Fields):
    """What flows from a layer to those that read it: values of one shape, at a rate.

    Parameters
    ----------
    shape : tuple of int
        ``(size,)`` of a vector, ``(height, width, channels)`` of a map; flat in memory, in C order.
    every : int
        Steps of the model from one value to the next.
    first : int
        Steps that have been taken when the first value is due.
    """

    shape: tuple[int, ...]
    every: int = 1
    first: int = 1

    @property
    def size(self) -> int:
        """Numbers in a value."""
        return prod(self.shape)

    @property
    def each_step(self) -> bool:
        """Whether a value is due at every step."""
        return self.every == self.first == 1

    @property
    def when(self) -> str:
        """The rate in words."""
        return rates.text(self.every, self.first)

    def due(self, taken: int) -> int:
        """How many values are due within the first `taken` steps."""
        return rates.due(taken, self.every, self.first)

    def behind(self, stride: int, first: int, shape: tuple[int, ...]) -> "Wire":
        """What leaves a layer that answers one of `stride` values of this wire, and first when it has read `first`."""
        return Wire(shape, self.every * stride, self.first + (first - 1) * self.every)


def joined(owner: str, names: Sequence[str], wires: Sequence[Wire]) -> Wire:
    """One of the wires that a layer reads, all of which are due at the same steps.

    Raises
    ------
    UnsupportedModelError
        If they are not.
    """
    if len({(wire.every, wire.first) for wire in wires}) > 1:
        told = "; ".join(f"{name} {wire.when}" for name, wire in zip(names, wires, strict=False))
        raise UnsupportedModelError(
            f"{owner} joins inputs that are due at different steps ({printable(told, 200)}); give each the same stride and delay."
        )
    return wires[0]
