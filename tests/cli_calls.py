"""What the tests of the command line share: a small network, its samples, and ways to call `edgelstm`."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

import edgelstm as el
from edgelstm.cli import main

ROOT = Path(__file__).resolve().parents[1]
LABELS = ("rest", "walk")
ROWS = np.random.default_rng(3).normal(size=(40, 3)).astype(np.float32)
CSV = "".join(",".join(map(repr, row)) + "\n" for row in ROWS.tolist())


def arrays() -> dict[str, np.ndarray]:
    """The tensors of a small network under the names that PyTorch gives them."""
    random = np.random.default_rng(2)
    shapes = {
        "lstm.weight_ih_l0": (16, 3),
        "lstm.weight_hh_l0": (16, 4),
        "lstm.bias_ih_l0": (16,),
        "lstm.bias_hh_l0": (16,),
        "fc.weight": (2, 4),
        "fc.bias": (2,),
    }
    return {name: random.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}


def make_model() -> el.Model:
    """The network of `arrays`, with names."""
    a = arrays()
    lstm = el.LSTM(a["lstm.weight_ih_l0"], a["lstm.weight_hh_l0"], a["lstm.bias_ih_l0"] + a["lstm.bias_hh_l0"])
    return el.Model((lstm, el.Dense(a["fc.weight"], a["fc.bias"])), labels=LABELS, input_names=("ax", "ay", "az"), rate_hz=50, window=20)


def scaled(factor: float, **changes: Any) -> el.Model:
    """The same network with other weights, all of one architecture, for streams that go on and on."""
    model = replace(make_model(), window=None, probe=None, **changes)
    lstm, dense = model.layers
    return replace(model, layers=(lstm, replace(dense, weight=dense.weight * np.float32(factor))))


def call(*args: object, given: str | bytes = "") -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], input=given)


def refused(result: Result, code: int) -> str:
    """The one line that a failed call printed on stderr."""
    assert result.exit_code == code, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("edgelstm: ")
    assert result.stderr.count("\n") == 1
    assert result.stderr[:-1].isprintable()
    return result.stderr


def answers(text: str) -> np.ndarray:
    header, *lines = text.splitlines()
    assert header == ",".join(LABELS)
    return np.array([line.split(",") for line in lines], np.float32).reshape(len(lines), 2)


def launch(*args: object, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), **options.pop("env", {})}
    environment.pop("PYTHONUNBUFFERED", None)  # it would flush in our place
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0, **options}
    return subprocess.Popen([sys.executable, "-m", "edgelstm", *map(str, args)], env=environment, **pipes)


def line_of(process: subprocess.Popen[bytes]) -> bytes:
    """One line of the process's output, which must come while its input is still open."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0], "no answer while the input is open"
    return process.stdout.readline()


def lines(rows: np.ndarray, before: list[str] | None = None) -> str:
    texts = [",".join(map(repr, row)) for row in rows.tolist()]
    return "".join(f"{mark},{text}\n" for mark, text in zip(before, texts, strict=True)) if before else "".join(t + "\n" for t in texts)


def until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for something that a running process brings about."""
    deadline = time.monotonic() + 60
    while not true():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
