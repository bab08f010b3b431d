"""`edgelstm run` in processes that are made in no time, since all they need is loaded before they are forked; and what they must answer."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import edgelstm as el
from edgelstm.cli import main

NAMES = ("ax", "ay", "az")

#: Seconds that anything may take.
PATIENCE = 120.0


def small_model() -> el.Model:
    """Three inputs, an LSTM of four, two labels."""
    draw = np.random.default_rng(2)
    lstm = el.LSTM(draw.normal(0, 0.4, (16, 3)), draw.normal(0, 0.4, (16, 4)), draw.normal(0, 0.4, 16))
    dense = el.Dense(draw.normal(0, 0.4, (2, 4)), draw.normal(0, 0.4, 2))
    return el.Model((lstm, dense), labels=("rest", "walk"), input_names=NAMES, rate_hz=50)


class Runs:
    """One command after the other over one model, one state and one file of answers.

    Parameters
    ----------
    folder : Path
        Gets the model, what is said, and the answers, unless `kept` is another folder.
    options : sequence
        Of `edgelstm run`.
    kept : Path, optional
        Gets state and answers.
    """

    def __init__(self, folder: Path, *options: object, kept: Path | None = None) -> None:
        self.folder, self.kept = folder, kept or folder
        self.answers, self.said = self.kept / "answers.csv", folder / "said"
        self.model = small_model()
        el.save(self.model, folder / "model.elstm")
        el.Stream(el.load(folder / "model.elstm")).warmup()  # compiled, and what loads it is loaded
        self._options = [str(option) for option in options]

    def command(self) -> list[str]:
        """The arguments of a run."""
        kept = ["--state", f"{self.kept}/state/", "--append", "-o", str(self.answers)]
        return ["run", str(self.folder / "model.elstm"), *self._options, *kept]

    def start(self, before: Callable[[], object] = lambda: None) -> int:
        """A process that runs the command; `before`: what it does first."""
        sys.stdout.flush()
        child = os.fork()
        if child:
            return child
        try:
            said = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(said, 1)
            os.dup2(said, 2)
            before()
            main(self.command())
        except SystemExit as ended:
            os._exit(ended.code if isinstance(ended.code, int) else 1)
        finally:
            os._exit(99)

    def size(self) -> int:
        """Bytes of the answers."""
        return self.answers.stat().st_size if self.answers.exists() else 0

    def lines(self) -> list[list[str]]:
        """Whole lines of the answers behind the header, in cells."""
        text = self.answers.read_text() if self.answers.exists() else ""
        return [line.split(",") for line in text[: text.rfind("\n") + 1].splitlines()[1:]]

    def until(self, true: Callable[[], bool], child: int = 0) -> None:
        """Wait for something that a process brings about.

        Raises
        ------
        AssertionError
            If the process ends before, or it takes too long.
        """
        end = time.monotonic() + PATIENCE
        while not true():
            gone = child and os.waitpid(child, os.WNOHANG)[0]
            assert not gone, f"the run ended: {self.said.read_text()[-500:]}"
            assert time.monotonic() < end, f"it takes too long: {self.said.read_text()[-500:]}"
            time.sleep(0.005)

    def finish(self, count: int) -> None:
        """Run until so many answers are there, and end."""
        child = self.start()
        self.until(lambda: len(self.lines()) >= count, child)
        end(child, signal.SIGTERM)

    def check(self, streams: dict[str, np.ndarray]) -> int:
        """Whether every sample of every stream was answered once, in order, as by a stream of its own; how many there were.

        streams: by key, samples (count, 3).

        Raises
        ------
        AssertionError
        """
        found: dict[str, list[list[str]]] = {key: [] for key in streams}
        for key, *cells in self.lines():
            found[key].append(cells)
        for key, xs in streams.items():
            numbers = [int(cells[0]) for cells in found[key]]
            assert numbers == list(range(len(xs))), f"{key}: {len(numbers)} answers to {len(xs)} samples, first odd at {_odd(numbers)}"
            got = np.array([cells[1:] for cells in found[key]], np.float32)
            assert np.array_equal(got, el.Stream(self.model).process(xs)), f"{key}: other answers than one stream gives"
        return sum(map(len, streams.values()))


def _odd(numbers: list[int]) -> int:
    return next((i for i, number in enumerate(numbers) if number != i), len(numbers))


def end(child: int, number: signal.Signals) -> int:
    """End a process by a signal, and return what it left: its code, or the signal's number below zero."""
    os.kill(child, number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def samples(keys: int, count: int, seed: int = 5) -> dict[str, np.ndarray]:
    """By key, (count, 3)."""
    draw = np.random.default_rng(seed)
    return {f"watch-{i}": draw.normal(size=(count, 3)).astype(np.float32) for i in range(keys)}
