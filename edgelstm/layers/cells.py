"""What an LSTM cell may have beside weights, a bias and a start: options of the float32 record and of those in int8."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError, UnsupportedModelError, printable
from . import activations
from .record import Array, checked_array, require_shape
from .recurrent import Recurrent

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Couplings of gates, and the index in i f g o of the gate that follows from the other and has no weights.
COUPLED = {"f=1-i": 1, "i=1-f": 0}

#: What a cell may add to itself in a step if float32 is to bound it: it then stays below `LARGEST`.
MOST_ADDED = 16.0

#: Bound of pre-activations, cells and h where nothing else bounds a cell, which may then grow by itself until float32 overflows.
LARGEST = 2.0**28


class Plain(Recurrent):
    """What is the same in all cells but those of records that have fields of these names."""

    gate_activation: str | tuple[str, ...] = "sigmoid"
    cell_activation: str = "tanh"
    output_activation: str = "tanh"
    norm: str | None = None
    cell_norm: str = "state"
    norm_weight: Array = None
    norm_weight_hh: Array = None
    norm_weight_cell: Array = None
    norm_bias_cell: Array = None
    norm_epsilon: float | None = None
    fake_quantize_hidden: bool = False


@dataclass(init=False, eq=False, repr=False, kw_only=True)
class Cell(Plain):
    """Options of all LSTM cells. `layers.lstm.LSTM` documents them; a plain cell has none."""

    peephole: Array = None
    weight_hr: Array = None
    bias_hr: Array = None
    coupled: str | None = None
    cell_clip: float | None = None
    projection_clip: float | None = None
    gate_clip: float | None = None

    @property
    def hidden_size(self) -> int:
        """Size of the cell."""
        return int(self.weight_hh.shape[0]) // 4

    @property
    def projection_size(self) -> int:
        """Size of what the layer gives and feeds back: that of the cell where there is no projection."""
        return int(self.weight_hh.shape[1])

    @property
    def variant(self) -> tuple[str, ...]:
        """Names of the options that make it no plain cell."""
        held = ((name, getattr(self, name), plain) for name, plain in PLAIN.items())
        return tuple(name for name, value, plain in held if isinstance(value, np.ndarray) or value != plain)

    @property
    def gate_activations(self) -> tuple[str, str, str]:
        """What i, f and o are passed through."""
        words = self.gate_activation
        return (words,) * 3 if isinstance(words, str) else (words[0], words[1], words[2])

    @property
    def derived_gate(self) -> int | None:
        """Index in i f g o of the gate that coupling derives from another."""
        return None if self.coupled is None else COUPLED[self.coupled]

    @cached_property
    def bounded(self) -> bool:
        """Whether gates and candidate bound what a step may do to the cell; if not, it is held within `LARGEST`."""
        gates = all(activations.within_one(word) for word in self.gate_activations)
        return gates and activations.bound(self.cell_activation) <= MOST_ADDED

    @property
    def normalised_cell(self) -> str:
        """Where the cell is normalised: "state", "output", or "" for nowhere."""
        return "" if self.norm in (None, "tflite") or self.cell_norm == "none" else self.cell_norm

    @property
    def gate_limit(self) -> float | None:
        """Bound of pre-activations."""
        return self._limit(self.gate_clip)

    @property
    def cell_limit(self) -> float | None:
        """Bound of the new cell."""
        return self._limit(self.cell_clip)

    @property
    def output_limit(self) -> float | None:
        """Bound of h, before a projection."""
        return self._limit(None)

    def _limit(self, clip: float | None) -> float | None:
        return clip if self.bounded else min(LARGEST, clip or LARGEST)

    @property
    def within_one(self) -> bool:
        if self.weight_hr is None:
            return activations.within_one(self.gate_activations[2]) and activations.within_one(self.output_activation)
        return self.projection_clip is not None and self.projection_clip <= 1

    @property
    def multiply_accumulates(self) -> int:
        gates = 4 if self.coupled is None else 3
        products = gates * self.hidden_size * (self.input_size + self.projection_size)
        return products + (0 if self.weight_hr is None else int(self.weight_hr.size))

    def options(self) -> dict[str, Any]:
        """Those that a plain cell does not have, as JSON has them."""
        plain = {*PLAIN} - {*self.variant}
        given = {name: value for name, value in super().options().items() if name not in plain}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}

    def output_size(self, sizes: Sequence[int]) -> int:
        super().output_size(sizes)
        return self.projection_size

    def _check_shapes(self) -> None:
        """Of weights, which have their types already, of the bias and of the start."""
        columns = int(self.weight_hh.shape[1])
        hidden, because = columns, f"weight_hh has hidden_size = {columns} columns"
        rows = "its rows are the gates i f g o of hidden_size rows each"
        if self.weight_hr is not None:
            self._set("weight_hr", self._projection())
            columns, hidden = map(int, self.weight_hr.shape)
            rows = because = f"weight_hr, (projection_size, hidden_size), has shape {self.weight_hr.shape}"
        elif self.bias_hr is not None:
            raise ShapeError(f"{self.label}: bias_hr belongs to a weight_hr, and there is none.")
        require_shape(self.label, "weight_hh", self.weight_hh, (4 * hidden, columns), rows)
        require_shape(self.label, "weight_ih", self.weight_ih, (4 * hidden, self.weight_ih.shape[1]), because)
        for name, size in (("bias", 4 * hidden), ("h0", columns), ("c0", hidden), ("bias_hr", columns)):
            self._check_vector(name, size, because)

    def _projection(self) -> Array:
        """The checked weight_hr."""
        return checked_array(self.label, "weight_hr", self.weight_hr, 2)

    @property
    def projection_weights(self) -> "NDArray[np.float64]":
        """What weight_hr stands for: (projection_size, hidden_size)."""
        return np.asarray(self.weight_hr, np.float64)

    def _check_options(self) -> None:
        """Of what `_check_shapes` leaves."""
        if self.peephole is not None:
            self._set("peephole", checked_array(self.label, "peephole", self.peephole, 2))
            shape = (3, self.hidden_size)
            require_shape(self.label, "peephole", self.peephole, shape, "its rows are those of the gates i f o")
        for name in ("cell_clip", "projection_clip", "gate_clip"):
            self._check_positive(name)
        if self.projection_clip is not None and self.weight_hr is None:
            raise UnsupportedModelError(f"{self.label}: projection_clip belongs to a weight_hr, and there is none; leave it out.")
        self._check_coupling()

    def _check_coupling(self) -> None:
        """Numbers of a gate that is derived are zeros: nothing reads them."""
        if self.coupled is None:
            return
        if not isinstance(self.coupled, str) or self.coupled not in COUPLED:
            raise UnsupportedModelError(f"{self.label}: coupled {printable(repr(self.coupled), 60)} is not one of {', '.join(COUPLED)}.")
        if self.norm in ("torch", "joint"):
            raise UnsupportedModelError(f"{self.label}: norm {self.norm!r} is over all four gates, and coupled leaves three.")
        gate, hidden = COUPLED[self.coupled], self.hidden_size
        for name in ("weight_ih", "weight_hh", "bias", "norm_weight"):
            self._set_rows_to_zero(name, slice(gate * hidden, (gate + 1) * hidden))
        self._set_rows_to_zero("peephole", slice(gate, gate + 1))

    def _set_rows_to_zero(self, name: str, rows: slice) -> None:
        if (array := getattr(self, name)) is not None:
            array = array.copy()
            array[rows] = 0
            array.flags.writeable = False
            self._set(name, array)


#: Options of cells, and what each is in a plain cell.
PLAIN = {f.name: f.default for f in fields(Cell) if f.name not in {g.name for g in fields(Recurrent)}} | {
    name: getattr(Plain, name) for name in Plain.__annotations__
}
