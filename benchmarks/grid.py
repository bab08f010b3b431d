"""The grid of model sizes that every benchmark runs on, with weights, inputs and float64 answers made from fixed seeds.

It times nothing and knows no engine.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

import edgelstm as el
from edgelstm import reference

#: Distinct inputs of a case. A chunk of timed steps is never longer.
BLOCK = 1000

#: Steps from the initial state over which a contender's answers are compared with the float64 reference.
CHECKED = 64

#: Largest difference from the float64 reference over `CHECKED` steps that a contender may show; float32 rounding stays under 1e-7 here.
TOLERANCE = 1e-6

#: The same for contenders in int8: it tells a working model from a broken one, no more. How far off they are is part of the result.
INT8_TOLERANCE = 0.2

#: Largest median difference over `CHECKED` steps from the exact twin of the same int8 model. Not the largest one: where float32 rounds one
#: quantised h to the other side of a tie, the two go apart by about the error of quantisation from that step on.
TWIN_TOLERANCE = 2e-6


class Row(NamedTuple):
    """One row of the grid: LSTM layers of `hidden_size` units, then Dense(hidden_size -> 1)."""

    input_size: int
    hidden_size: int
    num_layers: int

    @classmethod
    def parse(cls, text: str) -> "Row":
        """`Row` from ``"inputs,hidden,layers"``.

        Raises
        ------
        ValueError
            If `text` is not three positive numbers.
        """
        row = cls(*map(int, text.split(",")))
        if min(row) < 1:
            raise ValueError(text)
        return row

    def __str__(self) -> str:
        return ",".join(map(str, self))

    @property
    def inputs_of_layers(self) -> tuple[int, ...]:
        """Width of each LSTM layer's input, without the recurrent part."""
        return (self.input_size, *[self.hidden_size] * (self.num_layers - 1))

    @property
    def flops(self) -> int:
        """Multiplications and additions of the matrix products of one step; activations are not counted."""
        return 2 * self.hidden_size * (1 + sum(4 * (n + self.hidden_size) for n in self.inputs_of_layers))

    @property
    def weight_bytes(self) -> int:
        """Bytes of float32 weights and biases that one step must read."""
        return 4 * (self.hidden_size + 1 + sum(4 * self.hidden_size * (n + self.hidden_size + 1) for n in self.inputs_of_layers))

    @property
    def int8_bytes(self) -> int:
        """The same with int8 LSTM weights: a bias and a scale a row in float32, and the Dense layer as it was."""
        return 4 * (self.hidden_size + 1) + sum(4 * self.hidden_size * (n + self.hidden_size + 8) for n in self.inputs_of_layers)


GRID = tuple(
    Row(*sizes)
    for sizes in (
        (1, 8, 1),
        (1, 16, 1),
        (1, 24, 1),
        (1, 40, 1),
        (6, 32, 1),
        (9, 64, 1),
        (40, 128, 1),
        (128, 128, 1),
        (64, 256, 2),
        (40, 512, 1),
    )
)


def rows_of(texts: list[str] | None) -> list[Row]:
    """What ``--rows`` names; without it, the grid."""
    try:
        return [Row.parse(text) for text in texts] if texts else list(GRID)
    except (ValueError, TypeError):
        raise SystemExit(f"--rows takes inputs,hidden,layers, three positive numbers: 6,32,1; got {' '.join(texts or ())}.") from None


class Workload(Protocol):
    """A model, what it is called, its inputs (BLOCK, input_size), and the first output of each step of the float64 reference (CHECKED,)."""

    @property
    def row(self) -> object: ...
    @property
    def model(self) -> el.Model: ...
    @property
    def inputs(self) -> NDArray[np.float32]: ...
    @property
    def answers(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Case:
    """A row filled with numbers.

    Parameters
    ----------
    row : Row
    layers : one recurrent record a layer; weights and biases uniform in +-1/sqrt(hidden_size), as ``torch.nn.LSTM`` initialises them
    dense : Dense (1, hidden_size)
    inputs : (BLOCK, input_size) float32, uniform in [-1, 1]
    """

    row: Row
    layers: tuple[Any, ...]
    dense: el.Dense
    inputs: NDArray[np.float32]

    @cached_property
    def model(self) -> el.Model:
        """The case as edgelstm holds it."""
        return el.Model((*self.layers, self.dense))

    @cached_property
    def answers(self) -> NDArray[np.float64]:
        """(CHECKED,) outputs of the float64 reference, from the initial state."""
        answers: NDArray[np.float64] = reference.run(self.model, self.inputs[:CHECKED])[:, 0]
        return answers


#: Draws weights of a shape, uniform in +-1/sqrt(hidden_size).
Draw = Callable[..., NDArray[np.float32]]


def _recurrent(record: Any, gates: int, biases: int) -> Callable[[Draw, int, int], Any]:
    """What makes a layer of so many gates and bias vectors that reads its own output."""

    def make(draw: Draw, inputs: int, hidden: int) -> Any:
        rows = gates * hidden
        return record(draw(rows, inputs), draw(rows, hidden), *(draw(rows) for _ in range(biases)))

    return make


def _minimal(record: Any, gates: int) -> Callable[[Draw, int, int], Any]:
    """What makes a layer of so many gates that does not read its own output."""
    return lambda draw, inputs, hidden: record(draw(gates * hidden, inputs), draw(gates * hidden))


def _peephole(draw: Draw, inputs: int, hidden: int) -> Any:
    return replace(_lstm(draw, inputs, hidden), peephole=draw(3, hidden))


def _projected(draw: Draw, inputs: int, hidden: int) -> el.LSTM:
    """Half of the units are given out and read again."""
    kept = max(1, hidden // 2)
    return el.LSTM(draw(4 * hidden, inputs), draw(4 * hidden, kept), draw(4 * hidden), weight_hr=draw(kept, hidden))


_lstm = _recurrent(el.LSTM, 4, 1)

#: Recurrent layers by name: draw, inputs, hidden units -> the record.
CELLS: dict[str, Callable[[Draw, int, int], Any]] = {
    "lstm": _lstm,
    "lstm peephole": _peephole,
    "lstm coupled": lambda *sizes: replace(_lstm(*sizes), coupled="i=1-f"),
    "lstm clips": lambda *sizes: replace(_lstm(*sizes), cell_clip=0.3, gate_clip=0.6),
    "lstm projection": _projected,
    "gru": _recurrent(el.GRU, 3, 2),
    "rnn": _recurrent(el.RNN, 1, 1),
    "min_gru": _minimal(el.MinGRU, 2),
    "min_lstm": _minimal(el.MinLSTM, 3),
    "slstm": _recurrent(el.SLSTM, 4, 1),
}

#: The options of the LSTM among them, and the models of the grid that they are measured on.
OPTIONS = ("lstm peephole", "lstm coupled", "lstm clips", "lstm projection")
OPTION_ROWS = ("6,32,1", "40,128,1")


def make_case(row: Row, cell: str = "lstm") -> Case:
    """The same numbers for the same row, on every machine. cell: a name of `CELLS`."""
    rng = np.random.default_rng(row)
    bound = 1 / np.sqrt(row.hidden_size)

    def draw(*shape: int) -> NDArray[np.float32]:
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    layers, width = [], row.input_size
    for _ in range(row.num_layers):
        layers.append(CELLS[cell](draw, width, row.hidden_size))
        width = layers[-1].output_size([width])
    dense = el.Dense(draw(1, width), draw(1))
    return Case(row, tuple(layers), dense, rng.uniform(-1, 1, (BLOCK, row.input_size)).astype(np.float32))
