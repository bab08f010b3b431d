"""From the launch of a process to its first output, and the memory that takes: ``python benchmarks/cold_start.py``.

Bare Python, NumPy's import alone, and edgelstm stepping the model (6,32,1) from a .elstm file with a warm cache, launched in turns;
then edgelstm with an empty cache, which compiles. The pages of all files are in memory: one untimed round comes first.
Steps are not timed here.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any

from machine import describe, take_core

#: Runs after the first output: the process tells of its memory (kB, Linux).
MEMORY = """
import os
if os.path.exists("/proc/self/status"):
    for line in open("/proc/self/status"):
        if line.startswith(("VmHWM", "VmRSS")):
            print(line.replace(":", "").replace("kB", ""), end="")
"""

EDGELSTM = """
import time
import edgelstm as el
model = el.load({path!r})
start = time.perf_counter()
stream = el.Stream(model)
spent = time.perf_counter() - start
print(float(stream.step([0.1] * 6)[0]), flush=True)
print("stream_ms", 1000 * spent)
print("cached", int(stream.plan.cached))
"""

PYTHON, NUMPY, WARM, EMPTY = "bare Python", "NumPy, import only", "edgelstm, warm cache", "edgelstm, empty cache"


@dataclass
class Launches:
    """What the launches of one program showed: milliseconds, kB, and what else the program printed, by name."""

    code: str
    milliseconds: list[float] = field(default_factory=list)
    facts: dict[str, list[float]] = field(default_factory=dict)

    def launch(self, environment: dict[str, str]) -> None:
        start = perf_counter_ns()
        with subprocess.Popen([sys.executable, "-c", self.code + MEMORY], stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            self.milliseconds.append((perf_counter_ns() - start) / 1e6)
            rest = process.stdout.read()
        if process.returncode or not first:
            raise SystemExit(f"a launched process failed with code {process.returncode}; its message stands above.")
        for name, value in (line.split() for line in rest.splitlines()):
            self.facts.setdefault(name, []).append(float(value))

    def forget(self) -> None:
        self.milliseconds.clear()
        self.facts.clear()

    def figures(self) -> dict[str, Any]:
        medians = {f"median_{name}": median(values) for name, values in self.facts.items()}
        times = self.milliseconds
        return {"median_ms": median(times), "min_ms": min(times), "max_ms": max(times), "launches": len(times)} | medians


def _write_model(path: Path) -> None:
    from grid import Row, make_case

    import edgelstm as el

    el.save(make_case(Row(6, 32, 1)).model, path)  # with the probe that every saved model has


def measure(repeats: int, compiles: int) -> dict[str, Any]:
    """Figures by program name. `repeats`: launches of each program; `compiles`: launches with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.elstm")
        _write_model(path)
        code = EDGELSTM.format(path=str(path))
        programs = {
            PYTHON: Launches("print(0.0, flush=True)"),
            NUMPY: Launches("import numpy\nprint(0.0, flush=True)"),
            WARM: Launches(code),
            EMPTY: Launches(code),
        }
        environment = os.environ | {"EDGELSTM_CACHE_DIR": str(Path(folder, "warm"))}
        for number in range(repeats + 1):
            for name in (PYTHON, NUMPY, WARM):
                programs[name].launch(environment)
                if number == 0:
                    programs[name].forget()
        for number in range(compiles):
            programs[EMPTY].launch(environment | {"EDGELSTM_CACHE_DIR": str(Path(folder, f"empty{number}"))})
    if 0 in programs[WARM].facts["cached"] or 1 in programs[EMPTY].facts["cached"]:
        raise SystemExit("the cache did not do what EDGELSTM_CACHE_DIR asked: a warm start compiled, or an empty one did not.")
    return {name: launches.figures() for name, launches in programs.items()}


def _print(result: dict[str, Any]) -> None:
    machine, programs = result["machine"], result["programs"]
    print(f"{machine['cpu']}; {result['pinned']}; {machine['system']}; {machine['python']}; {machine['date']}")
    headings = ("median ms", "min ms", "max ms", "RSS MiB", "peak MiB", "launches")
    print(f"{'launch to first output':<24}" + "".join(f"{heading:>10}" for heading in headings))
    for name, f in programs.items():
        memory = [f.get(f"median_{key}", float("nan")) / 1024 for key in ("VmRSS", "VmHWM")]
        times = "".join(f"{f[key]:10.0f}" for key in ("median_ms", "min_ms", "max_ms"))
        print(f"{name:<24}{times}{memory[0]:10.1f}{memory[1]:10.1f}{f['launches']:10}")
    warm, numpy, empty = programs[WARM], programs[NUMPY], programs[EMPTY]
    above = [warm[key] - numpy[key] for key in ("median_ms", "min_ms")]
    print(f"\nabove NumPy's import: {above[0]:.0f} ms (minima: {above[1]:.0f} ms)", end="")
    if "median_VmHWM" in warm:
        more = [(warm[key] - numpy[key]) / 1024 for key in ("median_VmRSS", "median_VmHWM")]
        print(f", {more[0]:.1f} MiB resident, {more[1]:.1f} MiB at the peak", end="")
    print(f"\nStream(model): {warm['median_stream_ms']:.0f} ms from the cache, {empty['median_stream_ms']:.0f} ms with a compile")


def main() -> None:
    parser = argparse.ArgumentParser(description="Launch to first output, in fresh processes.")
    parser.add_argument("--repeats", type=int, default=15, metavar="N", help="launches of each program (default: %(default)s)")
    parser.add_argument("--compiles", type=int, default=5, metavar="N", help="launches with an empty cache (default: %(default)s)")
    parser.add_argument("--core", type=int, default=1, metavar="N", help="the core to run on (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file")
    options = parser.parse_args()
    if min(options.repeats, options.compiles) < 1:
        parser.error("--repeats and --compiles must be at least 1")
    pinned = take_core(options.core)
    result = {"machine": describe(), "pinned": pinned, "programs": measure(options.repeats, options.compiles)}
    _print(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
