"""What a step executes on an emulated Raspberry Pi does not grow beyond the committed table, and its answers are right there.

``$EDGELSTM_EMULATED_PI`` names the folder of an emulated Pi: ``python tools/emulated_pi.py build DIR``.
"""

import json
import os
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from edgelstm import reference

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RESULT = BENCHMARKS / "results" / "arm-instructions.json"
PI = Path(os.environ.get("EDGELSTM_EMULATED_PI", "no folder named"))

#: Part by which a count may exceed the table before the table, or the code, has to change.
GROWTH = 0.02

#: Instructions a step in float32 that were set as the mark, on either core.
MARKS = {
    "1,8,1": 400,
    "1,16,1": 1020,
    "1,24,1": 1880,
    "1,40,1": 4000,
    "6,32,1": 3050,
    "9,64,1": 9600,
    "40,128,1": 38_000,
    "128,128,1": 56_000,
    "64,256,2": 350_000,
    "40,512,1": 460_000,
}
PYTHON_MARK = 900

#: Largest error over 1000 steps: twice what is seen. One of Newton's steps less makes it 3e-7.
ERROR = 1e-7

CHEAP = ("1,8,1", "1,16,1", "1,24,1", "1,40,1", "6,32,1", "9,64,1")

on_a_pi = pytest.mark.skipif(not PI.is_dir(), reason="EDGELSTM_EMULATED_PI names no emulated Pi (tools/emulated_pi.py build DIR)")
compiled = pytest.mark.skipif(shutil.which("aarch64-linux-gnu-gcc") is None, reason="aarch64-linux-gnu-gcc is not installed")
targets = pytest.mark.parametrize("target", ["rpi4", "rpi5"])


@pytest.fixture(autouse=True)
def _benchmarks_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def committed(target):
    return json.loads(RESULT.read_text())["cores"][target]


def within(counted, allowed, what):
    """Fail with what to do."""
    if counted > allowed * (1 + GROWTH):
        pytest.fail(f"{what}: {counted:.0f} instructions a step, the table says {allowed:.0f}. Make it less, or run arm_instructions.py.")


@targets
def test_the_table_keeps_the_marks(target):
    core = committed(target)
    f32 = core["schemes"]["f32"]
    assert set(f32) == set(MARKS)
    assert {row: cell["instructions"] for row, cell in f32.items() if cell["instructions"] > MARKS[row]} == {}
    assert core["python_step"]["1,8,1"] <= PYTHON_MARK


def test_the_markdown_is_the_tables():
    report = import_module("report_arm")
    assert RESULT.with_suffix(".md").read_text() == report.markdown(json.loads(RESULT.read_text()))


@on_a_pi
@compiled
@targets
@pytest.mark.parametrize("scheme", ["f32", "int8-dynamic"])
def test_counts_do_not_grow(target, scheme):
    counting, grid = import_module("arm_counting"), import_module("grid")
    cells = committed(target)["schemes"][scheme]
    for row in CHEAP:
        figures = counting.measured(PI, grid.Row.parse(row), scheme, target, static=False)
        within(figures.instructions, cells[row]["instructions"], f"{scheme} {row} on {target}")


@on_a_pi
@compiled
@targets
@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_counts_of_other_cells_do_not_grow(target, cell):
    counting, grid = import_module("arm_counting"), import_module("grid")
    cells = committed(target)["cells"][cell]
    for row in (row for row in CHEAP if row in cells):
        figures = counting.measured(PI, grid.Row.parse(row), "f32", target, static=False, cell=cell)
        within(figures.instructions, cells[row]["instructions"], f"{cell} {row} on {target}")


@targets
def test_a_gru_executes_less_than_an_lstm(target):
    """Three quarters of its products, from a size on; an Elman layer a third of its instructions."""
    core = committed(target)
    lstm = core["schemes"]["f32"]
    for cell, share in (("gru", 0.8), ("rnn", 0.35)):
        for row, counted in core["cells"][cell].items():
            most = share if row not in ("1,8,1", "1,16,1") else 1.0
            assert counted["instructions"] <= most * lstm[row]["instructions"], f"{cell} {row}"


@on_a_pi
@targets
def test_a_step_from_python_does_not_grow(target):
    counting, grid = import_module("arm_counting"), import_module("grid")
    within(counting.python_step(PI, grid.Row(1, 8, 1), target), committed(target)["python_step"]["1,8,1"], f"step(x) on {target}")


def test_growth_is_seen():
    within(101, 100, "a step")
    with pytest.raises(pytest.fail.Exception, match="103 instructions a step, the table says 100"):
        within(103, 100, "a step")


@on_a_pi
@compiled
@targets
@pytest.mark.parametrize("row", ["1,24,1", "9,64,1"])
def test_answers_stay_with_the_reference_for_1000_steps(target, row, tmp_path):
    """Tiles, tails, and quotients by estimate, as only these targets have them."""
    counting, grid, pi = import_module("arm_counting"), import_module("grid"), import_module("emulated_pi")
    case = grid.make_case(grid.Row.parse(row))
    step = counting.program(tmp_path, case, "f32", target)
    done = pi.run(PI, counting.CORES[target], step, ["1000", "print"], capture=True)
    xs = np.resize(case.inputs[: counting.ROWS], (1000, case.row.input_size))
    answers = np.array(done.stdout.split(), np.float64)
    assert np.abs(answers - reference.run(case.model, xs)[:, 0]).max() <= ERROR
