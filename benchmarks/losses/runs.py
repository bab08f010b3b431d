"""`edgelstm run` in processes that are made in no time, since all they need is loaded before they are forked; and what they must answer."""

import importlib
import os
import pkgutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

import edgelstm as el
from edgelstm import cli, field, runners, sources
from edgelstm.cli import main

NAMES = ("ax", "ay", "az")

#: Seconds that anything may take; of answers, until the next one.
PATIENCE = 120.0


def _loaded() -> None:
    """Load what a run would load first: most of its start, and nothing that a sample could be lost in."""
    own = [
        f"{package.__name__}.{module.name}"
        for package in (cli, field, runners, sources)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    for name in (*own, "paho.mqtt.client", "serial"):
        with suppress(ImportError):
            importlib.import_module(name)


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
        _loaded()
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
        except BaseException:
            traceback.print_exc()
            raise
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
            If the process ends before, or no answer comes for too long.
        """
        end, size = time.monotonic() + PATIENCE, self.size()
        while not true():
            if self.size() != size:
                end, size = time.monotonic() + PATIENCE, self.size()
            gone, left = os.waitpid(child, os.WNOHANG) if child else (0, 0)
            assert not gone, f"the run ended ({os.waitstatus_to_exitcode(left)}): {self.said.read_text()[-500:]}"
            assert time.monotonic() < end, f"it takes too long: {self.said.read_text()[-500:]}"
            time.sleep(0.005)

    def until_answered(self, count: int, child: int) -> None:
        """Wait until a process has written so many answers, header aside; as `until`."""
        self.until(lambda: self.size() > 0 and self.answers.read_bytes().count(b"\n") > count, child)

    def finish(self, count: int) -> None:
        """Run until so many answers are there, and end."""
        child = self.start()
        try:
            self.until_answered(count, child)
        finally:
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


@contextmanager
def slowed(*processes: int) -> Iterator[None]:
    """Let processes run for a tenth of the time, 5 ms in 50, as on a machine that is busy with others."""
    over = threading.Event()

    def alternate() -> None:
        while not over.wait(0.005):
            _signal(processes, signal.SIGSTOP)
            over.wait(0.045)
            _signal(processes, signal.SIGCONT)

    worker = threading.Thread(target=alternate)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def _signal(processes: Sequence[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)


def samples(keys: int, count: int, seed: int = 5) -> dict[str, np.ndarray]:
    """By key, (count, 3)."""
    draw = np.random.default_rng(seed)
    return {f"watch-{i}": draw.normal(size=(count, 3)).astype(np.float32) for i in range(keys)}
