"""Maps: what a timestep of an image, a spectrogram frame or a row of sensors is, and the windows that convolutions and pooling lay on it.

A sample or an answer that is a map stands in a row in C order: ``(rows, columns, channels)``, or ``(length, channels)``.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from ..errors import ShapeError, UnsupportedModelError, printable
from .record import MAX_SIZE, Layer

PADDINGS = ("same", "valid")


class Axis(NamedTuple):
    """Windows along one axis of a map: window k takes the places ``k stride - before + j dilation`` for j up to `window`.

    Places outside the map count as zeros (for pooling: not at all).
    """

    size: int
    window: int
    stride: int
    dilation: int
    before: int
    places: int


class MapLayer(Layer):
    """A layer that reads one map a timestep, of a shape that its record states, and gives another."""

    shape: Any

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """Shape of the output map."""
        raise UnsupportedModelError(f"{self.label}: layers of type {type(self).__name__} do not say the shape of their map.")

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.shape)

    @property
    def input_width(self) -> int:
        return prod(self.shape)

    def output_size(self, sizes: Sequence[int]) -> int:
        self._matches(sizes, prod(self.shape), f"its map has shape {self.shape}")
        return prod(self.answer_shape)

    def output_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        self.output_size([prod(shape) for shape in shapes])
        return self.answer_shape

    def options(self) -> dict[str, Any]:
        """As JSON has them."""
        return {name: _listed(value) for name, value in super().options().items()}


def map_shape(owner: str, shape: Any, rank: int | None = None) -> tuple[int, ...]:
    """The shape of a map: one or two axes, and the channels.

    Raises
    ------
    ShapeError
        If it is none.
    """
    found = shape if isinstance(shape, (list, tuple)) else ()
    if len(found) not in ((2, 3) if rank is None else (rank + 1,)) or not all(_whole(n) for n in found):
        wanted = "(length, channels) or (rows, columns, channels)" if rank is None else f"{rank} axes and the channels"
        raise ShapeError(f"{owner}: shape must be {wanted}, whole numbers; got {printable(repr(shape), 60)}.")
    if prod(found) > MAX_SIZE:
        raise ShapeError(f"{owner}: a map of shape {tuple(found)} has more than {MAX_SIZE} values, which are not supported.")
    return tuple(found)


def numbers(owner: str, name: str, value: Any, rank: int) -> tuple[int, ...]:
    """A whole number for each axis; one may stand for all.

    Raises
    ------
    ShapeError
        If it is something else.
    """
    found = (value,) * rank if _whole(value) else value
    if not isinstance(found, (list, tuple)) or len(found) != rank or not all(_whole(n) for n in found):
        raise ShapeError(f"{owner}: {name} must be {rank} whole number(s) from 1 to {MAX_SIZE}; got {printable(repr(value), 60)}.")
    return tuple(found)


def padding(owner: str, value: Any, rank: int) -> Any:
    """``"same"``, ``"valid"``, or (before, after) for each axis.

    Raises
    ------
    ShapeError
        If it is something else.
    """
    if isinstance(value, str) and value in PADDINGS:
        return value
    pairs = value if isinstance(value, (list, tuple)) else ()
    fit = len(pairs) == rank and all(isinstance(p, (list, tuple)) and len(p) == 2 and all(n == 0 or _whole(n) for n in p) for p in pairs)
    if not fit:
        raise ShapeError(
            f"{owner}: padding must be 'same', 'valid' or {rank} pair(s) of zeros before and after; got {printable(repr(value), 60)}."
        )
    return tuple((int(before), int(after)) for before, after in pairs)


def axes(
    owner: str, shape: Sequence[int], window: Sequence[int], strides: Sequence[int], dilation: Sequence[int], padding: Any
) -> list[Axis]:
    """How windows lie along each axis of a map, without the channels.

    ``"same"`` gives ``ceil(size / stride)`` windows; what it adds is halved, the odd one behind (TensorFlow, Keras; PyTorch with stride 1).

    Raises
    ------
    ShapeError
        If no window fits.
    """
    found = []
    for at, (size, taken, stride, apart) in enumerate(zip(shape, window, strides, dilation, strict=False)):
        span = (taken - 1) * apart + 1
        if padding == "same":
            places = -(-size // stride)
            before = max((places - 1) * stride + span - size, 0) // 2
        else:
            before, after = (0, 0) if padding == "valid" else padding[at]
            places = (size + before + after - span) // stride + 1
        if places < 1:
            raise ShapeError(f"{owner}: a window of {span} does not fit axis {at} of the map, whose size is {size}.")
        found.append(Axis(size, taken, stride, apart, before, places))
    return found


def rows_and_columns(found: Sequence[Axis]) -> tuple[Axis, Axis]:
    """The axes of a map with two; of one with one, a single row."""
    return (Axis(1, 1, 1, 1, 0, 1), found[0]) if len(found) == 1 else (found[0], found[1])


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SIZE


def _listed(value: Any) -> Any:
    """Tuples as lists, at any depth: as JSON has them."""
    return [_listed(v) for v in value] if isinstance(value, tuple | list) else value
