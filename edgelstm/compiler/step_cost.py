"""What a step of a model costs: its multiply-accumulates, and about how many instructions, from models whose instructions were counted.

Instructions are not time: memory, caches and clock are in no count. The counts are of `benchmarks/arm_instructions.py`, and
`benchmarks/instruction_table.py` puts them into the package.
"""

import json
from functools import cache
from importlib.resources import files
from math import exp, log
from typing import NamedTuple

from ..model import Model

#: What the cell of one unit weighs against one multiply-accumulate: with it a row of the table is estimated best from the others.
_CELL = 80


class Estimate(NamedTuple):
    """Instructions of one step.

    Attributes
    ----------
    instructions : int
    cpu : str
        What the counted models ran on, in LLVM's words.
    """

    instructions: int
    cpu: str


def instructions(model: Model, architecture: str, dot: str) -> Estimate | None:
    """An estimate for a CPU; None where nothing like it was counted: on other CPUs than 64-bit ARM, in a scheme that is not in the table.

    Parameters
    ----------
    model : Model
    architecture : str
        First word of LLVM's triple.
    dot : str
        Form of int8 products.
    """
    if architecture != "aarch64":
        return None
    counted = _counted()["rpi5" if dot == "sdot" else "rpi4"]
    total = 0.0
    for layer in model.layers:
        if layer.numbers not in counted.schemes:
            return None
        rows = _rows(counted.schemes[layer.numbers])
        products = layer.multiply_accumulates
        if "lstm" in (layer.kind, layer.float_kind) or layer.kind in counted.cells:
            work = products + _CELL * model.size_of(layer.name)
            total += work * _interpolated(work, _cell_rows(counted.cells[layer.kind]) if layer.kind in counted.cells else rows)
        else:
            total += products * rows[-1][1]
    return Estimate(round(total), counted.cpu)


class _Core(NamedTuple):
    """A core's counted models.

    Attributes
    ----------
    schemes : of LSTM layers by scheme, rows of inputs, hidden units, layers, instructions
    cells : of other float32 layers by kind, rows of multiply-accumulates, units, instructions
    """

    cpu: str
    schemes: dict[str, list[list[int]]]
    cells: dict[str, list[list[int]]]


@cache
def _counted() -> dict[str, _Core]:
    told = json.loads((files(__package__) / "instruction_counts.json").read_text("utf-8"))
    return {target: _Core(core.pop("cpu"), cells=core.pop("cells"), schemes=core) for target, core in told.items()}


def _work(inputs: int, hidden: int, layers: int) -> int:
    """Of a counted model, its Dense layer of one output included."""
    sources = [inputs, *[hidden] * (layers - 1)]
    return sum(4 * hidden * (source + hidden) + _CELL * hidden for source in sources) + hidden


def _rows(counted: list[list[int]]) -> list[tuple[int, float]]:
    """Work and instructions for a unit of it, by work."""
    return sorted((_work(*row[:3]), row[3] / _work(*row[:3])) for row in counted)


def _cell_rows(counted: list[list[int]]) -> list[tuple[int, float]]:
    """As `_rows`."""
    return sorted((products + _CELL * units, count / (products + _CELL * units)) for products, units, count in counted)


def _interpolated(work: float, rows: list[tuple[int, float]]) -> float:
    """Instructions for a unit of work, between the nearest two rows on a scale of logarithms; beyond the table as at its end."""
    below = [row for row in rows if row[0] <= work] or rows[:1]
    above = [row for row in rows if row[0] >= work] or rows[-1:]
    (small, first), (large, last) = below[-1], above[0]
    if large <= small:
        return last if work > large else first
    share = log(work / small) / log(large / small)
    return exp((1 - share) * log(first) + share * log(last))
