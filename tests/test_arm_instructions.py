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

#: Other cells, and the rows that are counted again.
CELLS = {
    **dict.fromkeys(("gru", "rnn"), ("1,8,1", "1,24,1", "6,32,1", "9,64,1")),
    **dict.fromkeys(("min_gru", "min_lstm", "slstm", "lstm peephole", "lstm coupled", "lstm clips", "lstm projection"), ("6,32,1",)),
}

#: Models of `nets.NETS`.
NETS = ("Conv1D 64 -> 64, 3 taps", "ConvLSTM 8x8x1 -> 16, 3x3")
LARGE_NETS = (
    "ConvLSTM 32x32x3 -> 8, 3x3",
    "LSTM 500, peepholes, projection 200, of 20 features",
    "GRU 400, Dense 128, Dense 256, of 20 features",
    "silero_vad, 512 samples",
    "DTLN's first net, a hop",
    "DTLN's second net, a hop",
)

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
@pytest.mark.parametrize("cell", CELLS)
def test_counts_of_other_cells_do_not_grow(target, cell):
    counting, grid = import_module("arm_counting"), import_module("grid")
    cells = committed(target)["cells"][cell]
    for row in CELLS[cell]:
        figures = counting.measured(PI, grid.Row.parse(row), "f32", target, static=False, cell=cell)
        within(figures.instructions, cells[row]["instructions"], f"{cell} {row} on {target}")


@on_a_pi
@compiled
@targets
@pytest.mark.parametrize("name", [*NETS, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE_NETS)])
def test_counts_of_nets_do_not_grow(target, name):
    figures = import_module("arm_counting").measured_net(PI, name, target, static=False)
    within(figures.instructions, committed(target)["nets"][name]["instructions"], f"{name} on {target}")


@on_a_pi
@compiled
@targets
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_block_takes_less_than_its_steps(target, cell):
    """Input products of several steps that more registers held than there are would take more."""
    counting, grid = import_module("arm_counting"), import_module("grid")
    row = grid.Row(40, 128, 1)
    step = counting.measured(PI, row, "f32", target, static=False, cell=cell).instructions
    assert counting.in_blocks(PI, row, target, cell) < step


@targets
def test_every_cell_and_net_is_in_the_table(target):
    counting, grid, nets = import_module("arm_counting"), import_module("grid"), import_module("nets")
    core = committed(target)
    everywhere = [str(row) for row in grid.GRID]
    assert {cell: sorted(rows) for cell, rows in core["cells"].items()} == {
        cell: sorted(rows or everywhere) for cell, rows in counting.CELLS.items()
    }
    assert set(core["nets"]) == set(nets.NETS) == {*NETS, *LARGE_NETS}
    assert set(core["cells"]) == set(CELLS)


@targets
def test_options_of_an_lstm_cost_little(target):
    """Within a tenth of the plain layer at 128 units and a quarter at 32; a projection likewise, over its share of the products."""
    core, grid = committed(target), import_module("grid")
    for option in grid.OPTIONS:
        for row, counted in core["cells"][option].items():
            most = 1.1 if row == "40,128,1" else 1.25
            if option == "lstm projection":
                plain, projected = (
                    sum(layer.multiply_accumulates for layer in grid.make_case(grid.Row.parse(row), cell).layers)
                    for cell in ("lstm", option)
                )
                most *= projected / plain
            assert counted["instructions"] <= most * core["schemes"]["f32"][row]["instructions"], f"{option} {row}"


@targets
def test_a_gru_executes_less_than_an_lstm(target):
    """Three quarters of its products, from a size on; an Elman layer a third of its instructions."""
    core = committed(target)
    lstm = core["schemes"]["f32"]
    for cell, share in (("gru", 0.8), ("rnn", 0.35), ("min_gru", 0.5)):
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
