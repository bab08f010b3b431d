"""The cost of a step: as the counts that are in the repository say, and near them where nothing was counted."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_calls import call
from conftest import lstm_layers
from library_models import model_of

import edgelstm as el
from edgelstm.compiler import step_cost

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import instruction_table  # noqa: E402

CORES = json.loads(instruction_table.COUNTED.read_text())["cores"]
DOTS = {"rpi4": "smlal", "rpi5": "sdot"}


def lstm(inputs, hidden, layers):
    rng = np.random.default_rng(0)
    return el.Model(lstm_layers(rng, inputs, hidden, layers))


def test_the_table_is_that_of_the_counts():
    assert instruction_table.TABLE.read_text() == instruction_table.table()


@pytest.mark.parametrize("target", CORES)
@pytest.mark.parametrize("row", ["1,8,1", "1,40,1", "9,64,1", "40,128,1", "64,256,2"])
def test_a_counted_model_costs_what_was_counted(target, row):
    """Up to the Dense layer, which the counts include, and layers, which they do not tell apart."""
    counted = CORES[target]["schemes"]["f32"][row]["instructions"]
    told = step_cost.instructions(lstm(*map(int, row.split(","))), "aarch64", DOTS[target])
    assert told.cpu == CORES[target]["cpu"]
    assert abs(told.instructions / counted - 1) <= 0.05


@pytest.mark.parametrize("target", CORES)
@pytest.mark.parametrize("cell", instruction_table.KINDS)
def test_a_counted_cell_costs_what_was_counted(target, cell):
    """Up to the Dense layer, as an LSTM."""
    for row, counted in CORES[target]["cells"][cell].items():
        told = step_cost.instructions(instruction_table.make_case(instruction_table.Row.parse(row), cell).model, "aarch64", DOTS[target])
        assert abs(told.instructions / counted["instructions"] - 1) <= 0.1, row


@pytest.mark.parametrize(("scheme", "most"), [("f32", 0.05), ("int8-weight", 0.12), ("int8-dynamic", 0.25)])
@pytest.mark.parametrize("target", CORES)
def test_a_model_between_the_counted_is_near(target, scheme, most):
    """Each counted model estimated from the others."""
    rows = step_cost._counted()[target].schemes[scheme]
    for row in rows:
        others = step_cost._rows([other for other in rows if other is not row])
        work = step_cost._work(*row[:3])
        assert abs(work * step_cost._interpolated(work, others) / row[3] - 1) <= most, row


def test_larger_models_cost_more():
    told = [step_cost.instructions(lstm(6, hidden, 1), "aarch64", "smlal").instructions for hidden in (1, 4, 8, 20, 50, 150, 600)]
    assert told == sorted(told)
    assert told[0] < 398
    assert told[-1] > 456_426


@pytest.mark.parametrize(
    "name",
    [
        "f32-all-layers",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("f32-table", "int8-dynamic", "int8-static", "int8-weight")),
    ],
)
def test_build_tells_the_cost(tmp_path, name):
    el.save(model_of(name), tmp_path / "m.elstm")
    path = tmp_path / "m.so"
    told = json.loads(call("build", tmp_path / "m.elstm", "--target", "rpi5", "-o", path, "--json").stdout)
    model = json.loads(call("describe", tmp_path / "m.elstm", "--json").stdout)
    library = json.loads(call("describe", path, "--json").stdout)
    assert told["instructions"] == model["instructions"]["rpi5"] == library["instructions"] > 0
    assert told["multiply_accumulates"] == model["multiply_accumulates"] == library["multiply_accumulates"] > 0
    for result in (
        call("describe", path),
        call("describe", tmp_path / "m.elstm"),
        call("build", tmp_path / "m.elstm", "--target", "rpi5", "-o", path),
    ):
        shown = " ".join(result.stdout.split())
        assert "multiply-accumulates" in shown
        assert "instructions, estimated from counted models" in shown


def test_what_was_not_counted_is_not_told(tmp_path):
    el.save(model_of("f32"), tmp_path / "m.elstm")
    result = call("build", tmp_path / "m.elstm", "--target", "cortex-m4f", "-o", tmp_path / "m.o", "--json")
    told = json.loads(result.stdout)
    assert told["instructions"] is None
    assert told["multiply_accumulates"] == json.loads(call("describe", tmp_path / "m.elstm", "--json").stdout)["multiply_accumulates"]
