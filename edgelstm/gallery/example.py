"""An application that measures itself: its network on held-back data beside a naive way, the time of a step, a picture."""

import argparse
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cli import show
from .result import NETWORK, RESULT, Figures, Measure, Result, Step

if TYPE_CHECKING:
    from ..model import Model

#: How often all steps are timed, and for how long each time at least, in nanoseconds.
ROUNDS, ROUND_NS = 150, 2_000_000

#: Of a picture.
COLOURS = 64


@dataclass(frozen=True)
class Example:
    """An application, and how it is measured.

    Parameters
    ----------
    folder : Path
    does, held_back, measures
        See `Result`.
    files : sequence of str
        The network's, in `folder`.
    load : callable or None
        Gives the model whose step is timed; None where what is timed is not one step of one model.
    network : callable
        Streams what was held back through the network, and gives the figures.
    others : callable
        Gives the figures of others by name, the naive way first.
    steps : callable
        Gives what makes one step, and what it is called with, one after the other.
    draw : callable
        Draws the picture into a Matplotlib figure.
    step_of : str
        See `Step`.
    seconds : float
        See `Result`.
    look : callable, optional
        Prints something to look at, before the table.
    size : (float, float)
        Of the picture, in inches.
    """

    folder: Path
    does: str
    held_back: str
    measures: tuple[Measure, ...]
    files: Sequence[str]
    load: "Callable[[], Model] | None"
    network: Callable[[], Figures]
    others: Callable[[], Mapping[str, Figures]]
    steps: Callable[[], tuple[Callable[[Any], object], Sequence[Any]]]
    draw: Callable[[Any], None]
    step_of: str = "a sample"
    seconds: float = 0.0
    look: Callable[[], None] | None = None
    size: tuple[float, float] = (8.0, 3.2)

    @property
    def picture(self) -> Path:
        """Where it is drawn."""
        return self.folder / f"{self.folder.name}.png"

    def measured(self) -> Result:
        """All figures, measured now."""
        rows = {NETWORK: self.network(), **self.others()}
        rounded = {name: tuple(None if x is None else round(float(x), 5) for x in row) for name, row in rows.items()}
        count = self.load and a72_instructions(self.load())
        step = Step(self.step_of, round(nanoseconds(*self.steps()), 1), _cpu(), count)
        size = sum((self.folder / name).stat().st_size for name in self.files)
        return Result(self.does, self.held_back, self.measures, rounded, step, size, self.seconds)

    def write(self) -> Result:
        """Measure, write `result.json`, draw the picture."""
        result = self.measured()
        (self.folder / RESULT).write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n", "utf-8")
        self._picture()
        return result

    def _picture(self) -> None:
        """Draw it with few colours, which makes a small file."""
        from matplotlib.figure import Figure
        from PIL import Image

        figure, drawn = Figure(self.size, layout="constrained"), io.BytesIO()
        self.draw(figure)
        figure.savefig(drawn, dpi=100)
        Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(self.picture, optimize=True)

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """The command `run.py`: the table, measured now; with ``--write`` kept as `result.json`, and the picture drawn."""
        parser = argparse.ArgumentParser(description=self.does)
        parser.add_argument("--write", action="store_true", help=f"write {RESULT} and the picture (needs matplotlib)")
        asked = parser.parse_args(arguments)
        if self.look is not None:
            self.look()
        print_result(self.write() if asked.write else self.measured())


def print_result(result: Result) -> None:
    """Print the table, and what a step takes."""
    show.table(f"On {result.held_back}", ("", *(measure.head for measure in result.measures)), result.cells())
    print(f"{step_text(result.step)}; the network's file has {show.bytes_text(result.model_bytes)}.")


def step_text(step: Step) -> str:
    """What a step takes, in words."""
    count = step.a72_instructions
    work = "" if count is None else f", and on a Cortex-A72 {show.estimate_text(count)}"
    return f"A step reads {step.of} and takes {show.time_text(step.ns)} on {step.machine}{work}"


def nanoseconds(step: Callable[[Any], object], given: Sequence[Any]) -> float:
    """Of one call of `step`, back to back over `given`: the mean of the fastest of some rounds."""
    clock, best, repeats = time.perf_counter_ns, float("inf"), 1
    for _ in range(ROUNDS):
        begin = clock()
        for _ in range(repeats):
            for x in given:
                step(x)
        taken = clock() - begin
        best = min(best, taken / (repeats * len(given)))
        repeats = max(1, round(repeats * ROUND_NS / taken))
    return best


def a72_instructions(model: "Model") -> int | None:
    """An estimate of what a step executes on a Raspberry Pi 4; None where nothing like it was counted."""
    from ..compiler.step_cost import instructions
    from ..compiler.targets import TARGETS

    found = instructions(model, TARGETS["rpi4"].architecture, TARGETS["rpi4"].dot)
    return found and found.instructions


def _cpu() -> str:
    from ..doctor.machine import look

    return look().cpu
