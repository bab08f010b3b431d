"""Records of recurrent layers over the rows of each timestep's map: inside a frame, and from frame to frame for every row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError, UnsupportedModelError, printable
from . import KINDS, record_of
from .maps import MapLayer
from .record import MAX_SIZE, Layer
from .recurrent import MASKS, Recurrent


@dataclass(eq=False, repr=False)
class RowsRNN(MapLayer):
    """What recurrent layers over the rows of a map share. Files hold the cell's arrays and options as the layer's own."""

    cell: Any
    rows: int

    def _check(self) -> None:
        cell = self.cell
        masks = (None, *MASKS) if self._passes_over else (None,)
        if not isinstance(cell, Recurrent) or cell.numbers != "f32" or cell.mask not in masks:
            told = printable(repr(cell), 60)
            without = "" if self._passes_over else " without a mask"
            raise UnsupportedModelError(f"{self.label}: cell must be a recurrent layer in float32{without}, as LSTM; got {told}.")
        if type(self.rows) is not int or not 1 <= self.rows * cell.input_width <= MAX_SIZE:
            raise ShapeError(
                f"{self.label}: rows must be a whole number, and rows of {cell.input_width} at most {MAX_SIZE} values; "
                f"got {printable(repr(self.rows), 60)}."
            )
        self._set("cell", replace(cell, name="", inputs=()))

    @property
    def shape(self) -> tuple[int, int]:
        """Of the map that it reads."""
        return self.rows, self.cell.input_width

    @property
    def hidden_size(self) -> int:
        """Numbers that the cell gives for a row."""
        size: int = self.cell.output_size([self.cell.input_width])
        return size

    @property
    def answer_shape(self) -> tuple[int, ...]:
        return self.rows, self.hidden_size

    @property
    def within_one(self) -> bool:
        return bool(self.cell.within_one)

    @property
    def multiply_accumulates(self) -> int:
        return self.rows * int(self.cell.multiply_accumulates)

    def arrays(self) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = self.cell.arrays()
        return found

    def options(self) -> dict[str, Any]:
        """Those of the cell, whose kind is ``cell``, and its own."""
        return {**self.cell.options(), "cell": self.cell.kind, "rows": self.rows}

    @classmethod
    def from_parts(cls, name: str, inputs: Sequence[str], options: Mapping[str, Any], arrays: Mapping[str, ArrayLike]) -> Self:
        own = {key: value for key, value in options.items() if key in cls._own}
        rest = {key: value for key, value in options.items() if key not in cls._own}
        kind = own.pop("cell", None)
        record: type[Layer] = record_of(kind) if isinstance(kind, str) and kind in KINDS else Layer
        if not issubclass(record, Recurrent):
            told = printable(repr(kind), 60)
            raise UnsupportedModelError(f"{cls.kind} {printable(name, 60)!r} has a cell {told}, which is no recurrent layer.")
        cell = record.from_parts(name, (), rest, arrays)
        return super().from_parts(name, inputs, {**own, "cell": cell}, {})

    _own: ClassVar[tuple[str, ...]] = ("cell", "rows")
    #: Whether its cell may pass over rows that a mask marks.
    _passes_over: ClassVar[bool] = False


@dataclass(eq=False, repr=False)
class IntraRNN(RowsRNN):
    """A recurrent cell along the rows of each timestep's map, from its initial state at every timestep: the intra-frame RNN of dual-path
    networks (Luo, Chen and Yoshioka 2020), ``keras.layers.TimeDistributed(LSTM(…))``. A cell with ``reverse=True`` begins at the last row,
    and the layer streams nevertheless.

    Parameters
    ----------
    cell : LSTM, GRU, RNN or another recurrent layer in float32
        Reads one row. Its name and inputs are left out. In a model file this is its kind, and its arrays and options stand beside. With a
        `mask` each row has one number more, the last, and is passed over where that is 0: characters of words of several lengths.
    rows : int
        Of the map (rows, channels) that a timestep is, in C order.
    last : bool
        Whether it gives what the cell ends with, (hidden_size,), in place of a map (rows, hidden_size).
    starts : bool
        Whether the cell, an LSTM, GRU or RNN whose outputs stay within one, begins in a state that stands behind the map: h, and c of an
        LSTM. The decoder of a sequence-to-sequence network (Sutskever, Vinyals and Le 2014).
    """

    kind: ClassVar[str] = "intra_rnn"
    _own: ClassVar[tuple[str, ...]] = ("cell", "rows", "last", "starts")
    _passes_over: ClassVar[bool] = True
    last: bool = False
    starts: bool = False

    def _check(self) -> None:
        super()._check()
        for name in ("last", "starts"):
            if not isinstance(value := getattr(self, name), bool):
                raise ShapeError(f"{self.label}: {name} must be true or false; got {printable(repr(value), 60)}.")
        if self.starts and (self.cell.kind not in ("lstm", "gru", "rnn") or not self.cell.within_one):
            told = printable(repr(self.cell), 60)
            raise UnsupportedModelError(f"{self.label}: an LSTM, GRU or RNN whose outputs stay within one begins in a state; got {told}.")

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Numbers of h, and of c, that stand behind the map; none where the cell begins in its own state."""
        if not self.starts:
            return ()
        memory = (self.cell.weight_hh.shape[0] // 4,) if self.cell.kind == "lstm" else ()
        return (self.hidden_size, *memory)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.input_width,) if self.starts else self.shape

    @property
    def input_width(self) -> int:
        return prod(self.shape) + sum(self.state_sizes)

    @property
    def within_one(self) -> bool:
        return bool(self.cell.within_one) and not (self.starts and self.cell.kind == "gru")

    def output_size(self, sizes: Sequence[int]) -> int:
        behind = f" and {' and '.join(map(str, self.state_sizes))} numbers of a state stand behind it" if self.starts else ""
        self._matches(sizes, self.input_width, f"its map has shape {self.shape}{behind}")
        return prod(self.answer_shape)

    @property
    def answer_shape(self) -> tuple[int, ...]:
        return (self.hidden_size,) if self.last else (self.rows, self.hidden_size)

    def options(self) -> dict[str, Any]:
        return {**super().options(), "last": self.last, **({"starts": True} if self.starts else {})}


@dataclass(eq=False, repr=False)
class InterRNN(RowsRNN):
    """A recurrent cell from timestep to timestep for every row of the map, each with a state of its own: the inter-frame RNN of dual-path
    networks, whose weights all rows share.

    Parameters
    ----------
    cell : LSTM, GRU, RNN or another recurrent layer in float32
        Reads one row, from the first timestep on. Its name and inputs are left out. In a model file this is its kind, and its arrays and
        options stand beside.
    rows : int
        Of the map (rows, channels) that a timestep is, in C order.
    """

    kind: ClassVar[str] = "inter_rnn"

    def _check(self) -> None:
        super()._check()
        if self.cell.reverse:
            raise UnsupportedModelError(f"{self.label}: reads a recording from its end; put a Reverse before and behind it.")

    @property
    def receptive_field(self) -> int:
        return 0
