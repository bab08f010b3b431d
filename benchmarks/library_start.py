"""What a library built ahead of time costs: bytes, building, loading, first output: ``python benchmarks/library_start.py``.

The model is (6,32,1). Every figure comes from fresh processes, launched in turns after one untimed round; the pages of all files are in
memory. Bare Python and NumPy's import alone stand beside edgelstm. Steps are not timed here.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from cold_start import NUMPY, PYTHON, Launches
from machine import describe, take_core

DEVICE = """
import time
start = time.perf_counter()
from edgelstm.device import Stream
opened = time.perf_counter()
stream = Stream({path!r})
spent = time.perf_counter() - opened
print(stream.step([0.1] * 6)[0], flush=True)
print("import_ms", 1000 * (opened - start))
print("stream_ms", 1000 * spent)
"""

WITH_NUMPY = """
import time
import edgelstm as el
el.Stream
opened = time.perf_counter()
stream = el.Stream({path!r})
spent = time.perf_counter() - opened
print(float(stream.step([0.1] * 6)[0]), flush=True)
print("stream_ms", 1000 * spent)
"""

LOAD = """
import time
from edgelstm.runtime.library_file import LibraryFile
opened = time.perf_counter()
LibraryFile({path!r}).load()
spent = time.perf_counter() - opened
print(0.0, flush=True)
print("stream_ms", 1000 * spent)
"""

BUILD = """
import time
import edgelstm as el
model = el.load({model!r})
start = time.perf_counter()
made = el.build(model, {target!r})
print(0.0, flush=True)
print("build_ms", 1000 * (time.perf_counter() - start))
"""

ALONE, STREAM, OPEN = "edgelstm.device", "edgelstm.Stream", "LibraryFile and load"


def sizes(model: Any, target: str, path: Path) -> dict[str, Any]:
    """Write the library for this machine; bytes of that for the target."""
    import edgelstm as el

    el.build(model).write(path)
    made = el.build(model, target)
    return {
        "target": target,
        "weight_bytes": made.weight_bytes,
        "code_bytes": made.code_bytes,
        "file_bytes": len(made.data),
        "file_beside_weights": len(made.data) - made.weight_bytes,
        "arena_bytes": made.arena_bytes,
    }


def building(model: Path, target: str, repeats: int, environment: dict[str, str]) -> dict[str, Any]:
    """Seconds of `edgelstm.build` and of the whole command, each in fresh processes."""
    call = Launches(BUILD.format(model=str(model), target=target))
    command = [sys.executable, "-m", "edgelstm", "build", model, "--target", target, "-o", model.with_suffix(".built.so"), "--json"]
    seconds = []
    for _ in range(repeats):
        call.launch(environment)
        start = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        seconds.append(perf_counter() - start)
    calls = [value / 1000 for value in call.facts["build_ms"]]
    return {
        "call": {"median_s": median(calls), "min_s": min(calls), "max_s": max(calls)},
        "command": {"median_s": median(seconds), "min_s": min(seconds), "max_s": max(seconds)},
        "repeats": repeats,
    }


def measure(repeats: int, builds: int, target: str) -> dict[str, Any]:
    """All figures. `repeats`: launches of each program; `builds`: times that the library is built."""
    from grid import Row, make_case

    import edgelstm as el

    case = make_case(Row(6, 32, 1))
    # Modules are found compiled, as where edgelstm is installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        path, model = Path(folder, "model.so"), Path(folder, "model.elstm")
        el.save(case.model, model)
        told: dict[str, Any] = {"sizes": sizes(el.load(model), target, path)}
        codes = {ALONE: DEVICE, STREAM: WITH_NUMPY, OPEN: LOAD}
        programs = {PYTHON: Launches("print(0.0, flush=True)"), NUMPY: Launches("import numpy\nprint(0.0, flush=True)")}
        programs |= {name: Launches(code.format(path=str(path))) for name, code in codes.items()}
        for number in range(repeats + 1):
            for launches in programs.values():
                launches.launch(environment)
                if number == 0:
                    launches.forget()
        least = {name: min(launches.facts["stream_ms"]) for name, launches in programs.items() if name in codes}
        told["launches"] = {
            name: launches.figures() | ({"min_stream_ms": least[name]} if name in least else {}) for name, launches in programs.items()
        }
        told["building"] = building(model, target, builds, environment)
    return told


def _print(result: dict[str, Any]) -> None:
    machine, programs, size, built = (result[key] for key in ("machine", "launches", "sizes", "building"))
    print(f"{machine['cpu']}; {result['pinned']}; {machine['system']}; {machine['python']}; {machine['date']}")
    print(
        f"{'launch to first output':<24}"
        + "".join(f"{h:>10}" for h in ("median ms", "min ms", "max ms", "RSS MiB", "peak MiB", "launches"))
    )
    for name, f in programs.items():
        memory = [f.get(f"median_{key}", float("nan")) / 1024 for key in ("VmRSS", "VmHWM")]
        times = "".join(f"{f[key]:10.1f}" for key in ("median_ms", "min_ms", "max_ms"))
        print(f"{name:<24}{times}{memory[0]:10.1f}{memory[1]:10.1f}{f['launches']:10}")
    print()
    for name, beside in ((ALONE, PYTHON), (STREAM, NUMPY)):
        more = {key: programs[name][key] - programs[beside][key] for key in programs[beside] if key != "launches"}
        memory = [more.get(f"median_{key}", float("nan")) / 1024 for key in ("VmRSS", "VmHWM")]
        print(
            f"{name} above {beside}: {more['median_ms']:.1f} ms (minima: {more['min_ms']:.1f} ms), "
            f"{memory[0]:.1f} MiB resident, {memory[1]:.1f} MiB at the peak"
        )
    for name in (OPEN, ALONE, STREAM):
        print(f"{name}, the first of a process: {programs[name]['median_stream_ms']:.2f} ms (min {programs[name]['min_stream_ms']:.2f} ms)")
    print(
        f"\nfor {size['target']}: weights {size['weight_bytes']:,} bytes, code and constants {size['code_bytes']:,}, "
        f"file beside the weights {size['file_beside_weights']:,}, RAM a stream {size['arena_bytes']:,}"
    )
    for name in ("call", "command"):
        low, middle, high = (built[name][f"{which}_s"] for which in ("min", "median", "max"))
        print(f"building, the {name}: {middle:.2f} s (min {low:.2f} s, max {high:.2f} s, {built['repeats']} times)")


def main() -> None:
    parser = argparse.ArgumentParser(description="Bytes, building, loading and first output of a built library, in fresh processes.")
    parser.add_argument("--repeats", type=int, default=15, metavar="N", help="launches of each program (default: %(default)s)")
    parser.add_argument("--builds", type=int, default=5, metavar="N", help="times that the library is built (default: %(default)s)")
    parser.add_argument("--target", default="rpi4", metavar="NAME", help="what is built and measured in bytes (default: %(default)s)")
    parser.add_argument("--core", type=int, default=1, metavar="N", help="the core to run on (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file")
    options = parser.parse_args()
    if min(options.repeats, options.builds) < 1:
        parser.error("--repeats and --builds must be at least 1")
    pinned = take_core(options.core)
    result = {"machine": describe(), "pinned": pinned, **measure(options.repeats, options.builds, options.target)}
    _print(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
