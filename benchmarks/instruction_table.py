"""What the package knows of instructions a step, out of ``results/arm-instructions.json``: ``python benchmarks/instruction_table.py``."""

import json
from pathlib import Path

from grid import Row, make_case

ROOT = Path(__file__).resolve().parents[1]

#: Cells of `grid.CELLS` that the package tells apart.
KINDS = ("gru", "rnn", "min_gru", "min_lstm", "slstm")

#: What is read, and what is written.
COUNTED, TABLE = ROOT / "benchmarks" / "results" / "arm-instructions.json", ROOT / "edgelstm" / "compiler" / "instruction_counts.json"


def table() -> str:
    """By target: of each scheme, rows of inputs, hidden units, layers, instructions; of each other cell in float32, rows of
    multiply-accumulates, units, instructions.
    """
    cores = json.loads(COUNTED.read_text())["cores"]
    lines = []
    for target, core in cores.items():
        rows = {
            scheme: [[*map(int, model.split(",")), round(row["instructions"])] for model, row in counted.items()]
            for scheme, counted in core["schemes"].items()
        }
        cells = ",\n".join(f'   "{kind}": {json.dumps(_cell(kind, core["cells"][kind]))}' for kind in KINDS)
        schemes = ",\n".join(f'  "{scheme}": {json.dumps(counted)}' for scheme, counted in rows.items())
        lines.append(f' "{target}": {{\n  "cpu": "{core["cpu"]}",\n{schemes},\n  "cells": {{\n{cells}\n  }}\n }}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _cell(kind: str, counted: dict[str, dict[str, float]]) -> list[list[int]]:
    rows = []
    for model, told in counted.items():
        case = make_case(Row.parse(model), kind)
        products = sum(layer.multiply_accumulates for layer in case.model.layers)
        rows.append([products, case.row.hidden_size * case.row.num_layers, round(told["instructions"])])
    return sorted(rows)


if __name__ == "__main__":
    TABLE.write_text(table())
