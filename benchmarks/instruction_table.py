"""What the package knows of instructions a step, out of ``results/arm-instructions.json``: ``python benchmarks/instruction_table.py``."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: What is read, and what is written.
COUNTED, TABLE = ROOT / "benchmarks" / "results" / "arm-instructions.json", ROOT / "edgelstm" / "compiler" / "instruction_counts.json"


def table() -> str:
    """By target, then scheme: rows of inputs, hidden units, layers, instructions."""
    cores = json.loads(COUNTED.read_text())["cores"]
    lines = []
    for target, core in cores.items():
        rows = {
            scheme: [[*map(int, model.split(",")), round(row["instructions"])] for model, row in counted.items()]
            for scheme, counted in core["schemes"].items()
        }
        schemes = ",\n".join(f'  "{scheme}": {json.dumps(counted)}' for scheme, counted in rows.items())
        lines.append(f' "{target}": {{\n  "cpu": "{core["cpu"]}",\n{schemes}\n }}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    TABLE.write_text(table())
