"""An application that measures itself: its network on held-back data beside a naive way, the time of a step, a picture."""

import argparse
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cli import show
from ..errors import EdgeLSTMError
from .result import NETWORK, RESULT, Figures, Measure, Result, Step, read

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
    load : callable
        Gives the model whose step is timed; or pairs of a model and how often a step of the application steps it, on average.
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
    load: "Callable[[], Model | Sequence[tuple[Model, float]]]"
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
        size = sum((self.folder / name).stat().st_size for name in self.files)
        return Result(self.does, self.held_back, self.measures, rounded, self.step(), size, self.seconds)

    def step(self) -> Step:
        """The time of a step, measured now, and its instructions."""
        loaded = self.load()
        pairs = loaded if isinstance(loaded, Sequence) else [(loaded, 1.0)]
        counts = (instructions_of(pairs, target) for target in ("rpi4", "rpi5"))
        return Step(self.step_of, round(nanoseconds(*self.steps()), 1), _cpu(), *counts)

    def write(self) -> Result:
        """Measure, write `result.json`, draw the picture."""
        result = self.measured()
        self._keep(result)
        self._picture()
        return result

    def write_step(self) -> Step:
        """Measure the step alone, and write it into `result.json`."""
        step = self.step()
        self._keep(replace(read(self.folder), step=step))
        return step

    def _keep(self, result: Result) -> None:
        (self.folder / RESULT).write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n", "utf-8")

    def _picture(self) -> None:
        """Draw it with few colours, which makes a small file."""
        from matplotlib.figure import Figure
        from PIL import Image

        figure, drawn = Figure(self.size, layout="constrained"), io.BytesIO()
        self.draw(figure)
        figure.savefig(drawn, dpi=100)
        Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(self.picture, optimize=True)

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """The command `run.py`: the table, measured now; with ``--write`` kept as `result.json`, and the picture drawn.

        Raises
        ------
        SystemExit
            In one sentence, where a model's file cannot be read or compiled.
        """
        parser = argparse.ArgumentParser(description=self.does)
        parser.add_argument("--write", action="store_true", help=f"write {RESULT} and the picture (needs matplotlib)")
        asked = parser.parse_args(arguments)
        try:
            if self.look is not None:
                self.look()
            print_result(self.write() if asked.write else self.measured())
        except EdgeLSTMError as problem:
            raise SystemExit(f"{self.folder.name}: {problem}") from None


def print_result(result: Result) -> None:
    """Print the table, and what a step takes."""
    show.table(f"On {result.held_back}", ("", *(measure.head for measure in result.measures)), result.cells())
    print(f"{step_text(result.step)}; the network's file has {show.bytes_text(result.model_bytes)}.")


def step_text(step: Step) -> str:
    """What a step takes, in words."""
    work = "" if step.a72_instructions is None else f", and on a Cortex-A72 {show.estimate_text(step.a72_instructions)}"
    if step.a76_instructions is not None:
        work += f" ({show.two_digits(step.a76_instructions)} on a Cortex-A76)"
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


def instructions_of(pairs: "Sequence[tuple[Model, float]]", target: str) -> int | None:
    """An estimate of what steps of models, each so often, execute on a Raspberry Pi; None where nothing like one of them was counted."""
    from ..compiler.step_cost import instructions
    from ..compiler.targets import TARGETS

    total = 0.0
    for model, often in pairs:
        found = instructions(model, TARGETS[target].architecture, TARGETS[target].dot)
        if found is None:
            return None
        total += often * found.instructions
    return round(total)


def _cpu() -> str:
    from ..doctor.machine import look

    return look().cpu
