"""What an example reached on held-back data, beside a naive way: the content of its `result.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ModelFileError, UsageError

#: The row of the network in every table.
NETWORK = "the network"

#: What a folder's result lies in.
RESULT = "result.json"

#: Figures of one row, by measure; None where a way has none.
Figures = Sequence[float | None]


@dataclass(frozen=True)
class Measure:
    """A figure that contenders are compared by.

    Parameters
    ----------
    name : str
        What is measured.
    unit : str
        "%" stands behind each figure, another unit in the head of a table.
    better : {"higher", "lower"}
    digits : int
        Decimals that are shown.
    """

    name: str
    unit: str = "%"
    better: Literal["higher", "lower"] = "higher"
    digits: int = 1

    @property
    def head(self) -> str:
        """The head of its column."""
        return self.name if self.unit in ("", "%") else f"{self.name}, {self.unit}"

    def text(self, figure: float | None) -> str:
        """A figure as tables show it."""
        if figure is None:
            return "—"
        number = f"{figure:,.{self.digits}f}".replace("-", "−")
        return f"{number} %" if self.unit == "%" else number

    def beats(self, figure: float, other: float) -> bool:
        """Whether `figure` is better than `other`."""
        return figure > other if self.better == "higher" else figure < other


@dataclass(frozen=True)
class Step:
    """The time and work of one step.

    Parameters
    ----------
    of : str
        What a step reads: "a sample".
    ns : float
        Back to back, with the call from Python; of several rounds the fastest.
    machine : str
    a72_instructions, a76_instructions : int or None
        Estimates for the Raspberry Pi 4 and 5, where models like this one were counted.
    """

    of: str
    ns: float
    machine: str
    a72_instructions: int | None
    a76_instructions: int | None = None


@dataclass(frozen=True)
class Result:
    """What an example reached: the content of its `result.json`.

    Parameters
    ----------
    does : str
        What the example is for, a sentence.
    held_back : str
        What it is measured on.
    measures : sequence of Measure
        The first is the one that counts.
    rows : mapping of str to sequence of float or None
        Figures by contender: the network, the naive way that it must beat, others.
    step : Step
    model_bytes : int
        Of its files.
    seconds : float
        Of processor time that training took; 0 for a network of others.
    """

    does: str
    held_back: str
    measures: tuple[Measure, ...]
    rows: Mapping[str, Figures]
    step: Step
    model_bytes: int
    seconds: float

    @property
    def figure(self) -> float:
        """The network's, by the measure that counts."""
        return self._counting(NETWORK)

    @property
    def baseline(self) -> tuple[str, float]:
        """The naive way, and its figure."""
        name = list(self.rows)[1]
        return name, self._counting(name)

    @property
    def beaten(self) -> bool:
        """Whether the network is better than the naive way."""
        return self.measures[0].beats(self.figure, self.baseline[1])

    def _counting(self, name: str) -> float:
        figure = self.rows[name][0]
        if figure is None:
            raise ModelFileError(f"{RESULT} has no figure of {name} by {self.measures[0].name}; measure it again with run.py --write.")
        return figure

    def cells(self) -> list[list[str]]:
        """Its table as texts: a row for each contender."""
        return [
            [name, *(measure.text(figure) for measure, figure in zip(self.measures, row, strict=True))] for name, row in self.rows.items()
        ]


def read(folder: Path) -> Result:
    """The result of the example in `folder`.

    Raises
    ------
    ModelFileError
        If its file holds something else.
    """
    try:
        told = json.loads((folder / RESULT).read_text("utf-8"))
        told["measures"] = tuple(Measure(**measure) for measure in told["measures"])
        return Result(**{**told, "step": Step(**told["step"])})
    except (ValueError, KeyError, TypeError) as problem:
        raise ModelFileError(f"{folder.name}/{RESULT} is no result of an example: {problem}; write it with run.py --write.") from None


def folders() -> dict[str, Path]:
    """The examples that have a result, by name: those of the checkout, or those whose results the installed package holds."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "_examples", package.parent / "examples"):
        if found := {path.parent.name: path.parent for path in sorted(place.glob(f"*/{RESULT}"))}:
            return found
    raise ModelFileError("this installation lacks the results of the examples (edgelstm/_examples); install edgelstm again.")


def runnable(name: str) -> Path:
    """The `run.py` of an example.

    Raises
    ------
    UsageError
        If there is no such example, or it is not in the package.
    """
    found = folders()
    if name not in found:
        raise UsageError(f"there is no example '{name}'; `edgelstm examples` lists them.")
    path = found[name] / "run.py"
    if not path.is_file():
        shipped = sorted(["activity", *(other for other, folder in found.items() if (folder / "run.py").is_file())])
        raise UsageError(
            f"the example '{name}' is not in the package, which has {' and '.join((', '.join(shipped[:-1]), shipped[-1]))}: "
            f"run `python examples/{name}/run.py` in a checkout of edgelstm."
        )
    return path


def command(name: str) -> str:
    """What runs an example, from where this package is."""
    if name == "activity":
        return "edgelstm demo"
    folder = folders()[name]
    shipped = folder.parent.name == "_examples" and (folder / "run.py").is_file()
    return f"edgelstm demo {name}" if shipped else f"python examples/{name}/run.py"
